"""Quotes over HTTP: bounded before anything is priced."""

import time

import msgspec
import pytest

from billing.pricing.domain.scenarios import MAX_QUOTE_BYTES, QUOTE_LIMITS

pytestmark = pytest.mark.django_db
TIER = {"up_to": None, "unit_price": "0.01", "flat_fee": "0"}
LIMITS = {"currency": "USD", "seat_price": "50"}


def tiers(count):
    closed = [{**TIER, "up_to": str(n)} for n in range(1, count)]
    return {"meter": "m", "model": "graduated", "tiers": [*closed, TIER]}


def scenario(*, seats=0, usage=0, raw=0, rates=0, steps=1):
    """A scenario of a size, each entry as expensive as it can be."""
    rate = {"meter": "m", "minimum": "0.000001", "increment": "0.0000007",
            **({"unit_price": "0.01"} if steps == 1 else {})}  # fmt: skip
    first = {**rate, **tiers(steps)} if steps > 1 else rate
    others = [{"meter": f"m{n}", "unit_price": "1"} for n in range(1, rates)]
    return {
        "month": "2026-04",
        "price_list": {**LIMITS, "rates": [first, *others]},
        "seats": [{"agent": f"a{n}", "added_at": "2026-03-01"} for n in range(seats)],
        "usage": [
            {"meter": "m", "raw": ["9" * 12] * (raw if n == 0 else 0)}
            for n in range(usage)
        ],
    }


def post(client, content):
    return client.post(
        "/api/v1/quote", msgspec.json.encode(content), content_type="application/json"
    )


class TestQuote:
    @pytest.mark.parametrize(
        ("size", "field"),
        [
            ({"seats": QUOTE_LIMITS["seats"] + 1}, "seats"),
            ({"usage": QUOTE_LIMITS["usage"] + 1}, "usage"),
            ({"usage": 1, "raw": QUOTE_LIMITS["usage.raw"] + 1}, "usage.raw"),
            ({"rates": QUOTE_LIMITS["price_list.rates"] + 1}, "price_list.rates"),
            (
                {"steps": QUOTE_LIMITS["price_list.rates.tiers"] + 1},
                "price_list.rates.tiers",
            ),
        ],
    )
    def test_refuses_what_takes_long_to_price(self, client, size, field):
        answer = post(client, scenario(**size))

        assert answer.status_code == 422
        assert (answer.json()["code"], answer.json()["field"]) == ("too_large", field)

    def test_refuses_a_large_body(self, client):
        answer = post(client, {"month": "2026-04", "timezone": "x" * MAX_QUOTE_BYTES})

        assert (answer.status_code, answer.json()["code"]) == (422, "too_large")

    def test_prices_the_largest_in_little_time(self, client):
        largest = scenario(
            seats=QUOTE_LIMITS["seats"], usage=1, raw=QUOTE_LIMITS["usage.raw"],
            rates=QUOTE_LIMITS["price_list.rates"],
            steps=QUOTE_LIMITS["price_list.rates.tiers"],
        )  # fmt: skip
        started = time.process_time()

        answer = post(client, largest)

        assert answer.status_code == 200, answer.content
        assert time.process_time() - started < 2

    def test_is_limited_by_address(self, client, settings):
        settings.QUOTE_REQUESTS_A_MINUTE = 3
        settings.REDIS_URL = "redis://127.0.0.1:1/0"
        here = {"REMOTE_ADDR": "192.0.2.77"}

        answers = [
            client.post("/api/v1/quote", b"{}", "application/json", **here).status_code
            for _ in range(8)
        ]

        assert answers.count(429) >= 2
        assert 422 in answers


class TestCaching:
    def test_only_the_price_list_may_be_kept(self, client):
        assert "max-age" not in client.get("/api/v1/seats")["Cache-Control"]
        assert client.get("/api/v1/seats")["Cache-Control"] == "no-store"
