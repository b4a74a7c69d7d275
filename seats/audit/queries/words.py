"""Entries of the audit in words: who, when, what, and from where."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.db import models

from core.money import money_label, plain
from core.periods import ZonePeriod
from seats.agencies.models import Agency
from seats.agencies.queries.agencies import zones_of
from seats.audit.domain import (
    SECRET,
    Changed,
    Deed,
    phrase_of,
    sentence_of,
    time_text,
)
from seats.audit.models import AuditEntry
from seats.audit.queries.references import (
    Reader,
    References,
    references_of,
    related_model,
)
from seats.audit.queries.tables import audited_models, field_of, is_money, noun_of
from seats.members.models import Member

SUPPORT = "Support"
SESSIONS = "seats_supportsession"
# Columns that say nothing that the sentence does not say.
SILENT = {"id", "public_id", "created_at", "recorded_at", "allowed_at", "started_at"}


@dataclass(frozen=True, slots=True)
class Words:
    """How an entry reads."""

    when: str
    who: str
    deed: str
    reason: str
    where: str

    @property
    def sentence(self) -> str:
        """Everything but when and from where."""
        reason = f" Reason: {self.reason}" if self.reason else ""
        stop = "" if self.deed.endswith(".") else "."
        return f"{self.who} {self.deed}{stop}{reason}"


def words_of(entries: Collection[AuditEntry], reader: Reader) -> dict[int, Words]:
    """The words of each entry, by its key. The entries have their `agency` loaded.

    A fixed number of queries, however many entries there are.
    """
    references = references_of(entries, reader)
    zones = zones_of({entry.agency_id for entry in entries if entry.agency_id})
    return {
        entry.pk: _Teller(
            entry, reader, references, zones.get(entry.agency_id or 0, [])
        ).words()
        for entry in entries
    }


@dataclass(frozen=True, slots=True)
class _Teller:
    entry: AuditEntry
    reader: Reader
    references: References
    zones: Sequence[ZonePeriod]

    def words(self) -> Words:
        who, is_near = self._who()
        return Words(
            when=time_text(self.entry.at, self.zones),
            who=who,
            deed=self._deed(),
            reason=self.entry.reason if is_near else "",
            where=(self.entry.ip or "") if is_near else "",
        )

    def _who(self) -> tuple[str, bool]:
        """Who did it, and whether the reader may know more of that."""
        entry = self.entry
        if entry.table_name == SESSIONS:  # also if it ended by itself
            return f"{SUPPORT} ({self._person(entry.label['staff_id'])})", True
        if entry.acting_as_id:
            staff = self._person(entry.actor_id)
            return f"{SUPPORT} ({staff}) as {self._named(entry.acting_as_id)}", True
        if entry.actor_id:
            return self._user(entry.actor_id)
        if entry.key_id:
            return self._key(entry.key_id)
        if entry.path:
            return "Somebody who was not logged in", False
        if self.reader.agencies is None and not entry.process:
            return f"Somebody in the database ({entry.database_role})", True
        if entry.process and self.reader.agencies is None:
            return f"The {entry.process}", True
        return "The system" if entry.process else SUPPORT, False

    def _user(self, pk: int) -> tuple[str, bool]:
        if self.reader.agencies is None or pk in self.references.members:
            return self._named(pk), True
        is_outsider = pk in self.references.outsiders
        return "Somebody of another agency" if is_outsider else SUPPORT, False

    def _named(self, pk: int) -> str:
        """A person with the role at the agency."""
        user = self.references.users.get(pk)
        role = self.references.roles.get((pk, self.entry.agency_id))
        if role is not None:
            return f"{self._person(pk)} ({Member.Role(role).label.lower()})"
        if user is not None and user.is_staff:
            return f"{self._person(pk)} (staff)"
        return self._person(pk)

    def _person(self, pk: int | None) -> str:
        user = self.references.users.get(pk or 0)
        return user.get_full_name() if user else "a former user"

    def _key(self, pk: int) -> tuple[str, bool]:
        key, agencies = self.references.keys.get(pk), self.reader.agencies
        if key is None or (agencies is not None and key.agency_id not in agencies):
            is_platform = key is None or key.agency_id is None
            return SUPPORT if is_platform else "A key of another agency", False
        return f"The API key {key}", True

    def _deed(self) -> str:
        entry = self.entry
        table, operation = entry.table_name, entry.operation
        if table not in audited_models():
            return f"{entry.get_operation_display()} a row of {table}"
        phrase = phrase_of(table, operation, self._values())
        if phrase is not None:
            return phrase
        agency = entry.agency
        is_agency = audited_models()[table] is Agency
        return sentence_of(
            Deed(
                operation=operation,
                subject=self._subject(),
                agency=agency.code if agency is not None and not is_agency else "",
                changes=list(self._changes()),
            )
        )

    def _values(self) -> dict[str, str]:
        """The columns of the row that are at hand, by the names of their fields."""
        content = {**self.entry.label, **(self.entry.before or {})}
        content |= self.entry.after or {}
        return {
            column.removesuffix("_id"): self._text(column, value)
            for column, value in content.items()
        }

    def _subject(self) -> str:
        table = self.entry.table_name
        parts = [
            self._text(column, value)
            for column, value in sorted(self.entry.label.items(), key=_names_first)
            if value not in (None, "")
        ]
        first, more = parts[:1], parts[1:]
        return " ".join([f"the {noun_of(table)}", *first, *(f"({p})" for p in more)])

    def _changes(self) -> Iterator[Changed]:
        entry = self.entry
        before, after = entry.before or {}, entry.after or {}
        for column in {**before, **after}:
            if column in SILENT or column == "agency_id" or not self._reads(column):
                continue
            if entry.operation == "insert" and column in entry.label:
                continue
            yield Changed(
                column=self._column_name(column),
                before=self._text(column, before.get(column)),
                after=self._text(column, after.get(column)),
            )

    def _reads(self, column: str) -> bool:
        return self.reader.reads(self.entry.table_name, column.removesuffix("_id"))

    def _column_name(self, column: str) -> str:
        field = field_of(self.entry.table_name, column)
        name = str(field.verbose_name) if field is not None else column
        return name if column.isupper() else name.replace("_", " ")

    def _text(self, column: str, value: Any) -> str:
        """A value as people read it; "" if there is none."""
        table = self.entry.table_name
        if value is None or value == "":
            return ""
        if value == SECRET:
            return SECRET if self.entry.operation == "update" else "(hidden)"
        related = related_model(table, column)
        if related is not None:
            return self.references.name_of(related, value)
        if is_money(table, column) and self.entry.agency is not None:
            return money_label(Decimal(value), self.entry.agency.currency)
        return self._plain_text(field_of(table, column), value)

    def _plain_text(self, field: Any, value: Any) -> str:
        choices = dict(getattr(field, "flatchoices", ()) or ())
        if value in choices if not isinstance(value, list | dict) else False:
            return str(choices[value])
        if isinstance(value, bool):
            return "yes" if value else "no"
        if isinstance(value, list):
            return " ".join(map(str, value)) or "none"
        if isinstance(field, models.DateTimeField):
            return time_text(datetime.fromisoformat(value), self.zones)
        if isinstance(field, models.DateField):
            day = date.fromisoformat(value)
            return f"{day:%b} {day.day}, {day.year}"
        if isinstance(value, Decimal | int):
            return plain(Decimal(value))
        return str(value)


def _names_first(item: tuple[str, Any]) -> int:
    """Names before codes, as JSON has no order of its own."""
    order = ["name", "user_id", "label", "kind", "code"]
    return order.index(item[0]) if item[0] in order else len(order)
