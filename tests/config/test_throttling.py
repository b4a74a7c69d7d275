"""Requests are granted in shares, and never more of them than there are."""

from concurrent.futures import ThreadPoolExecutor
from itertools import takewhile

import pytest
import redis

from config.http.throttling import SHARES, Grants

LIMIT = 2 * SHARES + 1
WINDOW = 7


class TestTake:
    @pytest.fixture(autouse=True)
    def _broker(self, settings, broker):
        settings.REDIS_URL = broker

    def until_refused(self, grants: Grants, window: int = WINDOW) -> int:
        grants_taken = iter(lambda: grants.take("key", window, LIMIT), None)
        return len(list(takewhile(bool, grants_taken)))

    def test_grants_a_window_in_full_and_no_more(self):
        grants = Grants()

        assert self.until_refused(grants) == LIMIT
        assert self.until_refused(grants) == 0
        assert self.until_refused(grants, WINDOW + 1) == LIMIT

    def test_grants_no_more_to_many_processes_and_threads(self):
        processes = [Grants() for _ in range(4)]
        with ThreadPoolExecutor(8) as pool:
            granted = pool.map(self.until_refused, processes * 2)

            assert sum(granted) == LIMIT

    def test_leaves_unused_a_share_in_each_process_at_most(self):
        idle = [Grants() for _ in range(3)]
        for grants in idle:
            assert grants.take("key", WINDOW, LIMIT)

        share = LIMIT // SHARES
        assert self.until_refused(Grants()) == LIMIT - len(idle) * share

    def test_forgets_what_was_left_of_the_window_before(self):
        grants = Grants()
        assert grants.take("key", WINDOW, LIMIT)
        assert self.until_refused(grants, WINDOW + 1) == LIMIT

    def test_counts_each_key_apart(self):
        grants = Grants()
        assert [grants.take(who, WINDOW, 1) for who in "abab"] == [
            True, True, False, False,
        ]  # fmt: skip

    def test_keeps_no_window_for_long(self, broker):
        assert Grants().take("key", WINDOW, LIMIT)
        assert 0 < redis.Redis.from_url(broker).ttl(f"api-rate:key:{WINDOW}") <= 120


class TestWithoutTheBroker:
    def test_grants_what_it_was_granted_before(self, settings, broker):
        settings.REDIS_URL = broker
        grants = Grants()
        assert grants.take("key", WINDOW, LIMIT)
        settings.REDIS_URL = "redis://127.0.0.1:1/0"

        assert grants.take("key", WINDOW, LIMIT)
        with pytest.raises(redis.RedisError):
            grants.take("key", WINDOW, LIMIT)
