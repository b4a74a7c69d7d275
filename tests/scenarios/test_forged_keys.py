"""Actions of the admin that are sent with keys that no row has, or could have."""

import pytest

from core.admin.actions import GONE
from tests.everything import make_everything
from tests.scenarios.test_admin_actions import ACTIONS, inputs
from tests.staff import log_in, make_staff, page_of, snapshot

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.usefixtures("quick_passwords"),
    pytest.mark.timeout(300),
]
FORGED = ["abc", "9" * 30, "-1", "1e3", "é", "\0", ""]
CONFIRMED = {"apply": "1", "seen": "0" * 64, "reason": "test"}


def test_change_nothing_and_say_so(settings):
    make_everything(settings)
    staff = log_in(make_staff())
    before = snapshot()

    for label, (model_admin, name) in ACTIONS.items():
        url = page_of(model_admin.model, "changelist")
        for key in FORGED:
            for more in ({}, CONFIRMED):
                sent = {"action": name, "_selected_action": [key], **more}
                answer = staff.post(url, {**sent, **inputs(label)})
                assert (label, key, answer.status_code) == (label, key, 302)

    page = staff.get(url)
    assert GONE in {str(message) for message in page.context["messages"]}
    assert snapshot() == before
