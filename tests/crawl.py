"""One person who walks over the sites, looking for markers of agencies out of reach."""

import re
from typing import Any

from django.db.models import Model

from config.admin.agency import agency_site
from seats.models import Agency
from tests.downline import Person

MISSING = 987_654_321  # no row has this key
TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="\w+"')


class Crawl:
    """Requests of one person, with what came out that should not have."""

    def __init__(self, person: Person) -> None:
        self.person = person
        self.leaks: list[tuple[str, object]] = []

    def get(self, path: str) -> tuple[int, str]:
        """The status and the text of a page, as far as it is the same each time."""
        answer = self.person.client.get(path)
        text = TOKEN.sub("", answer.getvalue().decode())
        self.look(path, text + str(answer.headers.get("location", "")))
        return answer.status_code, text

    def look(self, path: str, text: str) -> None:
        lower = text.lower()
        shown = {
            mark for code in self.person.foreign if (mark := code.lower()) in lower
        }
        # What somebody typed into the address may be shown again, and nothing else.
        shown = {mark for mark in shown if mark not in path.lower()}
        if shown or "staffzz" in lower:
            self.leaks.append((path, shown))

    def compare(self, path: str, value: object, nonsense: object) -> None:
        """A value that exists out of reach answers as one that exists nowhere."""
        (status, text), (other, same) = (
            self.get(path.format(value)), self.get(path.format(nonsense)),
        )  # fmt: skip
        same = same.replace(str(nonsense), str(value))
        if status != other or _plain(text, value) != _plain(same, value):
            self.leaks.append((path.format(value), (status, other)))


def _plain(text: str, value: object) -> str:
    """The text without what was typed, which may stand in it escaped."""
    return re.sub(re.escape(str(value)), "", text)


def registry() -> list[tuple[type[Model], Any]]:
    return list(agency_site._registry.items())


def base_of(model: type[Model], site: str = "agency") -> str:
    return f"/{site}/{model._meta.app_label}/{model._meta.model_name}/"


def rows_of(
    agencies: dict[str, Agency], codes: set[str], model: type[Model]
) -> list[Any]:
    """Rows of these agencies, one of each."""
    path = dict(registry())[model].agency_path
    ids = [agencies[code].pk for code in codes]
    column = path if path == "pk" else f"{path}_id"
    rows = model._default_manager.filter(**{f"{path}__in": ids})
    return list(rows.order_by(column, "pk").distinct(column))
