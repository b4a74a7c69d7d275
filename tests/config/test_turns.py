"""Many requests of one caller beside a question of another, at a real web server."""

import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import count
from statistics import median

import pytest

from seats.api_keys.services import create_key
from seats.models import Agency
from tests.build import make_agency, make_agents, make_prices
from tests.web import Visitor
from tests.workers import running_web

AT_ONCE, QUESTIONS = 16, 9
EVENTS = 500  # a request, which takes much longer than a question
# Three of four threads are at work for the greedy one; in one queue, at least twelve of
# its requests would be answered before each question. A busy machine delays some answers,
# so that the question in the middle counts.
FEW = 6
JSON = {"Content-Type": "application/json"}


def key_of(agency: Agency, scope: str) -> str:
    now = datetime.now(UTC)
    return create_key(agency=agency, scopes=[scope], actor="test", now=now)[1]


@pytest.fixture
def visitor_of(fresh_database, broker, tmp_path) -> Iterator[Callable[..., Visitor]]:
    """Callers of a server of one process."""
    environment = {
        **fresh_database.environment,
        "REDIS_URL": broker,
        "API_REQUESTS_A_MINUTE": "1000000",
    }
    with running_web(environment, tmp_path / "web.log") as port:
        yield lambda key: Visitor(port, key=key)


def test_a_question_does_not_wait_for_the_queue_of_another_agency(visitor_of):
    make_prices()
    greedy, other = make_agency("GREEDY"), make_agency("OTHER")
    make_agents(greedy, "ana")
    key = key_of(greedy, "usage:write")
    numbers, answered, over = count(), [], threading.Event()

    def send_events() -> None:
        event = {"source": "/test", "meter": "voice.out", "agent": "ana",
                 "quantity": 1, "occurred_at": datetime.now(UTC).isoformat()}  # fmt: skip
        while not over.is_set():
            body = [{**event, "id": str(next(numbers))} for _ in range(EVENTS)]
            answer = visitor_of(key).post(
                "/api/v1/usage-events", json.dumps(body).encode(), **JSON
            )
            answered.append(answer.status)

    asking = visitor_of(key_of(other, "seats:read"))
    asking.get("/api/v1/agencies")  # once it answers, it is quick
    threads = [threading.Thread(target=send_events) for _ in range(AT_ONCE)]
    for thread in threads:
        thread.start()
    try:
        while len(answered) < AT_ONCE:
            over.wait(0.1)
        waited_for = []
        for _ in range(QUESTIONS):
            before = len(answered)
            assert asking.get("/api/v1/agencies").status == 200
            waited_for.append(len(answered) - before)
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert set(answered) == {200}
    assert median(waited_for) <= FEW, waited_for
