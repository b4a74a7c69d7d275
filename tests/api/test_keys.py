"""Keys: who gets in, how far, and what is said to everybody else."""

from datetime import datetime, timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse

from seats.agencies.services import set_upline
from seats.api_keys.models import ApiKey
from seats.api_keys.services import (
    ExpiresInThePast,
    UnknownScope,
    create_key,
    revoke_key,
    token_digest,
    use_key,
)
from seats.models import User
from tests.api.conftest import NOW, SCOPES
from tests.build import MARCH, make_agency, make_prices
from tests.staff import confirm

pytestmark = pytest.mark.django_db
PREVIEW = "/api/v1/invoices/preview?month=2026-03"


def make_key(**changes):
    options = {"agency": None, "scopes": SCOPES, "actor": "test", "now": NOW}
    return create_key(**{**options, **changes})


def insert_key(scopes):
    """A platform's key that no service created; returns its secret."""
    token = "dk_inserted"
    ApiKey.objects.create(
        prefix="dk_inserted", digest=token_digest(token), scopes=scopes,
        created_by="test", created_at=NOW,
    )  # fmt: skip
    return token


class TestKeys:
    def test_the_secret_is_nowhere_in_the_row(self):
        key, token = make_key(label="dialer")
        row = ApiKey.objects.filter(pk=key.pk).values().get()

        assert token not in str(row)
        assert token.startswith(row["prefix"])
        assert len(token) > 50

    def test_is_found_by_its_secret_alone(self):
        key, token = make_key()

        assert use_key(token=token, now=NOW) == key
        assert use_key(token=token[:-1], now=NOW) is None
        assert use_key(token=key.digest, now=NOW) is None
        assert use_key(token="\ud800\0", now=NOW) is None

    def test_ends_when_revoked_or_expired(self):
        key, token = make_key()
        _, short = make_key(expires_at=NOW + timedelta(hours=1))
        revoke_key(key=key, now=NOW)

        assert use_key(token=token, now=NOW) is None
        assert use_key(token=short, now=NOW)
        assert use_key(token=short, now=NOW + timedelta(hours=1)) is None

    def test_refuses_scopes_nobody_knows_and_keys_that_never_open(self):
        for scopes in ([], ["money:print"]):
            with pytest.raises(UnknownScope):
                make_key(scopes=scopes)
        with pytest.raises(ExpiresInThePast):
            make_key(expires_at=NOW)

    @pytest.mark.parametrize(
        "scopes",
        [[], ["usage"], ["usage:all"], ["Usage:read"], ["usage:read", ""],
         ["usage:read usage:write"], ["usage:read", None], ["usage:read\n"]],
    )  # fmt: skip
    def test_has_scopes_of_a_valid_form_in_the_database(self, scopes):
        with pytest.raises(IntegrityError, match="scopes"), transaction.atomic():
            insert_key(scopes=scopes)

    def test_opens_nothing_by_a_scope_that_no_room_declares(self, client):
        token = insert_key(scopes=["money:read", "money:write"])

        for path in ("agencies", "usage", "invoices", "payments", "budgets"):
            answer = client.get(
                f"/api/v1/{path}", headers={"authorization": f"Bearer {token}"}
            )
            assert (answer.status_code, answer.json()["code"]) == (
                403, "permission_denied",
            )  # fmt: skip

    def test_notes_its_use_once_an_hour(self, django_assert_num_queries):
        key, token = make_key()
        use_key(token=token, now=NOW)

        with django_assert_num_queries(1):
            use_key(token=token, now=NOW + timedelta(minutes=59))
        key.refresh_from_db()
        assert key.last_used_at == NOW


class TestCommand:
    def test_prints_a_key_that_works(self):
        make_agency()
        out = StringIO()

        call_command(
            "create_key", "--agency", "SUNRISE", "--scope", "usage:write", stdout=out
        )

        key = ApiKey.objects.get()
        assert use_key(token=out.getvalue().strip(), now=key.created_at) == key
        assert key.agency
        assert key.agency.code == "SUNRISE"

    def test_takes_scopes_together_and_one_by_one(self):
        make_agency()

        call_command(
            "create_key", "--agency", "SUNRISE", "--scope", "usage:write", "usage:read",
            "--scope", "seats:read", stdout=StringIO(),
        )  # fmt: skip

        assert ApiKey.objects.get().scopes == [
            "seats:read",
            "usage:read",
            "usage:write",
        ]

    def test_refuses_an_unknown_agency(self):
        with pytest.raises(CommandError, match="NOBODY"):
            call_command("create_key", "--agency", "NOBODY", "--scope", "usage:write")

    @pytest.mark.parametrize(
        ("whose", "text", "expires_at"),
        [
            (["--agency", "SUNRISE"], "2099-01-31", "2099-01-31T05:00:00+00:00"),
            (["--platform"], "2099-01-31", "2099-01-31T00:00:00+00:00"),
            (["--platform"], "2099-01-31T18:00:00-05:00", "2099-01-31T23:00:00+00:00"),
        ],
    )
    def test_makes_a_key_that_expires(self, whose, text, expires_at):
        make_agency()
        call_command(
            "create_key", *whose, "--scope", "usage:write", "--expires", text,
            stdout=StringIO(),
        )  # fmt: skip

        assert ApiKey.objects.get().expires_at == datetime.fromisoformat(expires_at)

    @pytest.mark.parametrize(
        ("text", "code"),
        [
            ("soon", "bad_time"),
            ("2099-13-01", "bad_time"),
            ("2099-01-31T18:00:00", "bad_time"),
            ("0001-01-01T00:00:00+14:00", "bad_time"),
            ("2020-01-31", "expires_in_the_past"),
        ],
    )
    def test_refuses_an_expiry_that_means_nothing(self, text, code):
        with pytest.raises(CommandError, match=code):
            call_command(
                "create_key", "--platform", "--scope", "usage:write", "--expires", text
            )

        assert not ApiKey.objects.exists()


class TestDoors:
    @pytest.mark.parametrize(
        "header", [None, "Bearer nonsense", "Basic dXNlcjpwdw==", "Bearer", "\x7f"]
    )
    def test_nobody_without_a_key_gets_in(self, caller, header):
        client = Client(headers={"authorization": header} if header else {})

        answer = client.get(PREVIEW)

        assert answer.status_code == 401
        assert answer["Content-Type"] == "application/problem+json"
        assert answer["WWW-Authenticate"] == "Bearer"
        assert answer.json()["code"] in {"not_authenticated", "authentication_failed"}

    def test_a_key_without_the_scope_is_refused(self, caller):
        answer = caller(make_agency(), ["usage:write"]).get(PREVIEW)

        assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")

    def test_staff_sees_keys_but_no_digest_and_can_revoke_them(self, client, caller):
        caller(make_agency())
        key = ApiKey.objects.get()
        client.force_login(User.objects.create_superuser("staff@example.com", "x"))
        page = reverse("admin:seats_apikey_changelist")

        assert key.prefix in client.get(page).content.decode()
        shown = client.get(reverse("admin:seats_apikey_change", args=[key.pk]))
        assert key.digest not in shown.content.decode()
        confirm(client, page, {"action": "revoke", "_selected_action": [key.pk]})
        key.refresh_from_db()
        assert key.revoked_at == NOW


class TestReach:
    @pytest.fixture
    def downline(self):
        make_prices()
        top, below, other = (make_agency(code) for code in ("TOP", "BELOW", "OTHER"))
        set_upline(agency=below, upline=top, on=MARCH, now=NOW, actor="test")
        return top, below, other

    def test_itself_and_its_downline_and_nobody_else(self, caller, downline):
        client = caller(downline[0])

        answers = {
            code: client.get(f"{PREVIEW}&agency={code}")
            for code in ("TOP", "BELOW", "OTHER", "NOBODY", "\0")
        }

        assert [answer.status_code for answer in answers.values()] == [
            200, 200, 404, 404, 404,
        ]  # fmt: skip
        assert answers["OTHER"].content == answers["NOBODY"].content

    def test_moves_with_the_tree_at_once(self, caller, downline):
        top, below, _ = downline
        client = caller(top)
        set_upline(agency=below, upline=None, on=NOW.date(), now=NOW, actor="test")

        assert client.get(f"{PREVIEW}&agency=BELOW").status_code == 404

    def test_the_platform_reaches_all(self, caller, downline):
        client = caller()

        assert client.get(f"{PREVIEW}&agency=OTHER").status_code == 200
        answer = client.get(PREVIEW)  # a platform has no bill
        assert (answer.status_code, answer.json()["field"]) == (400, "agency")


class TestRefusals:
    """Refusals before a request is counted are counted themselves."""

    @pytest.fixture(params=["with the broker", "without the broker"])
    def most(self, request, caller, settings):
        if request.param == "with the broker":
            settings.REDIS_URL = request.getfixturevalue("broker")
        settings.API_REFUSALS_A_MINUTE = 5
        return 5

    def test_wrong_keys_are_told_so_only_so_often(self, most, caller):
        make_prices()
        here = f"192.0.2.{most}"
        wrong = [
            Client(headers={"authorization": f"Bearer dk_{n}"}, REMOTE_ADDR=here).get(
                PREVIEW
            )
            for n in range(20)
        ]
        good = caller(make_agency()).get(PREVIEW, REMOTE_ADDR=here)
        elsewhere = Client(REMOTE_ADDR="198.51.100.1").get(PREVIEW)

        assert [answer.status_code for answer in wrong] == [401] * most + [429] * 15
        assert wrong[-1].json()["code"] == "throttled"
        assert int(wrong[-1]["Retry-After"]) > 0
        assert good.status_code == 200
        assert elsewhere.status_code == 401

    @pytest.mark.parametrize("path", [PREVIEW, "/api/v1/authorize?agent=ana"])
    def test_so_is_a_key_without_the_scope(self, most, caller, path):
        program = caller(make_agency(), ["seats:read"])

        answers = [program.get(path).status_code for _ in range(10)]

        assert answers == [403] * most + [429] * 5
