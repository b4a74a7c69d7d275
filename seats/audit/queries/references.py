"""Names of what entries refer to: users and their roles, agencies, agents, keys.

Members read the names of what is within their reach; anything else is somebody or
something that has no name.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Model, QuerySet

from core.postgres.roles import engine_rights
from seats.agencies.models import Agency
from seats.api_keys.models import ApiKey
from seats.audit.models import AuditEntry
from seats.audit.queries.tables import audited_models, field_of
from seats.members.models import Member, User
from seats.roster.models import Agent

ELSEWHERE = {User: "somebody else", Agency: "another agency", Agent: "another agent"}


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads the entries. `agencies`: those within reach; None for staff, who read all.

    `columns` are those that may be read, by table; None for all of them.
    """

    agencies: frozenset[int] | None = None
    columns: Mapping[str, frozenset[str]] | None = None

    def reads(self, table: str, column: str) -> bool:
        """Whether a column may be read."""
        return self.columns is None or column in self.columns.get(table, frozenset())


@dataclass(slots=True)
class References:
    """Names by model and key, and what is needed of people and keys."""

    names: dict[type[Model], dict[Any, str]] = field(default_factory=dict)
    users: dict[int, User] = field(default_factory=dict)
    outsiders: set[int] = field(default_factory=set)  # who are not staff, named or not
    roles: dict[tuple[int, int | None], str] = field(default_factory=dict)
    members: set[int] = field(default_factory=set)  # users within the reader's reach
    keys: dict[int, ApiKey] = field(default_factory=dict)

    def name_of(self, model: type[Model], key: Any) -> str:
        """The name of a row within reach; of any other one that says nothing."""
        names = self.names.get(model, {})
        return names.get(key) or ELSEWHERE.get(model, f"number {key}")


def references_of(entries: Collection[AuditEntry], reader: Reader) -> References:
    """Everything that the entries name, in one query for each kind of row."""
    ids = _ids(entries)
    people = {e.actor_id for e in entries} | {e.acting_as_id for e in entries}
    users = User.objects.defer(*User.secret_columns).in_bulk(
        ids[User] | people - {None}
    )
    members = Member.objects.filter(user__in=users)
    if reader.agencies is not None:
        members = members.filter(agency__in=reader.agencies, user__is_staff=False)
    rows = list(members.values_list("user", "agency", "role"))
    key_rows = ApiKey.objects.defer(*ApiKey.secret_columns)
    keys = key_rows.in_bulk({e.key_id for e in entries} - {None})
    references = References(
        users=users,
        outsiders=_outsiders(people - {None}),
        roles={(user, agency): role for user, agency, role in rows},
        members={user for user, *_ in rows},
        keys=keys,
    )
    for model, keys_of_model in ids.items():
        references.names[model] = _names(model, keys_of_model, references, reader)
    return references


@engine_rights()  # whether somebody is staff, also of people out of reach
def _outsiders(people: Collection[int | None]) -> set[int]:
    ids = [pk or 0 for pk in [*people, None]]  # never none, so it is always a query
    rows = User.objects.filter(pk__in=ids, is_staff=False)
    return set(rows.values_list("pk", flat=True))


def _ids(entries: Iterable[AuditEntry]) -> dict[type[Model], set[Any]]:
    """The keys that the entries refer to, by model."""
    ids: dict[type[Model], set[Any]] = defaultdict(set)
    for entry in entries:
        if entry.table_name not in audited_models():
            continue
        for content in (entry.label, entry.before, entry.after):
            for column, value in (content or {}).items():
                related = related_model(entry.table_name, column)
                if related is not None and value is not None:
                    ids[related].add(value)
    return ids


def related_model(table: str, column: str) -> type[Model] | None:
    """The model that a column refers to."""
    column_field = field_of(table, column)
    remote = getattr(column_field, "remote_field", None)
    return remote.model if remote is not None else None


def _names(
    model: type[Model], ids: set[Any], references: References, reader: Reader
) -> dict[Any, str]:
    if model is User:
        if reader.agencies is None:
            return {pk: user.get_full_name() for pk, user in references.users.items()}
        return {pk: references.users[pk].get_full_name() for pk in references.members}
    rows: QuerySet[Any] = model._default_manager.filter(pk__in=ids)
    if reader.agencies is not None and model in ELSEWHERE:
        path = "pk" if model is Agency else "agency"
        rows = rows.filter(**{f"{path}__in": reader.agencies})
    return {row.pk: _name(row) for row in rows}


def _name(row: Any) -> str:
    """A short name, without a look at other tables."""
    if isinstance(row, Agent):
        return str(row)
    return str(
        getattr(row, "code", "") or getattr(row, "name", "") or f"number {row.pk}"
    )
