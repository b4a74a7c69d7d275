"""Direct changes of tables by the database owner: verification reports each one."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from django.conf import settings
from django.db import DatabaseError, connection, connections, transaction
from django.test import override_settings

from billing.accounts.services import set_payer_shares
from billing.collection.tasks import verify_books as verify_books_by_schedule
from billing.collection.verification.money import verify_everything
from billing.invoicing.models.documents import Document
from billing.invoicing.models.verification import VerificationFinding
from billing.invoicing.queries.holds import documents_on_hold
from billing.invoicing.services.documents import void_document
from billing.metering.services.archiving import archive_month
from billing.receivables.services.payments import receive_payment
from billing.receivables.services.refunds import refund_payment
from seats.agencies.services import set_upline
from seats.roster.services.seats import hand_over_seats, remove_seats
from tests import databases
from tests.billing.collection.disputes import make_disputes
from tests.build import (
    APRIL,
    APRIL_2,
    MARCH,
    MARCH_1,
    MAY_2,
    bill,
    call,
    documents_of,
    make_agency,
    make_agents,
    make_prices,
    make_seats,
    use,
)
from tests.scenarios.archive_files import flip, rewrite

DISABLE = (
    "ALTER TABLE {table} DISABLE TRIGGER USER; {statement};"
    " SET CONSTRAINTS ALL IMMEDIATE; ALTER TABLE {table} ENABLE TRIGGER USER"
)
# A key without an event, and a gap in the platform's own events, are of no agency.
OF_NOBODY = ["INSERT INTO {table} VALUES", "agency_id IS NULL"]
FIRST = "id = (SELECT min(id) FROM {table})"

# table, statement with {first} for the first row, a code that must be among the findings
TOUCHES = [
    ("seats_agency", "UPDATE {table} SET currency = 'EUR' WHERE {first}", "announced_otherwise"),
    ("seats_agencyzone", "UPDATE {table} SET zone = 'Asia/Tokyo' WHERE {first}", "announced_otherwise"),
    ("seats_upline", "UPDATE {table} SET starts_on = '2026-02-01' WHERE {first}", "announced_otherwise"),
    ("seats_upline", "DELETE FROM {table} WHERE {first}", "announced_otherwise"),
    ("seats_cutoffcounter", "UPDATE {table} SET cutoff = 1", "stamp_ahead"),
    ("seats_agent", "UPDATE {table} SET external_id = 'other' WHERE {first}", "announced_otherwise"),
    ("seats_seat", "UPDATE {table} SET added_on = '2026-02-01' WHERE {first}", "seat_differs"),
    ("seats_seatholding", "UPDATE {table} SET starts_on = '2026-02-01' WHERE {first}", "holding_differs"),
    ("seats_seatholding", "DELETE FROM {table} WHERE {first}", "holding_differs"),
    ("seats_seatversion", "UPDATE {table} SET added_on = '2026-02-20', held_from = '2026-02-20' WHERE {first}", "announced_otherwise"),
    ("seats_seatversion", "UPDATE {table} SET actor = 'nobody' WHERE {first}", "announced_otherwise"),
    ("seats_seatversion", "UPDATE {table} SET cutoff = cutoff + 1 WHERE {first}", "announced_otherwise"),
    ("seats_seatversion", "DELETE FROM {table} WHERE id = (SELECT max(id) FROM {table})", "fact_missing"),
    ("billing_usageevent", "UPDATE {table} SET raw = raw + 60 WHERE {first}", "content_differs"),
    ("billing_usageevent", "UPDATE {table} SET billable = billable + 60 WHERE {first}", "billable_differs"),
    ("billing_usageevent", "UPDATE {table} SET cutoff = cutoff + 1 WHERE {first}", "day_differs"),
    ("billing_usageevent", "UPDATE {table} SET external_id = 'other' WHERE {first}", "key_missing"),
    ("billing_usageevent", "DELETE FROM {table} WHERE {first}", "event_missing"),
    ("billing_eventkey", "DELETE FROM {table} WHERE key = (SELECT key FROM {table} LIMIT 1)", "key_missing"),
    ("billing_eventkey", "UPDATE {table} SET content = key WHERE event_id = (SELECT min(event_id) FROM {table})", "content_differs"),
    ("billing_eventkey", "DELETE FROM {table} WHERE event_id IS NULL", "not_superseded"),
    ("billing_eventkey", "INSERT INTO {table} VALUES (gen_random_uuid(), gen_random_uuid(), NULL, NULL)", "key_unasked"),
    ("billing_eventkey", "INSERT INTO {table} SELECT gen_random_uuid(), content, event_id, used_on FROM {table} WHERE event_id IS NOT NULL LIMIT 1", "key_twice"),
    ("billing_usageevent", "UPDATE {table} SET supersedes = 'other' WHERE supersedes = 'told'", "not_superseded"),
    ("billing_usageevent", "UPDATE {table} SET supersedes = NULL WHERE supersedes = 'told'", "unexpected_reversal"),
    ("billing_usageevent", "UPDATE {table} SET raw = raw - 1 WHERE reverses IS NOT NULL", "reversal_differs"),
    ("billing_usageevent", "DELETE FROM {table} WHERE reverses IS NOT NULL", "not_superseded"),
    ("billing_usageday", "UPDATE {table} SET billable = billable + 60 WHERE {first}", "day_differs"),
    ("billing_usageday", "DELETE FROM {table} WHERE {first}", "day_missing"),
    ("billing_payershareset", "UPDATE {table} SET starts_on = '2026-04-15' WHERE {first}", "announced_otherwise"),
    ("billing_payershare", "UPDATE {table} SET percent = percent - 1 WHERE {first}", "shares_not_whole"),
    ("billing_billingaccount", "UPDATE {table} SET next_number = next_number + 1", "counter_differs"),
    ("billing_billingaccount", "UPDATE {table} SET last_hash = 'x'", "chain_broken"),
    ("billing_watermark", "UPDATE {table} SET billed_through = '2026-06-01'", "billed_differs"),
    ("billing_pricelist", "UPDATE {table} SET seat_price = 49", "prices_differ"),
    ("billing_rate", "UPDATE {table} SET unit_price = 0.01 WHERE {first}", "prices_differ"),
    ("billing_document", "UPDATE {table} SET total = total + 1, subtotal = subtotal + 1 WHERE {first}", "sum_differs"),
    ("billing_document", "UPDATE {table} SET due_at = due_at + interval '1 day' WHERE {first}", "hash_differs"),
    ("billing_document", "UPDATE {table} SET parties = '{{\"payer\": {{\"code\": \"X\"}}}}' WHERE {first}", "hash_differs"),
    ("billing_document", "UPDATE {table} SET state = 'paid' WHERE {first}", "void_differs"),
    ("billing_document", "UPDATE {table} SET state = 'paid' WHERE id = (SELECT max(id) FROM {table})", "paid_without_payment"),
    ("billing_documentline", "UPDATE {table} SET amount_now = amount_now + 1, amount = amount + 1 WHERE {first}", "line_differs"),
    ("billing_documentline", "UPDATE {table} SET description = 'x' WHERE {first}", "hash_differs"),
    ("billing_documentline", "DELETE FROM {table} WHERE {first}", "sum_differs"),
    ("billing_void", "DELETE FROM {table} WHERE {first}", "void_differs"),
    ("billing_void", "UPDATE {table} SET cutoff = cutoff + 1 WHERE {first}", "announced_otherwise"),
    ("billing_payment", "UPDATE {table} SET amount = amount + 1 WHERE {first}", "announced_otherwise"),
    ("billing_payment", "UPDATE {table} SET processor = 'other' WHERE {first}", "ledger_differs"),
    ("billing_payment", "UPDATE {table} SET amount = 1 WHERE {first}", "overspent"),
    ("billing_allocation", "DELETE FROM {table} WHERE {first}", "paid_without_payment"),
    ("billing_allocation", "UPDATE {table} SET amount = amount - 1 WHERE {first}", "ledger_differs"),
    ("billing_allocation", "UPDATE {table} SET amount = amount + 1 WHERE {first}", "overcovered"),
    ("billing_refund", "UPDATE {table} SET amount = amount - 1", "ledger_differs"),
    ("billing_refund", "DELETE FROM {table}", "fact_missing"),
    ("billing_dispute", "UPDATE {table} SET amount = amount - 1", "ledger_differs"),
    ("billing_dispute", "UPDATE {table} SET amount = amount + 50", "overspent"),
    ("billing_dispute", "UPDATE {table} SET state = 'won' WHERE state = 'lost'", "ledger_differs"),
    ("billing_dispute", "UPDATE {table} SET state = 'open', closed_at = NULL WHERE state = 'lost'", "fact_missing"),
    ("billing_dispute", "UPDATE {table} SET state = 'lost', closed_at = opened_at WHERE state = 'open'", "not_announced"),
    ("billing_dispute", "UPDATE {table} SET opened_at = opened_at + interval '1 day'", "announced_otherwise"),
    ("billing_ledgerentry", "UPDATE {table} SET account = 'receivable' WHERE account = 'disputed'", "ledger_differs"),
    ("billing_ledgertransaction", "UPDATE {table} SET kind = 'dispute_won' WHERE kind = 'dispute_lost'", "ledger_differs"),
    ("billing_ledgerentry", "UPDATE {table} SET amount = amount + 1 WHERE {first}", "ledger_unbalanced"),
    ("billing_ledgerentry", "UPDATE {table} SET amount = amount * 2", "ledger_differs"),
    ("billing_ledgerentry", "UPDATE {table} SET account = 'revenue_usage' WHERE account = 'tax_payable' OR account = 'revenue_seats' AND transaction_id = (SELECT max(transaction_id) FROM {table} WHERE account = 'revenue_seats')", "ledger_differs"),
    ("billing_ledgerentry", "UPDATE {table} SET processor = 'other' WHERE account = 'cash'", "ledger_differs"),
    ("billing_ledgertransaction", "UPDATE {table} SET currency = 'EUR' WHERE kind = 'payment'", "ledger_differs"),
    ("billing_ledgertransaction", "UPDATE {table} SET fact_id = 0 WHERE {first}", "ledger_differs"),
    ("billing_document", "UPDATE {table} SET state = 'open' WHERE state = 'paid'", "paid_but_open"),
    ("billing_outboxevent", "DELETE FROM {table} WHERE {first}", "outbox_hole"),
    ("billing_outboxstream", "UPDATE {table} SET last_sequence = last_sequence + 1 WHERE agency_id = (SELECT min(agency_id) FROM {table})", "outbox_hole"),
    ("billing_outboxstream", "UPDATE {table} SET last_sequence = last_sequence + 1 WHERE agency_id IS NULL", "outbox_hole"),
]  # fmt: skip


@pytest.fixture(scope="module")
def played(django_db_setup, django_db_blocker):
    """The name of a database with two months of all kinds of records, no findings."""
    at_once = {**settings.BILLING, "REVIEW_WINDOW": None}
    with django_db_blocker.unblock(), databases.cloned() as name:
        with override_settings(BILLING=at_once):
            play()
        connections.close_all()
        yield name


@pytest.fixture
def books(played, django_db_blocker):
    """A copy of that database for one test."""
    with django_db_blocker.unblock(), databases.cloned(of=played):
        yield


@pytest.fixture(scope="class")
def untouched(played, django_db_blocker):
    """A cursor with the application's rights in the original database."""
    before = connection.settings_dict["NAME"]
    with django_db_blocker.unblock():
        databases.use(played)
        with connection.cursor() as cursor:
            yield cursor
        databases.use(before)


@pytest.fixture
def owner_cursor(books):
    with connections["owner"].cursor() as cursor:
        yield cursor


def play():
    make_prices()
    imo = make_agency("HARBOR")
    agency = make_agency(upline=imo)
    seats = make_seats(agency, "ana", "ben")
    (cara,) = make_agents(agency, "cara")
    context: dict[str, Any] = {"actor": "test", "now": MARCH_1}
    hand_over_seats(moves=[(seats[0], cara)], on=date(2026, 3, 9), **context)
    set_payer_shares(
        agency=agency,
        shares={agency: Decimal(40), imo: Decimal(60)},
        starts_on=date(2026, 3, 20),
        **context,
    )
    use(call(agent="ana"), call(agent="ben"), call(id="told"))
    use(call(supersedes="told", quantity=Decimal(1)), call(supersedes="to come"))
    bill(MARCH)
    first = documents_of(agency)[0]
    void_document(document_id=first.pk, actor="staff", reason="test", now=APRIL_2)
    remove_seats(seats=seats[1:], on=date(2026, 4, 9), actor="test", now=APRIL_2)
    set_upline(
        agency=agency, upline=None, on=date(2026, 4, 1), now=APRIL_2, actor="test"
    )
    bill(APRIL)
    payment = receive_payment(
        payer=imo, amount=Decimal(40), currency="USD", processor="manual",
        reference="told", actor="staff", now=MAY_2,
    )  # fmt: skip
    refund_payment(
        payment=payment, amount=Decimal(2), reference="told", reason="test",
        actor="staff", now=MAY_2,
    )  # fmt: skip
    tide = make_agency("TIDE")
    make_seats(tide, "dora", "emil")
    bill(APRIL, payer=tide)
    make_disputes(tide)
    assert verify_everything().findings == []


class TestTampering:
    @pytest.mark.parametrize(("table", "statement", "code"), TOUCHES)
    def test_is_named(self, owner_cursor, table, statement, code):
        touch = statement.format(table=table, first=FIRST.format(table=table))
        owner_cursor.execute(DISABLE.format(table=table, statement=touch))

        verify_books_by_schedule()

        rows = VerificationFinding.objects.filter(resolved_at=None)
        assert code in {row.code for row in rows}
        named = {row.agency_id for row in rows} | {row.price_list_id for row in rows}
        invoices = Document.objects.exclude(state="draft").values_list("pk", flat=True)
        if not any(part in statement for part in OF_NOBODY):
            assert named - {None}
            assert documents_on_hold(invoices)


LATER = datetime(2029, 1, 1, tzinfo=UTC)
# What is done to the file, or to its record, of an archived month.
FILES = {
    "gone": (lambda path: path.unlink(), {"archive_missing"}),
    "no file of events": (lambda path: path.write_bytes(b"PAR1"), {"archive_differs"}),
    "a byte in the middle": (
        lambda path: flip(path, path.stat().st_size // 3),
        {"archive_differs"},
    ),
    "a byte of the footer": (
        lambda path: flip(path, path.stat().st_size - 9),
        {"archive_differs"},
    ),
    "another quantity": (
        lambda path: rewrite(path, "raw", lambda raw: [raw[0] + 60, *raw[1:]]),
        {"archive_differs", "content_differs", "billable_differs", "day_differs",
         "line_differs", "billed_differs"},
    ),
    "another id": (
        lambda path: rewrite(path, "external_id", lambda ids: ["other", *ids[1:]]),
        {"archive_differs", "key_missing"},
    ),
    "another cut-off": (
        lambda path: rewrite(path, "cutoff", lambda at: [at[0] + 1, *at[1:]]),
        {"archive_differs", "day_differs", "day_missing"},
    ),
    "an agency of nobody": (
        lambda path: rewrite(path, "agency_id", lambda ids: [-1, *ids[1:]]),
        {"archive_differs", "event_unknown", "day_differs"},
    ),
    "a row less": (
        lambda path: pq.write_table(pq.read_table(path)[1:], path),
        {"archive_differs", "event_missing", "day_differs"},
    ),
    "a row twice": (
        lambda path: pq.write_table(
            pa.concat_tables([pq.read_table(path), pq.read_table(path)[:1]]), path
        ),
        {"archive_differs", "day_differs"},
    ),
}  # fmt: skip
RECORDS = [
    ("UPDATE {table} SET file_hash = 'x'", {"archive_differs", "announced_otherwise"}),
    ("UPDATE {table} SET rows = rows + 1", {"archive_differs", "announced_otherwise"}),
    ("UPDATE {table} SET file_size = 1", {"archive_differs", "announced_otherwise"}),
    ("UPDATE {table} SET sums_hash = 'x'", {"archive_differs", "announced_otherwise"}),
    ("UPDATE {table} SET file_name = 'x'", {"archive_missing", "announced_otherwise"}),
    ("UPDATE {table} SET actor = 'nobody'", {"announced_otherwise"}),
    ("UPDATE {table} SET detached_at = archived_at", {"announced_otherwise"}),
    ("DELETE FROM {table}", {"fact_missing", "event_missing", "day_differs"}),
]


@pytest.fixture(scope="module")
def archived(played, tmp_path_factory, django_db_blocker):
    """The same database with March archived: its name, and the file."""
    root = tmp_path_factory.mktemp("archive")
    with django_db_blocker.unblock(), databases.cloned(of=played) as name:
        with override_settings(BILLING={**settings.BILLING, "ARCHIVE_ROOT": root}):
            record = archive_month(month=MARCH, actor="test", now=LATER)
            assert verify_everything().findings == []
        connections.close_all()
        yield name, root / record.file_name


@pytest.fixture
def archived_file(archived, tmp_path, django_db_blocker):
    """A copy of that database and file for one test."""
    name, file = archived
    copy = tmp_path / file.name
    copy.write_bytes(file.read_bytes())
    with (
        django_db_blocker.unblock(),
        databases.cloned(of=name),
        override_settings(BILLING={**settings.BILLING, "ARCHIVE_ROOT": tmp_path}),
    ):
        yield copy


class TestArchives:
    @pytest.mark.parametrize("name", FILES)
    def test_a_file_that_is_touched_is_named(self, archived_file, name):
        touch, codes = FILES[name]
        touch(archived_file)

        assert codes <= {finding.code for finding in verify_everything().findings}

    @pytest.mark.parametrize("name", ["gone", "no file of events"])
    def test_a_file_that_is_lost_is_not_told_event_by_event(self, archived_file, name):
        FILES[name][0](archived_file)

        codes = {finding.code for finding in verify_everything().findings}
        assert not codes & {"event_missing", "day_differs", "day_missing"}

    @pytest.mark.parametrize(("statement", "codes"), RECORDS)
    def test_a_record_that_is_touched_is_named(self, archived_file, statement, codes):
        with connections["owner"].cursor() as cursor:
            table = "billing_archivedmonth"
            touch = statement.format(table=table)
            cursor.execute(DISABLE.format(table=table, statement=touch))

        assert codes <= {finding.code for finding in verify_everything().findings}

    def test_a_key_whose_event_no_file_has_is_named(self, archived_file):
        with connections["owner"].cursor() as cursor:
            cursor.execute(
                "INSERT INTO billing_eventkey (key, content, event_id, used_on)"
                " VALUES (uuidv7(), uuidv7(), -1, '2026-03-09')"
            )

        (finding,) = verify_everything().findings
        assert finding.code == "event_missing"

    def test_a_second_key_of_an_event_in_a_file_is_named(self, archived_file):
        with connections["owner"].cursor() as cursor:
            cursor.execute(
                "INSERT INTO billing_eventkey SELECT uuidv7(), content, event_id, used_on"
                " FROM billing_eventkey WHERE used_on < '2026-04-01' LIMIT 1"
            )

        (finding,) = verify_everything().findings
        assert finding.code == "key_twice"

    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE billing_archivedmonth SET rows = 0",
            "DELETE FROM billing_archivedmonth",
            "ALTER TABLE billing_usageevent DETACH PARTITION billing_usageevent_2026_04",
            "SELECT detach_usage_partition('2026-04-01', 100)",
            "SELECT create_usage_partition('2026-03-01')",
        ],
    )
    def test_the_application_may_not(self, archived_file, statement):
        with (
            connection.cursor() as cursor,
            pytest.raises(DatabaseError),
            transaction.atomic(),
        ):
            cursor.execute(statement)


class TestTheApplication:
    """What the database refuses to the application, whatever its code does."""

    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE seats_seatversion SET added_on = '2026-01-01'",
            "DELETE FROM seats_seatversion",
            "DELETE FROM billing_usageevent",
            "UPDATE billing_usageday SET used_on = '2026-01-01'",
            "DELETE FROM billing_usageday",
            "UPDATE billing_document SET total = 0, subtotal = 0",
            "DELETE FROM billing_document",
            "DELETE FROM billing_documentline",
            "UPDATE billing_documentline SET amount = 0",
            "DELETE FROM billing_void",
            "UPDATE billing_pricelist SET seat_price = 1",
            "DELETE FROM billing_rate",
            "DELETE FROM billing_outboxevent",
            "TRUNCATE billing_documentline",
            "TRUNCATE seats_seatversion",
            "UPDATE billing_usageday SET billable = 0",
            "UPDATE billing_document SET number = 99",
            "UPDATE billing_document SET state = 'draft'",
            "UPDATE billing_watermark SET billed_cutoff = 0",
            "UPDATE seats_cutoffcounter SET cutoff = 1",
            "SET session_replication_role = replica",
            "ALTER TABLE billing_document DISABLE TRIGGER ALL",
        ],
    )
    def test_may_not(self, untouched, statement):
        with pytest.raises(DatabaseError), transaction.atomic():
            untouched.execute(statement)
