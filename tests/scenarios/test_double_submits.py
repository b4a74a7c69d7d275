"""Every action of the admin, confirmed twice at once."""

from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db import connection, connections
from django.test import override_settings

from billing.collection.verification.money import verify_everything
from seats.models import User
from tests import databases
from tests.everything import make_everything
from tests.rollback import rolled_back
from tests.scenarios.test_admin_actions import ACTIONS, inputs, row_of
from tests.staff import confirmation, log_in, make_staff, page_of

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.usefixtures("quick_passwords"),
]
UNCOUNTED = {"django_session", "django_admin_log"}


@pytest.fixture(scope="module")
def everything(django_db_setup, django_db_blocker):
    with django_db_blocker.unblock(), databases.cloned() as name:
        with override_settings():
            make_everything(django_settings)
            make_staff("first@example.com")
            make_staff("second@example.com")
        connections.close_all()
        yield name


@pytest.fixture
def world(everything, django_db_blocker):
    with django_db_blocker.unblock(), databases.cloned(of=everything):
        yield


def counts() -> dict[str, int]:
    """The rows of every table, by its name."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p')"
            " AND relnamespace = 'public'::regnamespace AND NOT relispartition"
            " AND has_table_privilege(oid, 'SELECT')"
        )
        names = sorted({name for (name,) in cursor.fetchall()} - UNCOUNTED)
        cursor.execute(
            " UNION ALL ".join(f"SELECT '{n}', count(*) FROM \"{n}\"" for n in names)
        )
        return dict(cursor.fetchall())


def codes() -> set[str]:
    return {finding.code for finding in verify_everything().findings}


# Actions that a service would do once more: for it each is another request.
REPEATABLE = [
    "seats.agency.move",
    "seats.seat.remove",
    "seats.seat.hand_over",
    "billing.document.discard",
    "billing.dunningcase.hold",
    "billing.payment.refund",
    "billing.paymentprocessor.rotate_both_secrets",
]
# There is nothing left to be shown again.
ENDS_THE_ROW = {"billing.document.discard"}


@pytest.mark.parametrize("label", REPEATABLE)
def test_is_done_once_and_shown_again_to_whoever_came_second(
    label, world, run_in_threads
):
    model_admin, name = ACTIONS[label]
    row, url = (
        row_of(label, model_admin.model),
        page_of(model_admin.model, "changelist"),
    )
    content: dict[str, Any] = {
        "action": name, "_selected_action": [row.pk], "reason": "x", **inputs(label),
    }  # fmt: skip
    # Two tabs of one browser, and a colleague.
    first = User.objects.get(email="first@example.com")
    second = User.objects.get(email="second@example.com")
    before = codes()
    visits = [
        (client, confirmation(client, url, content))
        for client in (log_in(first), log_in(first), log_in(second))
    ]
    with rolled_back():
        visits[0][0].post(url, visits[0][1])
        once = counts()

    answers = run_in_threads(
        *[lambda c=client, f=final: c.post(url, f) for client, final in visits]
    )

    assert counts() == once
    late = visits[0][0].post(url, visits[0][1])
    shown = [answer for answer in (*answers, late) if answer.status_code == 200]
    assert all("Nothing has changed yet" in answer.text for answer in shown)
    assert len(shown) == (0 if label in ENDS_THE_ROW else 3)
    assert counts() == once
    assert codes() == before
