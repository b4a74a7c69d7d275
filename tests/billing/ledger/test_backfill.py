"""Documents that were issued before the ledger existed."""

from importlib import import_module

import pytest

from billing.collection.verification.money import verify_everything
from billing.invoicing.services.documents import void_document
from billing.ledger.models import LedgerTransaction
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

LEDGER = ["billing_ledgerentry", "billing_ledgertransaction"]


@pytest.mark.usefixtures("at_once")
def test_are_posted_by_the_migration_as_they_would_have_been(owner_cursor):
    make_prices()
    agency = make_agency()
    make_seats(agency, "ana")
    use(call(agent="ana"))
    bill(MARCH)
    (first,) = documents_of(agency)
    void_document(document_id=first.pk, actor="t", reason="test", now=APRIL_2)
    bill(APRIL)
    posted = set(LedgerTransaction.objects.values_list("kind", "fact_id"))
    assert len(posted) >= 3
    for table in LEDGER:
        owner_cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        owner_cursor.execute(f"DELETE FROM {table}")
        owner_cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
    assert verify_everything().findings != []

    backfill = import_module("billing.migrations.0013_post_older_documents").BACKFILL
    # The column was still named `status` then.
    owner_cursor.execute(backfill.replace("document.status", "document.state"))

    assert verify_everything().findings == []
    assert set(LedgerTransaction.objects.values_list("kind", "fact_id")) == posted
