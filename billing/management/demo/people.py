"""The log-ins of the demo: platform staff, and members of agencies in each role."""

from datetime import datetime

from django.contrib.auth.hashers import make_password

from billing.management.demo.cast import DEMO_MEMBERS, STAFF_EMAIL
from seats.models import Agency, Agent, Member, User


def make_people(*, password: str, now: datetime) -> None:
    """Create the users of the demo, all with this password."""
    User.objects.create_superuser(STAFF_EMAIL, password, name="Demo Staff")
    hashed = make_password(password)
    for email, code, role in DEMO_MEMBERS:
        user = User.objects.create(email=email, name=_name(role), password=hashed)
        agency = Agency.objects.get(code=code)
        agents = Agent.objects.filter(agency=agency).order_by("pk")
        agent = agents[0] if role == Member.Role.AGENT else None
        Member.objects.create(
            user=user, agency=agency, role=role, agent=agent, created_at=now
        )


def _name(role: str) -> str:
    return f"Demo {Member.Role(role).label}"
