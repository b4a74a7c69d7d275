"""The second wall covers every table: what members may read is said of each of them."""

import pytest
from django.apps import apps
from django.conf import settings
from django.db import connection
from django.db.models import ForeignKey

from core.postgres.roles import member_rights
from seats.models import Agency

pytestmark = pytest.mark.django_db

# Tables with the same rows for everybody, without a policy.
PUBLIC = {
    "billing_meter": "what is counted, and in which unit; it is on the public price list",
    "billing_paymentprocessor": "the names of processors, without their secrets",
    "billing_archivedmonth": "which months of usage are in files, for whoever reads them",
    "django_content_type": "the names of tables, which the admin looks up",
}
# Tables with a policy that do not belong to agencies.
PARTLY_PUBLIC = {
    "billing_pricelist": "published lists; drafts are the platform's",
    "billing_rate": "the rates of published lists",
    "billing_ratetier": "the tiers of such rates",
    "seats_user": "people within reach, who belong to agencies by their memberships",
    "django_admin_log": "entries about rows within reach",
}
# Tables that members do not read.
CLOSED = {
    "auth_group": "jobs of staff",
    "auth_group_permissions": "jobs of staff",
    "auth_permission": "the site asks roles, not permissions",
    "seats_user_groups": "jobs of staff",
    "seats_user_user_permissions": "jobs of staff",
    "django_session": "sessions of everybody; read before a page, and written after it",
    "account_emailaddress": "how people log in",
    "account_emailconfirmation": "how people log in",
    "mfa_authenticator": "second factors",
    "usersessions_usersession": "sessions of everybody",
    "billing_billingrun": "the platform's runs",
    "billing_runcut": "the platform's runs",
    "billing_runitem": "the platform's runs",
    "billing_verificationrun": "the platform's checks of its books",
    "billing_verificationfinding": "the platform's checks of its books",
    "billing_recurringjob": "the platform's schedule",
    "billing_mail": "mails, with links that log in or invite",
    "billing_processorcustomer": "keys of customers at processors",
    "billing_processorevent": "bodies that processors sent",
    "billing_eventkey": "digests against double counting",
    "billing_conversationleg": "what feeds sent, before it was counted",
    "billing_importpart": "the bytes of uploaded files",
    "billing_pulse": "signs of life of the platform's workers",
    "billing_refundapproval": "what staff decide among themselves",
    "billing_outboxstream": "counters of webhooks",
    "billing_fannedout": "counters of webhooks",
}


def tables():
    return {model._meta.db_table: model for model in models()}


def models():
    return apps.get_models(include_auto_created=True)


def leads_to_an_agency(model, seen=()):
    """Whether a path of foreign keys leads from the model to an agency."""
    return model is Agency or any(
        leads_to_an_agency(field.remote_field.model, (*seen, model))
        for field in model._meta.concrete_fields
        if isinstance(field, ForeignKey) and field.remote_field.model not in seen
    )


def query(statement, *params):
    with connection.cursor() as cursor:
        cursor.execute(statement, params)
        return cursor.fetchall()


def secured():
    """The tables with row level security and a policy for members, which only reads."""
    rows = query(
        "SELECT tablename FROM pg_policies JOIN pg_class ON relname = tablename"
        " WHERE relrowsecurity AND roles = ARRAY[%s]::name[] AND cmd = 'SELECT'"
        " AND qual <> 'true'",
        settings.MEMBER_ROLE,
    )
    return {name for (name,) in rows}


def readable_columns():
    """The columns that the role of members may read, by table."""
    columns: dict[str, set[str]] = {}
    for table, column in query(
        "SELECT c.relname, a.attname FROM pg_class AS c"
        " JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0"
        " WHERE c.relnamespace = 'public'::regnamespace AND NOT a.attisdropped"
        " AND c.relkind IN ('r', 'p', 'v', 'm')"
        " AND has_column_privilege(%s, c.oid, a.attnum, 'SELECT')",
        settings.MEMBER_ROLE,
    ):
        columns.setdefault(table, set()).add(column)
    return columns


class TestTables:
    def test_are_each_behind_a_policy_or_public_or_closed_to_members(self):
        """A new table is closed, and fails here until it is said which it is."""
        readable, behind = set(readable_columns()), secured()

        undecided = tables().keys() - behind - PUBLIC.keys() - CLOSED.keys()
        assert undecided == set()
        assert readable - {"django_migrations"} == (behind | PUBLIC.keys())
        assert readable.isdisjoint(CLOSED)
        assert behind.isdisjoint(PUBLIC.keys() | CLOSED.keys())

    def test_of_agencies_are_not_public(self):
        """What a path leads from to an agency has a policy, or is closed."""
        of_agencies = {
            name for name, model in tables().items() if leads_to_an_agency(model)
        }

        assert {
            "seats_agency",
            "billing_documentline",
            "billing_ledgerentry",
        } <= of_agencies
        assert of_agencies.isdisjoint(PUBLIC)
        assert secured() - of_agencies == PARTLY_PUBLIC.keys()

    def test_lists_name_tables_that_are_there(self):
        assert PUBLIC.keys() | PARTLY_PUBLIC.keys() | CLOSED.keys() <= tables().keys()

    def test_show_every_column_but_secrets(self):
        readable = readable_columns()
        for name, model in tables().items():
            if name in readable:
                secrets = set(getattr(model, "secret_columns", ()))
                columns = {field.column for field in model._meta.concrete_fields}
                assert readable[name] == columns - secrets, name

    def test_with_columns_named_like_secrets_say_so(self):
        words = ("secret", "sealed", "password", "digest", "token")
        for name in readable_columns():
            model = tables().get(name)
            for field in model._meta.concrete_fields if model else ():
                if any(word in field.column for word in words):
                    assert field.column in getattr(model, "secret_columns", ()), name

    def test_are_empty_for_members_without_a_reach(self, everything):
        """What is forgotten is not there, rather than there for everybody."""
        filled = {name for name in secured() if query(f"SELECT FROM {name} LIMIT 1")}
        assert len(filled) > 30
        with member_rights({"names": []}):
            seen = {
                name
                for name in filled
                if query(f"SELECT EXISTS (SELECT FROM {name})") == [(True,)]
            }

        assert seen == {"billing_pricelist", "billing_rate"}


class TestMemberRole:
    def test_reads_and_does_nothing_else(self):
        """No table can be written, and no function of the owner's called."""
        rows = query(
            "SELECT c.relname, p FROM pg_class AS c,"
            " unnest(ARRAY['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES',"
            "              'TRIGGER']) AS p"
            " WHERE c.relnamespace = 'public'::regnamespace"
            " AND c.relkind IN ('r', 'p', 'v', 'm') AND has_table_privilege(%s, c.oid, p)",
            settings.MEMBER_ROLE,
        )
        functions = query(
            "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
            " AND prosecdef AND prorettype <> 'trigger'::regtype"
            " AND has_function_privilege(%s, oid, 'EXECUTE')",
            settings.MEMBER_ROLE,
        )
        sequences = query(
            "SELECT seqrelid::regclass::text FROM pg_sequence"
            " WHERE has_sequence_privilege(%s, seqrelid, 'USAGE, UPDATE')",
            settings.MEMBER_ROLE,
        )

        assert rows == []
        assert functions == [("works_within_reach",)]
        assert sequences == []

    def test_is_subject_to_policies_and_reads_no_partition_directly(self):
        (attributes,) = query(
            "SELECT rolsuper, rolbypassrls, rolcanlogin, rolinherit AND EXISTS ("
            "   SELECT FROM pg_auth_members WHERE member = pg_roles.oid)"
            " FROM pg_roles WHERE rolname = %s",
            settings.MEMBER_ROLE,
        )
        partitions = query(
            "SELECT relname FROM pg_class WHERE relispartition AND relkind = 'r'"
            " AND has_table_privilege(%s, oid, 'SELECT')",
            settings.MEMBER_ROLE,
        )

        assert attributes == (False, False, False, False)
        assert partitions == []
