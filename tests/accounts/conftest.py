"""People who log in through the pages, and what they have with them."""

import pytest
from django.core.cache import cache

from config.http.limits import Limit
from config.http.login import ThrottledBackend
from seats.models import Member, User
from tests.billing.mail.servers import Mailbox, point_at, running
from tests.build import MARCH_1, make_agency

PASSWORD = "correct horse battery"


@pytest.fixture(autouse=True)
def own_limits(settings):
    """No broker, and nothing counted of the tests before."""
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    cache.clear()
    for limit in vars(ThrottledBackend).values():
        if isinstance(limit, Limit):
            limit._local.clear()


@pytest.fixture
def mailbox(settings):
    with running(Mailbox()) as box:
        point_at(settings, box.port)
        yield box


@pytest.fixture
def agency(db):
    return make_agency()


@pytest.fixture
def owner(agency):
    user = User.objects.create_user("olivia@sunrise.example", PASSWORD, name="Olivia")
    Member.objects.create(user=user, agency=agency, role="owner", created_at=MARCH_1)
    return user


@pytest.fixture
def staff(db):
    return User.objects.create_superuser("staff@example.com", PASSWORD)
