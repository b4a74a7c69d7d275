"""PDFs of documents: what stands in them, when they are made, and that they stay equal."""

import hashlib
import re
from collections import Counter
from datetime import timedelta
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import storages
from pypdf import PdfReader

from billing.invoicing.models.documents import Document
from billing.rendering.models import DocumentFile
from billing.rendering.services import compiling
from billing.rendering.services.files import FileNotReady, open_file, render_due
from core.money import money_label
from tests.build import (
    MARCH,
    MAY_2,
    bill,
    call,
    make_agency,
    make_prices,
    make_seats,
    use,
)

pytestmark = pytest.mark.django_db
AMOUNT = re.compile(r"-?[\d,]+\.\d\d USD")


@pytest.fixture(autouse=True)
def folder(settings, documents_folder):
    settings.ISSUER = {"name": "Dial, Inc.", "lines": ["1 Main St", "Austin, TX"]}
    settings.SITE_ADDRESS = "https://billing.example.com"
    return documents_folder


@pytest.fixture
def invoice(settings):
    settings.BILLING = {**settings.BILLING, "REVIEW_WINDOW": None}
    make_prices()
    agency = make_agency()
    make_seats(agency, "ana", "ben")
    use(*(call(agent="ana", quantity=Decimal(900)) for _ in range(3)))
    bill(MARCH)
    return Document.objects.select_related("payer").get()


def render_at(now):
    return render_due(clock=lambda: now)


def text_of(pdf: bytes) -> str:
    return "\n".join(page.extract_text() for page in PdfReader(BytesIO(pdf)).pages)


class TestFile:
    def test_is_queued_when_the_document_is_issued_and_made_after_it(self, invoice):
        file = DocumentFile.objects.get(document=invoice)
        assert (file.state, file.path) == ("waiting", "")
        with pytest.raises(FileNotReady):
            open_file(invoice)

        assert render_at(MAY_2) == 1
        assert render_at(MAY_2) == 0

        file.refresh_from_db()
        content = open_file(invoice)
        assert file.state == "ready"
        assert hashlib.sha256(content).hexdigest() == file.sha256
        assert len(content) == file.size

    def test_that_is_lost_or_damaged_is_made_again_with_the_same_bytes(
        self, invoice, folder, settings
    ):
        render_at(MAY_2)
        content = open_file(invoice)
        (path,) = [path for path in folder.rglob("*") if path.is_file()]
        settings.ISSUER = {"name": "Another name", "lines": []}

        for damage in (path.unlink, lambda: path.write_bytes(content[:100])):
            damage()
            assert open_file(invoice) == content
            assert path.read_bytes() == content

    def test_waits_with_its_error_while_the_disk_is_full(
        self, invoice, folder, monkeypatch
    ):
        def full(*args, **kwargs):
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as broken:
            broken.setattr(type(storages["documents"]), "_save", full)
            render_at(MAY_2)

        file = DocumentFile.objects.get(document=invoice)
        assert (file.state, file.path) == ("waiting", "")
        assert "No space left" in file.last_error
        assert render_at(MAY_2) == 0
        assert render_at(MAY_2 + timedelta(hours=1)) == 1
        file.refresh_from_db()
        assert (file.state, file.last_error) == ("ready", "")

    def test_waits_with_its_error_while_the_template_is_broken(
        self, invoice, tmp_path, monkeypatch
    ):
        broken = tmp_path / "templates"
        broken.mkdir()
        Path(broken, "invoice.typ").write_text("#nothing")
        monkeypatch.setattr(compiling, "TEMPLATES", broken)
        compiling._compiler.cache_clear()

        render_at(MAY_2)
        monkeypatch.undo()
        compiling._compiler.cache_clear()

        file = DocumentFile.objects.get(document=invoice)
        assert file.state == "waiting"
        assert "unknown variable" in file.last_error


class TestPages:
    def test_contain_the_amounts_of_the_document_and_no_other(self, invoice):
        render_at(MAY_2)
        printed = Counter(AMOUNT.findall(text_of(open_file(invoice))))
        expected = {
            money_label(amount, "USD")
            for line in invoice.lines.all()
            for amount in (line.amount, invoice.total, Decimal(0))
        }

        assert expected - printed.keys() == set()
        shares = {"50.00 USD"}  # of each seat, in the statement
        assert printed.keys() - expected - shares == set()

    def test_name_payer_period_due_date_and_hashes(self, invoice):
        render_at(MAY_2)
        text = " ".join(text_of(open_file(invoice)).split())

        for part in (invoice.label, "Dial, Inc.", "March 2026", invoice.payer.name,
                     invoice.hash, invoice.price_list_hash, "ana", "ben"):  # fmt: skip
            assert part in text

    def test_are_tagged_for_screen_readers_and_archives(self, invoice):
        render_at(MAY_2)
        catalog: Any = PdfReader(BytesIO(open_file(invoice))).trailer["/Root"]

        assert catalog["/MarkInfo"]["/Marked"]
        assert "/StructTreeRoot" in catalog
        metadata = catalog["/Metadata"].get_object().get_data().decode()
        assert "<pdfaid:part>3</pdfaid:part>" in metadata
