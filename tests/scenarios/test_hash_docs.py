"""The ten lines of docs/billing-rules.md, run as they stand against a real server."""

import json
import re
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from django.db import connections

from billing.accounts.models import BillingAccount
from seats.api_keys.services import create_key
from tests.build import (
    APRIL,
    APRIL_2,
    MARCH,
    bill,
    call,
    documents_of,
    make_agency,
    make_prices,
    make_seats,
    use,
)
from tests.workers import running_web

DOCS = Path(__file__).resolve().parents[2] / "docs/billing-rules.md"
ODD = 'Zoë\u2028"Sunrise" \\ <b>\t\u7f8e\u4e16'
ALTER = (
    "ALTER TABLE {table} DISABLE TRIGGER USER; UPDATE {table} SET {change};"
    "ALTER TABLE {table} ENABLE TRIGGER USER"
)


@pytest.fixture
def agency(fresh_database, settings):
    """Two documents with seats and calls, and a name that no encoder likes."""
    settings.BILLING = {**settings.BILLING, "REVIEW_WINDOW": None}
    make_prices()
    agency = make_agency()
    BillingAccount.objects.filter(payer=agency).update(
        billing_name=ODD, address="1\n2\r\n3"
    )
    make_seats(agency, "ana", "ben")
    use(call(agent="ana"))
    bill(MARCH)
    bill(APRIL)
    return agency


def test_the_ten_lines_recompute_what_the_api_says(
    agency, fresh_database, broker, tmp_path
):
    (code,) = re.findall(r"```python\n(.+?)```", DOCS.read_text(), re.DOTALL)
    assert len([line for line in code.splitlines() if line]) == 10
    scopes = ["invoices:read"]
    _, key = create_key(agency=agency, scopes=scopes, actor="test", now=APRIL_2)
    environment = {**fresh_database.environment, "REDIS_URL": broker}
    first, second = documents_of(agency)
    with running_web(environment, tmp_path / "web.log") as port:
        base = f"http://127.0.0.1:{port}/api/v1/"

        def check(document):
            document_id = str(document.public_id)
            args = [sys.executable, "-c", code, base, f"Bearer {key}", document_id]
            done = subprocess.run(
                args, capture_output=True, check=False, text=True, timeout=60
            )
            assert done.returncode == 0, done.stderr
            return done.stdout.strip()

        def previous_hash(document):
            url = f"{base}invoices/{document.public_id}/content"
            headers = {"Authorization": f"Bearer {key}"}
            request = urllib.request.Request(url, headers=headers)
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.load(answer)["previous_hash"]

        assert [check(first), check(second)] == ["True True"] * 2
        assert [previous_hash(first), previous_hash(second)] == ["", first.hash]
        with connections["owner"].cursor() as cursor:
            for table, change in {
                "billing_documentline": "description = 'x'",
                "billing_pricelist": "seat_includes = '{}'",
            }.items():
                cursor.execute(ALTER.format(table=table, change=change))
        assert check(first) == "False False"
