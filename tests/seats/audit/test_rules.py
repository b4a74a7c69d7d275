"""Every table is either audited or has a reason why it is not."""

from typing import Any

import pytest
from django.apps import apps
from django.db import connection, connections

from core.audit import RULES as MARKED
from core.audit import History, Rule, audited, history_as
from seats.audit.models import AuditEntry
from seats.audit.queries.tables import OF_USERS, audited_models

# Tables of libraries. Those of OF_USERS are audited as well.
OF_LIBRARIES = {
    "account.EmailAddress": "empty: seats_user.email is the one address",
    "account.EmailConfirmation": "empty as well",
    "admin.LogEntry": "a history itself, appended",
    "auth.Group": "jobs, which the code defines and `migrate` writes",
    "auth.Group_permissions": "what jobs may do, likewise",
    "auth.Permission": "what code defines",
    "contenttypes.ContentType": "what code defines",
    "sessions.Session": "sessions, with an end",
    "usersessions.UserSession": "where from sessions are, which the user sees",
}
TRIGGERS = """
SELECT tgrelid::regclass::text, array_agg(tgname::text ORDER BY tgname) FROM pg_trigger
WHERE tgfoid = 'record_changes'::regproc AND tgenabled = 'O' GROUP BY 1
"""
KINDS = ["audit_delete", "audit_insert", "audit_update"]

RULES: dict[Any, Rule] = MARKED


def every_model():
    return apps.get_models(include_auto_created=True)


def undecided(models):
    """Models that nobody decided about."""
    return [
        model._meta.label
        for model in models
        if model not in RULES
        and model._meta.db_table not in OF_USERS
        and model._meta.label not in OF_LIBRARIES
    ]


class TestEveryModel:
    def test_says_how_it_keeps_its_history(self):
        assert undecided(every_model()) == []

    def test_is_named_here_as_long_as_nobody_decided(self):
        class Invented:
            class _meta:
                label, db_table = "seats.Invented", "seats_invented"

        assert undecided([Invented]) == ["seats.Invented"]
        history_as(History.QUEUE, Invented)
        assert undecided([Invented]) == []
        del RULES[Invented]

    def test_of_a_library_still_exists(self):
        assert OF_LIBRARIES.keys() <= {model._meta.label for model in every_model()}


@pytest.mark.django_db
class TestAuditedModels:
    def test_have_the_triggers_and_no_other_table_has(self):
        with connection.cursor() as cursor:
            cursor.execute(TRIGGERS)
            triggers = dict(cursor.fetchall())

        assert triggers == {table: KINDS for table in audited_models()}
        assert len(triggers) > 25

    def test_name_columns_that_exist_in_their_triggers(self):
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT tgrelid::regclass::text, encode(tgargs, 'escape')"
                " FROM pg_trigger WHERE tgfoid = 'record_changes'::regproc"
            )
            rows = cursor.fetchall()
        for table, text in rows:
            columns = {f.column for f in audited_models()[table]._meta.concrete_fields}
            key, agency, owner, *lists = text.split("\\000")[:6]
            names = {
                name for part in lists for name in part.strip("{}").split(",") if name
            }
            assert {key} | ({agency, owner} - {""}) | names <= columns, table

    def test_name_amounts_that_they_have(self):
        for model, rule in RULES.items():
            columns = {field.column for field in model._meta.concrete_fields}
            assert rule.money <= columns, model

    def test_can_be_marked_with_their_amounts(self):
        marked = audited(money=("price",))(type("Marked", (), {}))

        assert RULES.pop(marked).money == {"price"}


@pytest.mark.django_db
class TestFacts:
    def test_cannot_be_changed_or_deleted_by_the_application(self):
        tables = [
            model._meta.db_table
            for model, rule in RULES.items()
            if rule.history is History.FACT
        ]
        role = connections["default"].settings_dict["USER"]
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT t FROM unnest(%s::text[]) AS t"
                " WHERE has_table_privilege(%s, t, 'UPDATE, DELETE, TRUNCATE')",
                [tables, role],
            )
            changeable = [table for (table,) in cursor.fetchall()]

        assert changeable == []
        assert AuditEntry._meta.db_table in tables
