"""Logging in through the admin's page, with right passwords and with wrong ones."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
import time_machine
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.test import Client
from django.urls import reverse

from config.http.limits import Limit, client_address
from config.http.login import ThrottledBackend
from seats.models import User

LOGIN = reverse("account_login")
EMAIL, PASSWORD = "staff@example.com", "correct horse battery"
HERE, THERE = "192.0.2.7", "198.51.100.9"


class CountingHasher(PBKDF2PasswordHasher):
    """Counts how often a hash is computed, which is what costs time."""

    iterations = 1
    computed = 0

    def encode(self, *args, **kwargs):
        type(self).computed += 1
        return super().encode(*args, **kwargs)


@pytest.fixture(params=["with the broker", "without the broker"])
def limits(request, settings):
    """Small limits, counted by the broker or by this process alone."""
    settings.REDIS_URL = (
        request.getfixturevalue("broker")
        if request.param == "with the broker"
        else "redis://127.0.0.1:1/0"
    )
    settings.LOGIN = {"ACCOUNT_AT_ADDRESS": 4, "ACCOUNT": 6, "ADDRESS": 8}
    settings.PASSWORD_HASHERS = [f"{__name__}.CountingHasher"]
    for limit in vars(ThrottledBackend).values():
        if isinstance(limit, Limit):
            limit._local.clear()
    with time_machine.travel(datetime(2026, 3, 31, 12, 1, tzinfo=UTC)):
        yield


@pytest.fixture
def staff(db, limits):
    user = User.objects.create_superuser(EMAIL, PASSWORD)
    CountingHasher.computed = 0
    return user


def log_in(password, *, email=EMAIL, address=HERE):
    fields = {"login": email, "password": password, "next": "/admin/"}
    return Client(REMOTE_ADDR=address).post(LOGIN, fields)


class TestLogin:
    def test_refuses_the_right_password_after_too_many_wrong_ones(self, staff):
        wrong = [log_in(f"wrong {n}").status_code for n in range(4)]
        hashes = CountingHasher.computed

        answer = log_in(PASSWORD)

        assert wrong == [200] * 4
        assert answer.status_code == 429
        assert 0 < int(answer["Retry-After"]) <= 901
        assert b"Too many failed log-in attempts" in answer.content
        assert CountingHasher.computed == hashes  # refused before it cost anything

    def test_leaves_the_account_usable_from_elsewhere(self, staff):
        for n in range(6):
            log_in(f"wrong {n}")

        assert log_in(PASSWORD, address=THERE).status_code == 302

    def test_counts_an_account_over_all_addresses(self, staff):
        for n in range(6):
            log_in(f"wrong {n}", address=f"192.0.2.{n}")

        assert log_in(PASSWORD, address=THERE).status_code == 429

    def test_counts_an_address_over_all_accounts(self, staff):
        for n in range(8):
            log_in("wrong", email=f"nobody{n}@example.com")

        assert log_in(PASSWORD).status_code == 429
        assert log_in(PASSWORD, address=THERE).status_code == 302

    def test_counts_an_account_however_it_is_written(self, staff):
        for email in (EMAIL, EMAIL.upper(), f" {EMAIL}", EMAIL.title()):
            log_in("wrong", email=email)

        assert log_in(PASSWORD).status_code == 429

    def test_finds_an_account_under_no_spelling_that_is_counted_apart(self, staff):
        """The database takes a dotless i for an i: 2**n names that have no limit."""
        email = "billing.clerk@example.com"
        User.objects.create_superuser(email, PASSWORD)

        answers = [
            log_in(PASSWORD, email=spelt, address=f"192.0.2.{n}").status_code
            for n, spelt in enumerate(
                [email.upper(), email.replace("i", "\u0131"), f" {email}\u3000"]
            )
        ]

        assert answers == [302, 200, 302]

    def test_counts_no_right_password(self, staff):
        answers = {log_in(PASSWORD).status_code for _ in range(12)}

        assert answers == {302}


class TestAtOnce:
    def test_computes_no_more_hashes_than_allowed(self, settings, broker):
        """Counted before the hash is computed, so nobody slips in beside another."""
        settings.REDIS_URL = broker
        limit = Limit("test", 10**9)  # one window, whenever the test runs
        with ThreadPoolExecutor(8) as pool:
            taken = list(pool.map(lambda _: limit.take("staff", 10), range(80)))

        assert sum(taken) == 10


class TestClientAddress:
    @pytest.mark.parametrize(
        ("proxies", "header", "address"),
        [
            (0, "203.0.113.5", HERE),
            (1, "203.0.113.5", "203.0.113.5"),
            (1, "10.6.6.6, 203.0.113.5", "203.0.113.5"),  # the first is invented
            (2, "10.6.6.6, 203.0.113.5, 10.0.0.1", "203.0.113.5"),
            (1, "", HERE),
            (1, "x" * 500, "x" * 64),
            (1, "::ffff:203.0.113.5", "203.0.113.5"),
            (1, "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
            (1, "2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ],
    )
    def test_believes_only_trusted_proxies(
        self, rf, settings, proxies, header, address
    ):
        settings.TRUSTED_PROXIES = proxies
        headers = {"x-forwarded-for": header} if header else {}

        request = rf.get("/", REMOTE_ADDR=HERE, headers=headers)

        assert client_address(request) == address
