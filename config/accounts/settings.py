"""Django settings of passwords, log-ins and second factors; `config.settings` has them all."""

import os

from config.environment import number

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
    )
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = LOGOUT_REDIRECT_URL = "/"
AUTHENTICATION_BACKENDS = ["config.http.login.ThrottledBackend"]
# Failed log-ins allowed in 15 minutes: for an account from one address, for an account
# from all addresses, and for all accounts from one address.
LOGIN = {
    "ACCOUNT_AT_ADDRESS": number("LOGIN_ACCOUNT_AT_ADDRESS", 10),
    "ACCOUNT": number("LOGIN_ACCOUNT", 50),
    "ADDRESS": number("LOGIN_ADDRESS", 30),
}
# Accounts are made by invitation only; `seats.User.email` is the one e-mail address.
ACCOUNT_ADAPTER = "config.accounts.adapters.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_SIGNUP_ENABLED = False
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_SESSION_REMEMBER = True  # as long as SESSION_COOKIE_AGE
ACCOUNT_PREVENT_ENUMERATION = True
# Django's generator, which reads the address of the user itself.
ACCOUNT_PASSWORD_RESET_TOKEN_GENERATOR = (
    "django.contrib.auth.tokens.PasswordResetTokenGenerator"
)
PASSWORD_RESET_TIMEOUT = 3600  # seconds
ACCOUNT_REAUTHENTICATION_METHODS = ["password", "mfa"]
ACCOUNT_REAUTHENTICATION_TIMEOUT = 900  # seconds
# Passwords are limited by ThrottledBackend, but for the old one that is entered to change
# it; `login_failed` is about one-time codes.
ACCOUNT_RATE_LIMITS = {
    "login": None,
    "login_failed": "10/15m/key",
    "change_password": "10/15m/user",
}
MFA_ADAPTER = "config.accounts.adapters.SecondFactorAdapter"
MFA_FORMS = {
    "add_webauthn": "config.accounts.forms.AddPasskeyForm",
    "authenticate_webauthn": "config.accounts.forms.AuthenticatePasskeyForm",
    "login_webauthn": "config.accounts.forms.LoginPasskeyForm",
    "reauthenticate_webauthn": "config.accounts.forms.ReauthenticatePasskeyForm",
}
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_RECOVERY_CODES_SHOW_ONCE = True
MFA_TOTP_ISSUER = "Dialer billing"
MFA_TOTP_TOLERANCE = 1  # codes before and after the current one
# Whether staff and owners must have a second factor; not for a try on this machine.
MFA_MANDATORY = (
    os.environ.get("MFA_MANDATORY") or ("1" if os.environ.get("DATABASE_URL") else "0")
) == "1"
INVITATION_DAYS = 7
