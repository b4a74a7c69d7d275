"""Every add form of the admin, sent twice at once by two browsers."""

import pytest

from billing.collection.verification.money import verify_everything
from billing.processors.services.processors import add_processor
from seats.models import User
from tests.build import APRIL_2
from tests.scenarios.test_admin_forms import (
    ADDED,
    FORMS,
    _model,
    add_page,
    entered,
    world,
)
from tests.staff import log_in

__all__ = ["world"]
pytestmark = [
    pytest.mark.usefixtures("fresh_database", "quick_passwords"),
    pytest.mark.timeout(300),
]


@pytest.fixture
def acme(fresh_database):
    return add_processor(
        code="acme", url="https://pay.example.com", actor="test", now=APRIL_2
    )[0]


@pytest.mark.parametrize("name", FORMS)
def test_adds_once(fresh_database, world, run_in_threads, name):
    boss = User.objects.create_superuser("boss@example.com", "x" * 12)
    clients = [log_in(boss) for _ in range(3)]
    model = _model(name)
    before = model.objects.count()
    page = add_page(model)
    sent = [entered(client, model) for client in clients]

    answers = run_in_threads(
        *[
            lambda c=client, d=data: c.post(page, d)
            for client, data in zip(clients, sent, strict=True)
        ]
    )

    assert all(answer.status_code in {200, 302} for answer in answers)
    added = model.objects.count() - before
    assert added == (len(clients) if FORMS[name].again == ADDED else 1)
    assert verify_everything().findings == []
