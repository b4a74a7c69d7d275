"""Django settings. Everything that differs between machines is read from the environment."""

import json
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

from psycopg import IsolationLevel

from config import services
from config.accounts.settings import *
from config.admin.theme import theme
from config.environment import amount, database_of, number, numbers, seconds

BASE_DIR = Path(__file__).resolve().parent.parent

DEBUG = os.environ.get("DEBUG", "") == "1"
SECRET_KEY = os.environ.get("SECRET_KEY", "") or services.local_secret_key()
ALLOWED_HOSTS = os.environ.get("ALLOWED_HOSTS", "127.0.0.1,localhost,[::1]").split(",")

INSTALLED_APPS = [
    "config",
    "seats",
    "billing",
    "unfold.apps.BasicAppConfig",
    "config.apps.StaffAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.humanize",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "config.http.middleware.Patience",
    "config.http.origins.RequestOrigin",
    "config.http.middleware.Answers",
    "config.http.policy.ContentPolicy",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "config.accounts.middleware.Standing",
    "config.http.origins.UserOrigin",
    "config.accounts.acting.ActingAs",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]
# Plain-text mails are rendered by a separate engine without HTML escaping.
TEMPLATES.append({**TEMPLATES[0], "NAME": "text", "OPTIONS": {"autoescape": False}})
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"


def database(url: str | None, role: services.Role) -> dict[str, Any]:
    """One connection: the given server, or the embedded one, as one of two roles."""
    settings = database_of(url or services.database_url(role), role)
    settings["ENGINE"] = "config.database"
    options = settings.get("OPTIONS", {})
    settings["HOST"] = options.pop("host", settings["HOST"])  # a socket's folder
    settings["OPTIONS"] = {
        **options,
        "isolation_level": IsolationLevel.READ_COMMITTED,
        "connect_timeout": options.get("connect_timeout", 5),
        "embedded": url is None,
    }
    # New sessions start with cold caches of tables, triggers and plans, so sessions are
    # kept open, and checked before each request.
    settings |= {"CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True}
    return settings


# The application's role cannot change issued documents; only migrations run as the owner.
DATABASES = {
    "default": database(os.environ.get("DATABASE_URL") or None, "app"),
    "owner": database(os.environ.get("DATABASE_OWNER_URL") or None, "owner"),
}
# Pages for members of agencies read as this role, which sees what policies allow.
MEMBER_ROLE = os.environ.get("DATABASE_MEMBER_ROLE") or services.MEMBER_ROLE
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = os.environ.get("REDIS_URL") or services.redis_url()
EMBEDDED_REDIS = not os.environ.get("REDIS_URL")

# Shared by all processes: rate limits of the log-in pages, and one-time codes that were
# used.
CACHES = {"default": {"BACKEND": "config.http.cache.BrokerCache"}}

AUTH_USER_MODEL = "seats.User"  # passwords and log-ins: config.accounts.settings

USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en-us"
FORMAT_MODULE_PATH = ["config.formats"]

STATIC_URL = "static/"
STATIC_ROOT = os.environ.get("STATIC_ROOT")  # where collectstatic puts them
WHITENOISE_USE_FINDERS = True
# The PDFs of documents: a folder, or any storage of Django, such as S3, by its class.
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    "documents": {
        "BACKEND": os.environ.get(
            "DOCUMENTS_STORAGE", "django.core.files.storage.FileSystemStorage"
        ),
        "OPTIONS": json.loads(os.environ.get("DOCUMENTS_STORAGE_OPTIONS", "null"))
        or {"location": services.documents_folder()},
    },
}

# The look of the two sites; see `config.admin`.
STAFF_SITE = theme("Dialer billing", "Platform staff")
AGENCY_SITE = theme("Dialer billing", "Your agency")

SESSION_ENGINE = "config.http.sessions"
SESSION_COOKIE_AGE = 8 * 3600
SESSION_SAVE_EVERY_REQUEST = True
HTTPS = os.environ.get("HTTPS", "") == "1"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = HTTPS
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
# HSTS for subdomains and in browsers' preload lists, unless HSTS_SUBDOMAINS is 0.
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = (
    HTTPS and os.environ.get("HSTS_SUBDOMAINS", "1") == "1"
)
# The header in which the proxy reports the scheme. The service itself does not terminate
# TLS, so with HTTPS=1 there is a proxy.
_PROXY_HEADER = os.environ.get("SECURE_PROXY_SSL_HEADER") or "X-Forwarded-Proto"
SECURE_PROXY_SSL_HEADER = (
    ("HTTP_" + _PROXY_HEADER.upper().replace("-", "_"), "https") if HTTPS else None
)
CSRF_TRUSTED_ORIGINS = [
    origin for origin in os.environ.get("CSRF_TRUSTED_ORIGINS", "").split(",") if origin
]
X_FRAME_OPTIONS = "DENY"

# How long requests wait for the database to answer one statement.
DATABASE_PATIENCE = {
    "REQUESTS": seconds("DATABASE_PATIENCE_SECONDS", 30),
    "AUTHORIZE": seconds("AUTHORIZE_PATIENCE_SECONDS", 2),
}

# Without EMAIL_HOST and EMAIL_FROM, mails are held.
EMAIL_HOST = os.environ.get("EMAIL_HOST", "")
EMAIL_PORT = number("EMAIL_PORT", 587)
EMAIL_HOST_USER = os.environ.get("EMAIL_USER", "")
EMAIL_HOST_PASSWORD = os.environ.get("EMAIL_PASSWORD", "")
EMAIL_USE_TLS = os.environ.get("EMAIL_TLS", "starttls") == "starttls"
EMAIL_USE_SSL = os.environ.get("EMAIL_TLS", "starttls") == "tls"
EMAIL_TIMEOUT = seconds("EMAIL_TIMEOUT_SECONDS", 20).total_seconds()
DEFAULT_FROM_EMAIL = os.environ.get("EMAIL_FROM", "")

# Rules of billing.
# Who sends the documents, with lines of address below the name.
ISSUER = {
    "name": os.environ.get("ISSUER_NAME", "Dialer Billing"),
    "lines": [line for line in os.environ.get("ISSUER_ADDRESS", "").split("|") if line],
}
# Where people reach the service: documents and mails link to it.
SITE_ADDRESS = os.environ.get("SITE_ADDRESS", "").rstrip("/")
RENDERING: dict[str, Any] = {
    "LEASE": seconds("RENDERING_LEASE_SECONDS", 60),
    "RETRY": seconds("RENDERING_RETRY_SECONDS", 300),
    "CHUNK": 50,
}
BILLING: dict[str, Any] = {
    # A month can be billed this long after it has ended everywhere.
    "GRACE": seconds("BILLING_GRACE_SECONDS", 6 * 3600),
    # A draft waits this long for review before it is issued.
    "REVIEW_WINDOW": seconds("BILLING_REVIEW_SECONDS", 2 * 86_400),
    "PAYMENT_TERMS": timedelta(days=14),
    "LATE_DAYS": 90,
    "BACKDATE_DAYS": 90,
    # Dates of seats, uplines, zones and payers further ahead are refused as typing errors.
    "AHEAD_DAYS": number("BILLING_AHEAD_DAYS", 400),
    "PRICE_NOTICE_DAYS": 30,
    # A document above this many times the payer's largest so far is parked.
    "OUTLIER_FACTOR": number("BILLING_OUTLIER_FACTOR", 10),
    # A document below the monthly price of this many seats is never parked.
    "OUTLIER_FLOOR_SEATS": number("BILLING_OUTLIER_FLOOR_SEATS", 200),
    # Renewed while the worker lives: the time until another worker takes over.
    "CLOSE_LEASE": seconds("BILLING_CLOSE_LEASE_SECONDS", 15),
    "CLOSE_RETRY": seconds("BILLING_CLOSE_RETRY_SECONDS", 60),
    "CLOSE_ATTEMPTS": 5,
    # The same for what is done daily or hourly by its row.
    "RECURRING_LEASE": seconds("BILLING_RECURRING_LEASE_SECONDS", 30),
    # `verify` reports months, runs and drafts that are later than this.
    "OVERDUE_AFTER": seconds("BILLING_OVERDUE_SECONDS", 3600),
    "CLOSE_CHUNK": number("BILLING_CLOSE_CHUNK", 250),
    # Refused rows of files may contain personal data, so they are deleted after this.
    "REJECTED_ROWS_KEPT": timedelta(days=30),
    # Older months are archived to files, once no more events can arrive for them.
    "EVENTS_KEPT_MONTHS": number("BILLING_EVENTS_KEPT_MONTHS", 18),
    "ARCHIVE_ROOT": Path(
        os.environ.get("BILLING_ARCHIVE_ROOT") or services.archive_folder()
    ),
    # Archiving a month locks its table; give up if the lock takes longer than this.
    "ARCHIVE_LOCK_WAIT": seconds("BILLING_ARCHIVE_LOCK_SECONDS", 1),
    # How long a mail waits after each failed attempt: two days in all.
    "MAIL_RETRIES": [
        timedelta(minutes=m) for m in (1, 5, 15, 60, 120, 240, 480, 480, 480, 960)
    ],
    "MAIL_LEASE": seconds("MAIL_LEASE_SECONDS", 15),  # renewed while the worker lives
    "MAIL_CHUNK": 10,
    # Meters that count as dialing: hard budgets of other meters stop no calls.
    "DIALING_METERS": ["voice.out", "voice.out.intl"],
    # Whether `authorize` allows calls while the database is down.
    "AUTHORIZE_FAIL_OPEN": os.environ.get("AUTHORIZE_FAIL_OPEN", "1") == "1",
    # Files of an agency that are imported concurrently, by all workers together.
    "IMPORTS_AT_ONCE": number("BILLING_IMPORTS_AT_ONCE", 1),
    "LARGEST_UPLOAD": 256 * 1024 * 1024,
}

WEBHOOKS: dict[str, Any] = {
    # The first encrypts the secrets of endpoints; those after it still decrypt.
    "SECRETS_KEYS": (
        os.environ.get("WEBHOOK_SECRETS_KEY")
        or services.local_secret_key("webhook_secrets_key")
    ).split(","),
    # For receivers on this machine, also without TLS.
    "ALLOW_LOOPBACK": DEBUG or os.environ.get("WEBHOOKS_ALLOW_LOOPBACK", "") == "1",
    "PORTS": [int(port) for port in numbers("WEBHOOKS_PORTS", "443,8443")],
    "CA_FILE": os.environ.get("WEBHOOKS_CA_FILE"),
    # The time limit of a whole request. The lease must be longer, or two workers would
    # send the same attempt.
    "TIMEOUT": seconds("WEBHOOKS_TIMEOUT_SECONDS", 15),
    "LEASE": seconds("WEBHOOKS_LEASE_SECONDS", 60),
    # Concurrent requests: of a worker, to an endpoint, to an endpoint that fails.
    "THREADS": number("WEBHOOKS_THREADS", 64),
    # Concurrent requests to all endpoints that an agency owns, by all workers.
    "AT_ONCE_AGENCY": number("WEBHOOKS_AT_ONCE_AGENCY", 24),
    "AT_ONCE": 16,
    "AT_ONCE_FAILING": 1,
    # How long a sweep claims new deliveries; the next one continues.
    "SWEEP": timedelta(seconds=45),
    "SECRET_OVERLAP": timedelta(hours=24),
    "PAUSE_AFTER": timedelta(days=5),
    "ATTEMPTS_KEPT": timedelta(days=90),
}

CHARGES: dict[str, Any] = {
    # Longer than a look-up and a charge together, each with a webhook's timeout.
    "LEASE": seconds("CHARGES_LEASE_SECONDS", 120),
    "AT_ONCE": 8,  # concurrent calls of a sweep, shared equally by processors
    "EVENTS": 100,  # events read in a batch
    "SWEEP": timedelta(seconds=45),
    # Invoices of payers with a payment method are charged when they are issued.
    "ON_ISSUE": os.environ.get("CHARGES_ON_ISSUE", "1") == "1",
    # Open charges are looked up after these pauses, then after the last one repeatedly.
    "LOOK_UPS": [
        timedelta(seconds=pause)
        for pause in numbers("CHARGES_LOOK_UP_SECONDS", "300,3600,86400")
    ],
    # Processors keep idempotency keys for 24 hours; the margin is for clock differences.
    "RESEND_WITHIN": timedelta(hours=23),
    "EVENT_TRIES": 5,
    # A charge of a document on hold is checked again after this pause.
    "HOLD_PAUSE": timedelta(minutes=5),
    # The age at which staff are notified of an event that is not recorded, and of a charge
    # or refund whose outcome is unknown. Bank debits are pending for days.
    "EVENT_LIMIT": seconds("CHARGES_EVENT_LIMIT_SECONDS", 86_400),
    "UNKNOWN_LIMIT": seconds("CHARGES_UNKNOWN_LIMIT_SECONDS", 86_400),
    "PENDING_LIMIT": seconds("CHARGES_PENDING_LIMIT_SECONDS", 7 * 86_400),
    # Of a payment more is refunded only once a second person has approved it; in major
    # units of its currency.
    "REFUND_LIMIT": amount("REFUND_APPROVAL_LIMIT", "500.00"),
    # After an outage, this many days up to yesterday are reconciled with processors.
    "RECONCILE_DAYS": number("RECONCILE_DAYS", 31),
    # Pages of processors are open this long; they allow a day at most.
    "PAGE_OPEN": timedelta(hours=23),
    # Where payers return after a checkout page, unless its request names a URL.
    "RETURN_URL": os.environ.get("PAYMENT_RETURN_URL", ""),
}

VERIFICATION: dict[str, Any] = {
    # The time from the start of a pass to the next of its kind.
    "EVERY": {
        "full": seconds("VERIFY_FULL_SECONDS", 86_400),
        "incremental": seconds("VERIFY_INCREMENTAL_SECONDS", 3600),
    },
    # After a pass that failed, or whose worker was lost.
    "RETRY": seconds("VERIFY_RETRY_SECONDS", 600),
    # Renewed while a pass runs, however long that is.
    "LEASE": seconds("VERIFY_LEASE_SECONDS", 60),
}

DUNNING: dict[str, Any] = {
    # The pause before each retry of an invoice that could not be charged.
    "RETRIES": [
        timedelta(days=days) for days in numbers("DUNNING_RETRY_DAYS", "3,5,7,7")
    ],
    # How long an invoice may be overdue before calls are suspended.
    "GRACE": seconds("DUNNING_GRACE_SECONDS", 7 * 86_400),
    "LONGEST_HOLD": timedelta(days=90),
    "CHUNK": 100,  # payers per transaction
}

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["config.http.authentication.KeyAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["config.http.authentication.HasScope"],
    "DEFAULT_THROTTLE_CLASSES": ["config.http.throttling.KeyThrottle"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["config.http.parsing.StrictJson"],
    "DEFAULT_PAGINATION_CLASS": "config.http.pagination.ByCursor",
    "DEFAULT_SCHEMA_CLASS": "config.http.schema.Described",
    "DEFAULT_METADATA_CLASS": None,  # OPTIONS: the schema describes everything
    "EXCEPTION_HANDLER": "config.http.errors.as_problem",
}
# How many proxies in front write X-Forwarded-For; 0: the header is not believed.
TRUSTED_PROXIES = number("TRUSTED_PROXIES", 0)
API_REQUESTS_A_MINUTE = number("API_REQUESTS_A_MINUTE", 600)
QUOTE_REQUESTS_A_MINUTE = number("QUOTE_REQUESTS_A_MINUTE", 60)
API_REFUSALS_A_MINUTE = number("API_REFUSALS_A_MINUTE", 60)
AUTHORIZE_REQUESTS_A_MINUTE = number("AUTHORIZE_REQUESTS_A_MINUTE", 60000)
PROCESSOR_REQUESTS_A_MINUTE = number("PROCESSOR_REQUESTS_A_MINUTE", 6000)
SPECTACULAR_SETTINGS = {
    "TITLE": "Billing for a per-seat dialer",
    "OAS_VERSION": "3.1.1",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "config.http.schema.add_problems",
        "config.http.schema.add_webhooks",
    ],
    "ENUM_NAME_OVERRIDES": {
        "AttemptState": "billing.collection.models.attempts.PaymentAttempt.State",
        "EndpointState": "billing.webhooks.models.WebhookEndpoint.State",
    },
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
}

LOG_LEVEL = os.environ.get("LOG_LEVEL", "WARNING")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"},
    },
    "filters": {
        "refusals": {"()": "config.http.logs.OneLineForRefusals"},
        "outages": {"()": "config.http.logs.OneLineForOutages"},
        "links": {"()": "config.http.logs.WithoutLinks"},
        "lines": {"()": "config.http.logs.OneLine"},
    },
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "formatter": "line",
            "filters": ["refusals", "outages", "links", "lines"],
        },
    },
    # Stripe's library logs whole requests and responses.
    "loggers": {
        "django": {"level": LOG_LEVEL},
        "stripe": {"level": "WARNING"},
        # It would log a line for each request that waits for a thread.
        "waitress.queue": {"level": "ERROR"},
    },
    "root": {"handlers": ["console"], "level": LOG_LEVEL},
}
