"""What is behind the lines of a document, as files and as JSON."""

import csv
import io
import tracemalloc
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pyarrow
import pytest
from django.db import connection
from pyarrow import parquet

from billing.invoicing.domain.downloads import DOWNLOADS
from billing.invoicing.domain.itemized import ItemizedCall
from billing.invoicing.models.documents import DocumentLine
from billing.invoicing.queries.calls import calls_behind
from billing.invoicing.services.documents import void_document
from core import tables
from seats.agencies.services import set_upline
from seats.roster.services.seats import hand_over_seats
from tests.build import (
    APRIL,
    APRIL_2,
    MARCH,
    MARCH_1,
    MAY,
    bill,
    call,
    documents_of,
    make_agency,
    make_agents,
    make_other_prices,
    make_prices,
    make_seats,
    use,
)

pytestmark = pytest.mark.django_db
SCOPES = ["invoices:read"]
NOON = datetime(2026, 3, 10, 16, tzinfo=UTC)
BEGAN = {"dial_mode": "power", "started_at": "2026-03-10T15:59:51+00:00"}


@pytest.fixture
def sunrise(settings):
    settings.BILLING = {**settings.BILLING, "REVIEW_WINDOW": None}
    make_prices()
    make_other_prices(starts_on=APRIL)
    agency = make_agency()
    make_seats(agency, "ana")
    return agency


@pytest.fixture
def billed(sunrise):
    """Two calls of March, one of them late, and a detection."""
    use(
        call(id="a", agent="ana", properties=BEGAN),
        call(id="m", meter="amd", quantity=Decimal(1)),
    )
    bill(MARCH)
    late = call(id="=b", quantity=Decimal("45.5"), occurred_at=NOON - timedelta(1))
    use(late, now=APRIL_2 + timedelta(days=1))
    bill(APRIL)
    return sunrise


@pytest.fixture
def client(caller, billed):
    return caller(billed, SCOPES)


def path_of(agency, *, meter, late=False, what="calls"):
    line = DocumentLine.objects.select_related("document").get(
        agency=agency, meter__code=meter, late=late, month=MARCH
    ) if meter else DocumentLine.objects.get(agency=agency, meter=None, month=MARCH)  # fmt: skip
    return f"/api/v1/invoices/{line.document.public_id}/lines/{line.position}/{what}"


def rows_of(answer):
    assert answer.status_code == 200, answer.content
    text = b"".join(answer.streaming_content).decode()
    return list(csv.DictReader(io.StringIO(text)))


class TestCalls:
    def test_are_a_table_for_spreadsheets(self, client, billed):
        answer = client.get(path_of(billed, meter="voice.out"))

        assert answer["Content-Type"] == "text/csv"
        assert answer["Content-Disposition"] == (
            'attachment; filename="SUNRISE-00001-line-3-calls.csv"'
        )
        assert rows_of(answer) == [{
            "start": "2026-03-10T15:59:51+00:00", "answer": "2026-03-10T16:00:00+00:00",
            "end": "2026-03-10T16:02:15+00:00", "agent": "ana", "dial_mode": "power",
            "raw_seconds": "135", "billed_seconds": "180", "rate": "0.018",
            "amount_before_rounding": "0.054", "source": "/dialer/test", "id": "a",
            "counted": "now",
        }]  # fmt: skip

    def test_of_a_late_line_say_what_was_counted_before(self, client, billed):
        rows = rows_of(client.get(path_of(billed, meter="voice.out", late=True)))

        assert [
            (row["id"], row["counted"], row["billed_seconds"], row["start"])
            for row in rows
        ] == [
            ("'=b", "now", "60", ""),
            ("a", "before", "180", "2026-03-10T15:59:51+00:00"),
        ]  # fmt: skip

    def test_of_an_earlier_line_never_change(self, client, billed):
        path = path_of(billed, meter="voice.out")
        before = rows_of(client.get(path))

        use(call(id="later", agent="ana"), now=APRIL_2 + timedelta(days=40))

        assert rows_of(client.get(path)) == before

    def test_sum_to_their_line(self, client, billed):
        for line in DocumentLine.objects.exclude(meter=None):
            assert line.meter
            path = path_of(billed, meter=line.meter.code, late=line.late)
            rows = rows_of(client.get(path))
            assert sum(Decimal(row["billed_seconds"]) for row in rows) == line.billable
            amounts = [Decimal(row["amount_before_rounding"]) for row in rows]
            assert round(sum(amounts), 2) == line.charge

    def test_count_as_new_after_a_void(self, client, billed):
        (first, _) = documents_of(billed)
        void_document(
            document_id=first.pk, actor="test", reason="x",
            now=APRIL_2 + timedelta(days=31),
        )  # fmt: skip
        bill(MAY)

        *_, last = documents_of(billed)
        line = last.lines.get(month=MARCH, meter__code="voice.out")
        assert [(call.id, call.counted) for call in calls_behind(line)] == [
            ("=b", "before"), ("a", "now"),
        ]  # fmt: skip

    def test_of_a_graduated_rate_cost_what_they_add(self, client, sunrise):
        april = datetime(2026, 6, 10, 16, tzinfo=UTC)
        use(
            call(id="x", quantity=Decimal(89 * 60), occurred_at=april),
            call(id="y", quantity=Decimal(180), occurred_at=april + timedelta(1)),
            now=april + timedelta(days=2),
        )
        bill(date(2026, 6, 1))

        *_, last = documents_of(sunrise)
        line = last.lines.get(meter__code="voice.out")
        calls = list(calls_behind(line))

        assert [(call.rate, call.amount_before_rounding) for call in calls] == [
            (Decimal("0.021"), Decimal("1.869")),
            (None, Decimal("0.021") + 2 * Decimal("0.0155")),
        ]
        assert line.charge == Decimal("1.92")

    def test_are_a_table_for_programs(self, client, billed):
        path = path_of(billed, meter="voice.out", late=True)

        answers = [
            client.get(f"{path}?format=parquet"),
            client.get(path, headers={"accept": "application/vnd.apache.parquet"}),
        ]

        tables = [
            parquet.read_table(pyarrow.BufferReader(b"".join(a.streaming_content)))
            for a in answers
        ]
        assert tables[0] == tables[1]
        assert tables[0].column_names == list(ItemizedCall._fields)
        assert tables[0].column("id").to_pylist() == ["=b", "a"]
        assert tables[0].column("raw_seconds").to_pylist() == [
            Decimal("45.500000"), Decimal("135.000000"),
        ]  # fmt: skip
        assert tables[0].column("answer").to_pylist()[1] == NOON

    @pytest.mark.parametrize(
        ("query", "accept", "status", "code"),
        [
            ("?format=xml", "*/*", 400, "unknown_format"),
            ("", "application/json", 406, "not_acceptable"),
        ],
    )
    def test_come_in_two_formats(self, client, billed, query, accept, status, code):
        path = path_of(billed, meter="voice.out")
        answer = client.get(f"{path}{query}", headers={"accept": accept})

        assert (answer.status_code, answer.json()["code"]) == (status, code)

    def test_elsewhere_are_not_there(self, client, caller, billed):
        path = path_of(billed, meter="voice.out")
        top, other = make_agency("TOP"), make_agency("OTHER")
        set_upline(agency=billed, upline=top, on=MARCH, now=MARCH_1, actor="test")

        assert caller(top, SCOPES).get(path).status_code == 200
        for wrong in (
            caller(other, SCOPES).get(path),
            client.get(path.replace("lines/3", "lines/1")),
            client.get(path.replace("lines/3", "lines/9")),
            client.get(path.replace("lines/3", f"lines/{10**30}")),
        ):
            assert wrong.status_code == 404
        assert caller(billed, ["usage:read"]).get(path).status_code == 403

    @pytest.mark.parametrize("kind", DOWNLOADS)
    def test_are_made_in_constant_memory(self, billed, kind, monkeypatch):
        monkeypatch.setattr(tables, "ROWS_A_GROUP", 2_000)
        line = DocumentLine.objects.select_related("document", "meter").get(
            meter__code="voice.out", late=False
        )
        peaks = []
        for many in (5_000, 5_000):
            self.add(line, many)
            tracemalloc.start()
            for _ in DOWNLOADS[kind].pieces(calls_behind(self.now(line))):
                pass
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()

        assert peaks[1] < 1.2 * peaks[0]

    def add(self, line, many):
        """So many more events, under the cut-off that is open."""
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO billing_usageevent (id, used_on, agency_id, meter_id,"
                " breakdown, owner, source, external_id, occurred_at, received_at, raw,"
                " billable, properties, cutoff)"
                " SELECT nextval('billing_usageevent_id_seq'), '2026-03-10', %s, %s,"
                " 'power', 0, '/many', 'event ' || n, '2026-03-10 16:00Z',"
                " '2026-03-10 16:00Z', 100 + n %% 300, 120, '{}', counter.cutoff"
                " FROM generate_series(1, %s) n, seats_cutoffcounter AS counter"
                " WHERE counter.agency_id = %s",
                [line.agency_id, line.meter_id, many, line.agency_id],
            )

    def now(self, line):
        """The line as if it were written now."""
        line.document.cutoffs[str(line.agency_id)] = line.agency.cutoff_counter.cutoff
        return line


class TestSeats:
    def test_are_the_holders_and_sum_to_the_charge(self, caller, sunrise):
        (seat,) = sunrise.seats.all()
        (ben,) = make_agents(sunrise, "ben")
        hand_over_seats(
            moves=[(seat, ben)], on=date(2026, 3, 11), actor="test", now=MARCH_1
        )
        bill(MARCH)
        client = caller(sunrise, SCOPES)

        answer = client.get(path_of(sunrise, meter=None, what="seats")).json()

        assert answer["seats"] == [
            {
                "seat": str(seat.public_id),
                "agent": "ana",
                "days": 10,
                "amount": "16.13",
            },
            {
                "seat": str(seat.public_id),
                "agent": "ben",
                "days": 21,
                "amount": "33.87",
            },
        ]
        assert (answer["agency"], answer["month"]) == ("SUNRISE", "2026-03")
        assert answer["charge"] == "50.00"
        assert "Power dialing" in answer["includes"]

    def test_are_behind_lines_of_seats_alone(self, client, billed):
        path = path_of(billed, meter="voice.out", what="seats")

        assert client.get(path).status_code == 404


class TestRounding:
    PATH = "/api/v1/usage/rounding"

    def test_prices_the_same_calls_in_other_steps(self, caller, sunrise):
        use(
            *(call(quantity=Decimal(45)) for _ in range(100)),
            call(quantity=Decimal(0)),
            call(meter="sms.segment", quantity=Decimal(5)),
        )

        answer = caller(sunrise, ["usage:read"]).get(self.PATH).json()

        assert answer == {
            "agency": "SUNRISE", "month": "2026-03", "currency": "USD",
            "meters": [{
                "meter": "voice.out", "unit": "minute", "used": "4500",
                "listed": {
                    "minimum": "60", "increment": "60", "billed": "6000",
                    "quantity": "100", "amount": "1.80", "difference": "0.00",
                },
                "others": [
                    {"minimum": "1", "increment": "1", "billed": "4500",
                     "quantity": "75", "amount": "1.35", "difference": "0.45"},
                    {"minimum": "6", "increment": "6", "billed": "4800",
                     "quantity": "80", "amount": "1.44", "difference": "0.36"},
                ],
            }],
        }  # fmt: skip

    def test_keeps_the_allowance(self, caller, sunrise):
        use(*(call(meter="ai.minute", quantity=Decimal(86_341)) for _ in range(3)))

        (meter,) = caller(sunrise, ["usage:read"]).get(self.PATH).json()["meters"]

        # 4,320 minutes, by the second 4,317.05; 3,000 of them are included.
        assert meter["listed"]["amount"] == "15.84"
        assert meter["others"][0]["amount"] == "15.80"

    def test_elsewhere_is_not_there(self, caller, sunrise):
        make_agency("OTHER")
        client = caller(sunrise, ["usage:read"])

        assert client.get(f"{self.PATH}?agency=OTHER").status_code == 404
        assert client.get(f"{self.PATH}?month=x").json()["code"] == "bad_month"
        assert client.get(f"{self.PATH}?month=2025-01").json()["code"] == (
            "price_missing"
        )


class TestForecast:
    PATH = "/api/v1/usage/forecast"

    def test_says_what_was_used_and_where_it_leads(self, caller, sunrise):
        use(*(call() for _ in range(100)))

        answer = caller(sunrise, ["usage:read"]).get(self.PATH).json()

        assert answer == {
            "agency": "SUNRISE", "month": "2026-03", "as_of": "2026-03-31",
            "currency": "USD", "basis": "elapsed", "elapsed_days": 30, "days": 31,
            "seat_days": 31, "seat_amount": "50.00",
            "meters": [{
                "meter": "voice.out", "unit": "minute", "billable": "18000",
                "quantity": "300", "amount": "5.40",
                "forecast_quantity": "310", "forecast_amount": "5.58",
            }],
            "total": "55.40", "forecast_total": "55.58",
        }  # fmt: skip

    def test_is_the_bill_once_the_month_is_over(self, caller, billed):
        client = caller(billed, ["usage:read"])
        body = [
            client.get(f"{self.PATH}?month=2026-0{month}").json() for month in (2, 3)
        ]

        assert (body[0]["basis"], body[0]["forecast_total"]) == ("complete", "0.00")
        assert body[1]["total"] == body[1]["forecast_total"] == "50.07"
        assert sum(document.total for document in documents_of(billed)) == (
            Decimal("50.07") + Decimal("43.99")
        )

    def test_elsewhere_and_ahead_is_not_there(self, caller, sunrise):
        make_agency("OTHER")
        client = caller(sunrise, ["usage:read"])

        assert client.get(f"{self.PATH}?agency=OTHER").status_code == 404
        ahead = client.get(f"{self.PATH}?month=2026-04")
        assert (ahead.status_code, ahead.json()["code"]) == (422, "month_not_begun")
        assert caller(sunrise, ["usage:write"]).get(self.PATH).status_code == 403
