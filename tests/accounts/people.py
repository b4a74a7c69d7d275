"""What a person does in a browser: forms, one-time codes, passkeys, mails."""

import json
import re
import time
from email.message import EmailMessage
from hashlib import sha256
from typing import Any

from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from fido2.cose import ES256
from fido2.utils import websafe_decode, websafe_encode
from fido2.webauthn import (
    AttestationObject,
    AttestedCredentialData,
    AuthenticatorData,
    CollectedClientData,
)

from billing.mail.services.sending import send_due
from tests.accounts.conftest import PASSWORD
from tests.billing.mail.servers import Mailbox

HOST = "testserver"
ORIGIN = f"https://{HOST}"
FLAG = AuthenticatorData.FLAG
PERIOD = 30  # seconds of a one-time code


def log_in(
    email: str, password: str = PASSWORD, *, client: Client | None = None
) -> tuple[Client, Any]:
    """Send the form of the log-in page; the browser, and the answer."""
    client = client or Client()
    page = reverse("account_login")
    assert client.get(page).status_code == 200
    return client, client.post(page, {"login": email, "password": password})


def is_logged_in(client: Client) -> bool:
    return client.get(reverse("account_change_password")).status_code == 200


def confirm_password(client: Client, password: str = PASSWORD) -> Any:
    return client.post(reverse("account_reauthenticate"), {"password": password})


def link_in(mail: EmailMessage) -> str:
    """The path of the link in a mail's text, which its HTML has, too."""
    text, page = text_of(mail), text_of(mail, "html")
    (link,) = re.findall(rf"http://{HOST}(/\S+)", text)
    assert f'href="http://{HOST}{link}"' in page
    return str(link)


def text_of(mail: EmailMessage, kind: str = "plain") -> str:
    body = mail.get_body((kind,))
    assert body
    return str(body.get_content())


def mails_of(mailbox: Mailbox) -> list[EmailMessage]:
    """All mails, after what is queued was sent by SMTP."""
    send_due(clock=timezone.now)
    return mailbox.mails


def code_of(secret: str, *, steps: int = 0) -> str:
    """What an authenticator app shows; so many steps later."""
    return str(
        format_hotp_value(hotp_value(secret, int(time.time()) // PERIOD + steps))
    )


def add_app(client: Client) -> tuple[str, list[str]]:
    """Set up an authenticator app; its secret, and the recovery codes that are shown."""
    page = reverse("mfa_activate_totp")
    secret = client.get(page).context["form"].secret
    answer = client.post(page, {"code": code_of(secret)}, follow=True)
    assert answer.redirect_chain, answer.context["form"].errors
    return secret, list(answer.context["unused_codes"])


class Passkey:
    """A device that holds one key, and signs after it has verified its user."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._id = b"passkey of the tests"
        self._user = b""

    def register(self, client: Client, *, name: str = "Laptop") -> Any:
        """Add it on the page of the logged-in user."""
        page = reverse("mfa_add_webauthn")
        options = client.get(page).context["js_data"]["creation_options"]["publicKey"]
        self._user = websafe_decode(options["user"]["id"])
        credential = AttestedCredentialData.create(
            bytes(16), self._id, ES256.from_cryptography_key(self._key.public_key())
        )
        auth = AuthenticatorData.create(
            sha256(HOST.encode()).digest(), FLAG.UP | FLAG.UV | FLAG.AT, 0, credential
        )
        response = {
            "clientDataJSON": websafe_encode(self._data("create", options)),
            "attestationObject": websafe_encode(
                AttestationObject.create("none", auth, {})
            ),
        }
        fields = {"name": name, "passwordless": "on"}
        content = self._envelope(response, {"credProps": {"rk": True}})
        return client.post(page, {**fields, "credential": content})

    def log_in(self, client: Client, *, origin: str = ORIGIN) -> Any:
        """Log in with it alone, as the button of the log-in page does."""
        page = reverse("mfa_login_webauthn")
        answer = client.get(page, headers={"accept": "application/json"}).json()
        return client.post(
            page, {"credential": self.sign(answer["request_options"], origin=origin)}
        )

    def sign(self, options: Any, *, origin: str = ORIGIN) -> str:
        """The answer to a challenge."""
        data = self._data("get", options["publicKey"], origin)
        auth = AuthenticatorData.create(
            sha256(HOST.encode()).digest(), FLAG.UP | FLAG.UV, 1
        )
        signature = self._key.sign(auth + sha256(data).digest(), ec.ECDSA(SHA256()))
        response = {
            "clientDataJSON": websafe_encode(data),
            "authenticatorData": websafe_encode(auth),
            "signature": websafe_encode(signature),
            "userHandle": websafe_encode(self._user),
        }
        return self._envelope(response, {})

    def _data(self, kind: str, options: Any, origin: str = ORIGIN) -> bytes:
        return CollectedClientData.create(
            f"webauthn.{kind}", options["challenge"], origin
        )

    def _envelope(self, response: dict[str, str], results: dict[str, Any]) -> str:
        key = websafe_encode(self._id)
        return json.dumps(
            {
                "id": key,
                "rawId": key,
                "type": "public-key",
                "response": response,
                "clientExtensionResults": results,
            }
        )
