"""Forms of passkeys that survive whatever is sent as one."""

import struct
from typing import Any

import msgspec
from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from allauth.mfa.webauthn import forms as webauthn
from cryptography.exceptions import InvalidSignature
from django import forms
from django.core.exceptions import ValidationError

from core.parsing.strict_json import JsonRefused, decode_json

LONGEST = 20_000  # characters; usual ones have less than 2,000
# What the parsers of allauth and fido2 raise where something is missing or no passkey's.
BROKEN = (
    LookupError, TypeError, ValueError, AttributeError, ArithmeticError, struct.error,
    InvalidSignature,
)  # fmt: skip


class CredentialField(forms.Field):
    """What a browser says of a passkey: an object, bounded before it is parsed."""

    widget = forms.HiddenInput

    def to_python(self, value: Any) -> Any:
        if not value:
            return None
        if len(value) > LONGEST or "\\u0000" in value:
            raise _refused()
        try:
            return decode_json(value.encode(errors="replace"), msgspec.json.decode)
        except JsonRefused:
            raise _refused() from None


class AddPasskeyForm(webauthn.AddWebAuthnForm):  # type: ignore[misc]
    credential = CredentialField()

    def clean(self) -> dict[str, Any]:
        try:
            cleaned: dict[str, Any] = super().clean()
        except BROKEN:
            raise _refused() from None
        return cleaned


class _Signed:
    """Checks a signature; whatever is wrong with it, it is a wrong code."""

    def clean_credential(self) -> Authenticator:
        try:
            return super().clean_credential()  # type: ignore[misc]
        except BROKEN:
            raise _refused() from None


class AuthenticatePasskeyForm(_Signed, webauthn.AuthenticateWebAuthnForm):  # type: ignore[misc]
    credential = CredentialField()


class LoginPasskeyForm(_Signed, webauthn.LoginWebAuthnForm):  # type: ignore[misc]
    credential = CredentialField()


class ReauthenticatePasskeyForm(_Signed, webauthn.ReauthenticateWebAuthnForm):  # type: ignore[misc]
    credential = CredentialField()


def _refused() -> ValidationError:
    refused: ValidationError = get_adapter().validation_error("incorrect_code")
    return refused
