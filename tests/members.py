"""Members of agencies at work: how tests log them in and fill in their forms."""

import csv
import io
import re
from typing import Any

from seats.models import Agency, Agent, Member, Seat, User
from tests.build import MARCH_1
from tests.staff import log_in

SEATS, AGENTS = "/agency/seats/seat/", "/agency/seats/agent/"
ADD = f"{AGENTS}add/"


def member(agency: Agency, role: str = "admin") -> Any:
    user = User.objects.create_user(f"{role}@sunrise.example.com", "a b c")
    Member.objects.create(user=user, agency=agency, role=role, created_at=MARCH_1)
    return log_in(user)


def seat_of(agent: str) -> Seat:
    return Seat.objects.get(agent__external_id=agent)


def agent_of(name: str) -> Agent:
    return Agent.objects.get(external_id=name)


def choice(action: str, *rows: Any, **content: Any) -> dict[str, Any]:
    return {
        "action": action, "_selected_action": [row.pk for row in rows], "reason": "",
        **content,
    }  # fmt: skip


def effects_of(answer: Any) -> list[str]:
    return [str(effect) for effect in answer.context["effects"]]


def messages_of(answer: Any) -> list[str]:
    """What the messages say, without the links behind it."""
    messages = answer.context["messages"]
    return [str(message).partition(" <a ")[0] for message in messages]


def panels_of(answer: Any) -> dict[str, Any]:
    return {panel.key: panel for panel in answer.context["panels"]}


def text_of(answer: Any) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))


def csv_of(answer: Any) -> list[dict[str, str]]:
    text = b"".join(answer.streaming_content).decode()
    return list(csv.DictReader(io.StringIO(text)))
