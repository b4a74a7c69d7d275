"""How allauth's pages work here: whose address it is, and that mails are rows."""

import secrets
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.core import context as current
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.db import transaction
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from billing.mail.services.outbox import queue_mail
from billing.webhooks.domain.signing import seal, unseal
from config.http.limits import whole_address

MAILS = {
    "account/email/password_reset_key": "password_reset",
    "account/email/unknown_account": "password_reset",
}
NOTICES = {
    "account/email/password_changed": "The password of your account was changed.",
    "account/email/password_reset": "The password of your account was reset.",
    "account/email/password_set": "A password was set for your account.",
    "mfa/email/totp_activated": "An authenticator app was added to your account.",
    "mfa/email/totp_deactivated": "The authenticator app of your account was removed.",
    "mfa/email/webauthn_added": "A passkey was added to your account.",
    "mfa/email/webauthn_removed": "A passkey of your account was removed.",
    "mfa/email/recovery_codes_generated": (
        "New recovery codes were made for your account. The old ones no longer work."
    ),
}


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """Mails go through the queue; addresses are those that other limits count."""

    error_messages = {
        **DefaultAccountAdapter.error_messages,
        "email_password_mismatch": "The e-mail address or the password is wrong.",
        "too_many_login_attempts": (
            "Too many wrong codes. Try again in 15 minutes, or use a recovery code then."
        ),
    }

    def get_client_ip(self, request: HttpRequest) -> str:
        return whole_address(request)

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Count nothing here: `ThrottledBackend` limits passwords, whoever checks them."""

    def send_mail(
        self, template_prefix: str, email: str, context: dict[str, Any]
    ) -> None:
        """Queue a mail; one to an address without an account is only made, not kept.

        Making it costs what a real one does, so the time of the answer says nothing, and
        nobody can have the service write to strangers.
        """
        now = timezone.now()
        with transaction.atomic():
            queue_mail(
                to=[email],
                template=MAILS.get(template_prefix, "account_notice"),
                context={
                    **context,
                    "at": now,
                    "notice": NOTICES.get(template_prefix),
                    "minutes": settings.PASSWORD_RESET_TIMEOUT // 60,
                    "page": self._page_of("account_reset_password"),
                },
                subject_key=secrets.token_hex(8),
                agency_id=None,
                now=now,
            )
            if template_prefix == "account/email/unknown_account":
                transaction.set_rollback(True)

    def _page_of(self, name: str) -> str:
        return str(current.request.build_absolute_uri(reverse(name)))


class SecondFactorAdapter(DefaultMFAAdapter):  # type: ignore[misc]
    """Secrets of authenticator apps and recovery codes are encrypted in the database."""

    def encrypt(self, text: str) -> str:
        return seal(text, settings.WEBHOOKS["SECRETS_KEYS"])

    def decrypt(self, encrypted_text: str) -> str:
        return unseal(encrypted_text, settings.WEBHOOKS["SECRETS_KEYS"])

    def generate_authenticator_name(
        self, user: AbstractBaseUser, type: Authenticator.Type
    ) -> str:
        count = Authenticator.objects.filter(user_id=user.pk, type=type).count()
        return f"Passkey {count + 1}"

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        entity = super().get_public_key_credential_rp_entity()
        return {**entity, "name": settings.MFA_TOTP_ISSUER}
