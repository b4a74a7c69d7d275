"""What triggers record: by whom, from where and why, and never a secret."""

import time
from typing import Any

import pytest
from django.db import DatabaseError, connection, connections, transaction
from django.db.models import F

from billing.processors.services.processors import add_processor
from billing.webhooks.services.endpoints import add_endpoint
from core.audit import Origin, changes_because, changes_from, identify, origin
from seats.api_keys.services import create_key, use_key
from seats.members.services import create_invitation
from seats.models import Agent, ApiKey, AuditEntry, Member, User
from tests.build import MARCH_1, make_agency, make_agents

DANA = Origin(actor=7, ip="192.0.2.7", path="POST /agency/", reason="Grew")


@pytest.fixture
def agent():
    return make_agents(make_agency(), "Ann")[0]


def latest(table, **columns) -> Any:
    return AuditEntry.objects.filter(table_name=table, **columns).first()


class TestByHand:
    """What is done past the application."""

    def test_sql_is_recorded_with_the_name_of_the_database_role(self, fresh_database):
        agent = make_agents(make_agency(), "Ann")[0]
        with connections["owner"].cursor() as cursor:
            cursor.execute("UPDATE seats_agent SET name = 'Eve'")
        entry = latest("seats_agent", operation="update")

        assert (entry.row_id, entry.agency_id) == (str(agent.pk), agent.agency_id)
        assert (entry.before, entry.after) == ({"name": "Ann"}, {"name": "Eve"})
        assert entry.database_role == connections["owner"].settings_dict["USER"]
        assert (entry.actor_id, entry.process, entry.ip) == (None, "", None)

    def test_an_origin_does_not_outlive_its_body_or_its_transaction(
        self, fresh_database
    ):
        make_agents(make_agency(), "Ann")
        with changes_from(DANA):
            Agent.objects.update(name="One")
        Agent.objects.update(name="Two")

        with connection.cursor() as cursor:
            cursor.execute("SELECT coalesce(current_setting('audit.origin', true), '')")
            assert cursor.fetchone() == ("",)
        assert latest("seats_agent", after__name="Two").actor_id is None
        assert latest("seats_agent", after__name="One").actor_id == 7
        assert origin() is None

    @pytest.mark.parametrize("change", ["UPDATE {} SET reason = 'x'", "DELETE FROM {}"])
    def test_entries_are_not_changed_by_the_owner_either(self, fresh_database, change):
        make_agency()
        with (
            pytest.raises(DatabaseError, match="append-only"),
            connections["owner"].cursor() as cursor,
        ):
            cursor.execute(change.format("seats_auditentry"))


@pytest.mark.django_db
class TestRawSql:
    def test_that_changes_nothing_is_not_recorded(self, agent):
        before = AuditEntry.objects.count()
        with connection.cursor() as cursor:
            cursor.execute("UPDATE seats_agent SET name = name")
            cursor.execute("UPDATE seats_agent SET name = 'X' WHERE id < 0")

        assert AuditEntry.objects.count() == before

    def test_of_many_rows_has_an_entry_for_each(self):
        agents = make_agents(make_agency(), *(f"A{n}" for n in range(20)))
        with connection.cursor() as cursor:
            cursor.execute("UPDATE seats_agent SET name = upper(name) || '!'")

        rows = AuditEntry.objects.filter(table_name="seats_agent", operation="update")
        assert {row.row_id for row in rows} == {str(agent.pk) for agent in agents}
        assert all(
            row.after == {"name": f"{row.before['name']}!"}
            for row in rows
            if row.before
        )

    def test_of_very_many_rows_takes_no_longer_for_each(self):
        """The plan of the first call, for one row, would cost the square of them."""
        agents = make_agents(make_agency(), *(f"A{n}" for n in range(1000)))
        Agent.objects.filter(pk=agents[0].pk).update(npn="1")
        start = time.perf_counter()
        Agent.objects.update(npn="2")

        assert time.perf_counter() - start < 5

    def test_that_deletes_keeps_the_whole_row(self, agent):
        user = User.objects.create_user("dana@sunrise.example", "a b c")
        member = Member.objects.create(
            user=user, agency=agent.agency, role="admin", created_at=MARCH_1
        )
        Member.objects.all().delete()

        entry = latest("seats_member", operation="delete")
        assert entry.after is None
        assert entry.before["role"] == "admin"
        assert entry.label == {"user_id": member.user_id}


@pytest.mark.django_db
class TestOrigin:
    def test_is_recorded_with_a_change(self, agent):
        with changes_from(DANA):
            Agent.objects.update(name="100 % 'Ann' %s \\ \0"[:-2])
        entry = latest("seats_agent", operation="update")

        assert (entry.actor_id, entry.ip, entry.path, entry.reason) == (
            7, "192.0.2.7", "POST /agency/", "Grew",
        )  # fmt: skip
        assert entry.after == {"name": "100 % 'Ann' %s \\"}

    @pytest.mark.parametrize(
        "reason", ["'; DROP TABLE seats_agent; --", "50 % of %s %(a)s", "\\'", "\0 é"]
    )
    def test_may_say_anything(self, agent, reason):
        with changes_from(Origin(reason=reason)):
            Agent.objects.filter(pk=agent.pk).update(name=F("external_id"))
            with connection.cursor() as cursor:
                cursor.execute("UPDATE seats_agent SET npn = '1'")
                cursor.execute(
                    "UPDATE seats_agent SET npn = %(npn)s RETURNING npn", {"npn": "2"}
                )
                assert cursor.fetchall() == [("2",)]
                cursor.executemany("UPDATE seats_agent SET npn = %s", [("3",), ("4",)])
                assert cursor.rowcount == 2

        rows = AuditEntry.objects.filter(table_name="seats_agent", operation="update")
        assert [row.reason for row in rows] == [reason.replace("\0", "")] * len(rows)
        assert len(rows) >= 4

    def test_counts_and_returns_what_the_statement_does(self, agent):
        with changes_from(DANA):
            assert Agent.objects.filter(pk=agent.pk).update(name="B") == 1
            assert Agent.objects.filter(pk=0).update(name="B") == 0
            (made,) = Agent.objects.bulk_create(
                [
                    Agent(
                        agency=agent.agency,
                        external_id="b",
                        name="b",
                        created_at=MARCH_1,
                    )
                ]
            )
            assert Agent.objects.get(pk=made.pk).name == "b"

    def test_holds_after_a_savepoint_was_rolled_back(self, agent):
        with changes_from(DANA):
            savepoint = transaction.savepoint()
            Agent.objects.update(name="Never")
            transaction.savepoint_rollback(savepoint)
            Agent.objects.update(name="Then")

        assert latest("seats_agent", after__name="Then").actor_id == 7
        assert latest("seats_agent", after__name="Never") is None

    def test_gets_a_reason_and_a_name_on_the_way(self, agent):
        with changes_from(Origin(path="GET /")):
            identify(key=9)
            with changes_because("Left"):
                Agent.objects.update(name="Gone")
        entry = latest("seats_agent", after__name="Gone")

        assert (entry.key_id, entry.path, entry.reason) == (9, "GET /", "Left")


@pytest.mark.django_db
class TestEntries:
    """The audit itself."""

    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE seats_auditentry SET reason = 'x'",
            "DELETE FROM seats_auditentry",
            "TRUNCATE seats_auditentry",
            "INSERT INTO seats_auditentry (table_name) VALUES ('x')",
            "SELECT nextval('seats_auditentry_id_seq')",
            "SELECT write_audit_entry('{}', 'x', '{}', '{}', '{}')",
            "SELECT audit_table('seats_agent', 'id', '', '', '{}')",
            "ALTER TABLE seats_agent DISABLE TRIGGER audit_update",
            "SET session_replication_role = replica",
        ],
    )
    def test_cannot_be_written_or_stopped_by_the_application(self, agent, statement):
        with (
            pytest.raises(DatabaseError, match=r"denied|must be owner"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(statement)


@pytest.mark.django_db
class TestSecrets:
    CANARY = "canary-9f3b7c"

    def test_are_in_no_entry(self, agent, settings):
        """Whole rows of the audit, against all that is stored and all that was shown."""
        agency = agent.agency
        by: Any = {"actor": "test", "now": MARCH_1}
        shown = [self.CANARY]
        key, token = create_key(agency=agency, scopes=["seats:read"], **by)
        use_key(token=token, now=MARCH_1)
        user = User.objects.create_user("dana@sunrise.example", self.CANARY)
        user.set_password(f"{self.CANARY} again")
        user.save()
        endpoint, secret = add_endpoint(
            agency=agency, owner=agency, url="https://sunrise.example/hooks", **by
        )
        invitation = create_invitation(
            agency=agency, email="new@sunrise.example", role="admin", invited_by=user,
            page_url="https://x.example/", now=MARCH_1,
        )  # fmt: skip
        processor, *secrets = add_processor(
            code="cards", kind="webhook", url="https://pay.example/", **by
        )
        shown += secrets
        shown += [token, secret, token.partition("_")[2]]
        stored = [key.digest, user.password, invitation.digest, endpoint.sealed_secret]
        stored += [processor.sealed_sending, processor.sealed_receiving]

        with connection.cursor() as cursor:
            cursor.execute("SELECT t::text FROM seats_auditentry AS t")
            text = "\n".join(row for (row,) in cursor.fetchall())

        assert [value for value in [*shown, *stored] if value and value in text] == []
        assert latest("seats_user", operation="update").after == {"password": "***"}
        assert latest("seats_apikey").after["digest"] == "***"

    def test_of_use_are_no_change(self, agent):
        _, token = create_key(
            agency=agent.agency, scopes=["seats:read"], actor="test", now=MARCH_1
        )
        before = AuditEntry.objects.count()
        use_key(token=token, now=MARCH_1)

        assert ApiKey.objects.get().last_used_at == MARCH_1
        assert AuditEntry.objects.count() == before
