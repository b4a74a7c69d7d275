"""A large platform: agencies, seats, documents and usage, made by SQL as the owner.

python -m tests.benchmarks.seed fills the embedded database with it.
"""

from datetime import date
from typing import Any

from django.db import connections

from billing.metering.services.partitions import ensure_partitions
from billing.pricing.models import Meter
from core.periods import next_month, previous_month
from seats.models import Agency, Member, User
from tests.benchmarks.worlds import make_agencies

AGENCIES, SEATS, MONTHS = 10_000, 20, 10
USAGE_DATES = 25  # so 5,000,000 usage days
IMOS = 10  # each with 999 agencies below it
TABLES = ["billing_document", "billing_documentline", "billing_usageday"]

UPLINES = """
    INSERT INTO seats_upline (agency_id, upline_id, starts_on)
    SELECT lower.id, upper.id, %(on)s
    FROM seats_agency AS lower
    JOIN seats_agency AS upper
      ON upper.code = 'B' || (substr(lower.code, 2)::int - 1) %% %(imos)s + 1
    WHERE substr(lower.code, 2)::int > %(imos)s
"""
# Triggers are off: these documents are to be looked at, and none of them is verified.
DOCUMENTS = """
    INSERT INTO billing_document (payer_id, kind, state, number, month, currency,
        price_list_id, price_list_hash, subtotal, tax, total, parties, cutoffs,
        created_at, issued_at, due_at, hash, previous_hash)
    SELECT agency.id, 'invoice', CASE WHEN %(number)s < %(last)s THEN 'paid' ELSE 'open' END,
           %(number)s, %(month)s, 'USD', list.id, list.hash, 1090, 0, 1090,
           jsonb_build_object('payer', jsonb_build_object('code', agency.code)),
           jsonb_build_object(agency.id::text, 1),
           %(issued)s, %(issued)s, %(issued)s::timestamptz + interval '14 days',
           encode(sha256((agency.code || %(number)s)::bytea), 'hex'), ''
    FROM seats_agency AS agency CROSS JOIN (SELECT id, content_hash AS hash FROM billing_pricelist
        WHERE currency = 'USD' AND state = 'published' ORDER BY id LIMIT 1) AS list
"""
LINES = """
    INSERT INTO billing_documentline (document_id, position, payer_id, agency_id, month,
        late, kind, meter_id, price_list_id, description, raw, billable, quantity,
        included, unit_price, charge, amount_before, amount_now, amount, tax)
    SELECT document.id, place.n, document.payer_id, document.payer_id,
           CASE WHEN place.n = 10 THEN document.month - interval '1 month'
                ELSE document.month END,
           place.n = 10, CASE WHEN meter.id IS NULL THEN 'seat' ELSE 'usage' END, meter.id,
           document.price_list_id, coalesce(meter.name, 'Seats'), 600, 600, 600, 0,
           CASE WHEN meter.id IS NULL THEN 50 END, 1000, 0, 109, 109, 0
    FROM billing_document AS document
    CROSS JOIN generate_series(1, 10) AS place(n)
    LEFT JOIN (SELECT id, name, row_number() OVER (ORDER BY code) + 1 AS n
               FROM billing_meter WHERE id = ANY(%(meters)s)) AS meter USING (n)
    WHERE document.month = %(month)s
"""
USAGE = """
    INSERT INTO billing_usageday (agency_id, agent_id, meter_id, breakdown, used_on,
                                  cutoff, events, raw, billable)
    SELECT agent.agency_id, agent.id, %(meter)s,
           (ARRAY['power', 'predictive', 'manual'])[1 + agent.id %% 3],
           %(first)s::date + day, 1, 10, 600 + (agent.id * 7 + day * 13) %% 90,
           720 + ((agent.id + day) %% 5) * 60
    FROM seats_agent AS agent CROSS JOIN generate_series(0, %(days)s - 1) AS day
    ORDER BY 1, 5, 2
"""


def make_platform(today: date) -> None:
    """Fill an empty database with months of documents that end before today's month."""
    current = today.replace(day=1)
    months = [current]
    for _ in range(MONTHS):
        months.insert(0, previous_month(months[0]))
    make_agencies(agencies=AGENCIES, seats=SEATS, on=months[0])
    ensure_partitions(months)
    meters = list(Meter.objects.order_by("code").values_list("pk", flat=True))
    used = previous_month(current) if today.day <= USAGE_DATES else current
    with connections["owner"].cursor() as cursor:
        cursor.execute(UPLINES, {"on": months[0], "imos": IMOS})
        _switch_triggers(cursor, "DISABLE")
        for number, month in enumerate(months[:-1], 1):
            params: dict[str, Any] = {
                "number": number, "last": MONTHS, "month": month,
                "issued": next_month(month), "meters": meters,
            }  # fmt: skip
            cursor.execute(DOCUMENTS, params)
            cursor.execute(LINES, params)
        usage: dict[str, Any] = {"meter": meters[0], "first": used, "days": USAGE_DATES}
        cursor.execute(USAGE, usage)
        cursor.execute(
            "UPDATE billing_billingaccount SET next_number = %s", [MONTHS + 1]
        )
        _switch_triggers(cursor, "ENABLE")
        cursor.execute("ANALYZE")


def make_readers(*, now: Any) -> dict[str, User]:
    """Staff, the owner of an agency with 999 below it, and one of a single agency."""
    readers = {"staff": User.objects.create_superuser("staff@bench.example", "-")}
    for name, code in {"IMO": "B1", "agency": f"B{AGENCIES}"}.items():
        user = User.objects.create(email=f"{name.lower()}@bench.example", name=name)
        agency = Agency.objects.get(code=code)
        Member.objects.create(
            user=user, agency=agency, role=Member.Role.OWNER, created_at=now
        )
        readers[name] = user
    return readers


def _switch_triggers(cursor: Any, switch: str) -> None:
    for table in TABLES:
        cursor.execute(f"ALTER TABLE {table} {switch} TRIGGER USER")
