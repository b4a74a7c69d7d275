"""The hourly and daily verification passes, by the schedule and by the command."""

from datetime import timedelta

import pytest
from celery import Celery
from django.core.management import call_command
from django.db import connections

from billing.collection.verification.passes import verify_due
from billing.invoicing.models.verification import VerificationFinding, VerificationRun
from billing.invoicing.verification.passes import LOST, claim_pass
from billing.mail.models import Mail
from config.celery import app
from tests.scenarios.altering import (
    RAISED,
    acme,
    alter,
    boss,
    clock,
    db_unblocked,
    invoice,
    payer,
)
from tests.workers import _wait_for

__all__ = ["acme", "boss", "clock", "db_unblocked", "invoice", "payer"]


class TestTheSchedule:
    def test_rings_every_minute_and_makes_what_is_due(self, invoice, clock):
        entry = app.conf.beat_schedule["verification.verify_due"]
        assert entry["schedule"] <= 60

        assert verify_due(clock=clock) == 2  # there was none
        clock.forward(minutes=59)
        assert verify_due(clock=clock) == 0
        clock.forward(minutes=2)
        assert verify_due(clock=clock) == 1
        clock.forward(hours=24)
        assert verify_due(clock=clock) == 2
        kinds = [run.kind for run in VerificationRun.objects.order_by("pk")]
        assert kinds == ["incremental", "full", "incremental", "incremental", "full"]
        assert set(VerificationRun.objects.values_list("state", flat=True)) == {
            "finished"
        }

    def test_the_hourly_pass_finds_what_is_altered_of_what_is_owed(
        self, invoice, clock
    ):
        verify_due(clock=clock)
        alter(RAISED)
        clock.forward(minutes=61)

        verify_due(clock=clock)

        run = VerificationRun.objects.latest("pk")
        assert (run.kind, run.opened) == ("incremental", 2)  # the hash, and the sum
        assert {row.document for row in VerificationFinding.objects.all()} == {invoice}

    def test_the_daily_pass_names_a_month_that_nobody_bills(
        self, invoice, boss, clock, settings
    ):
        settings.BILLING = {**settings.BILLING, "OVERDUE_AFTER": timedelta(hours=1)}
        clock.forward(minutes=60 * 24 * 70)

        verify_due(clock=clock)

        finding = VerificationFinding.objects.get(code="month_not_billed")
        assert "SUNRISE" in finding.details[0]
        assert (finding.scope, finding.document) == ("platform", None)
        assert Mail.objects.filter(template="books_differ", to=[boss.email]).exists()

    def test_a_pass_whose_worker_died_is_made_again_and_told_of(self, boss, clock):
        lost = claim_pass(kind="full", actor="schedule", now=clock())
        assert lost
        assert claim_pass(kind="full", actor="schedule", now=clock()) is None

        clock.forward(minutes=11)
        again = claim_pass(kind="full", actor="schedule", now=clock())

        lost.refresh_from_db()
        assert (lost.state, lost.error) == ("failed", LOST)
        assert again is not None
        assert Mail.objects.get(template="verification_failed").to == [boss.email]

    def test_a_check_that_stops_is_a_finding_and_resolves_nothing(self, invoice, clock):
        alter(RAISED)
        verify_due(clock=clock)
        before = set(VerificationFinding.objects.values_list("pk", flat=True))
        with connections["owner"].cursor() as cursor:
            cursor.execute("ALTER TABLE billing_payershareset RENAME TO gone")
        clock.forward(hours=25)

        verify_due(clock=clock)

        rows = VerificationFinding.objects.filter(resolved_at=None)
        assert "check_failed" in {row.code for row in rows}
        assert before <= {row.pk for row in rows}

    def test_a_pass_that_fails_is_told_of_and_made_again(self, boss, invoice, clock):
        with connections["owner"].cursor() as cursor:
            cursor.execute("ALTER TABLE billing_void RENAME TO gone")
        verify_due(clock=clock)
        with connections["owner"].cursor() as cursor:
            cursor.execute("ALTER TABLE gone RENAME TO billing_void")

        clock.forward(minutes=9)
        verify_due(clock=clock)
        full = VerificationRun.objects.filter(kind="full")
        assert [run.state for run in full] == ["failed"]
        clock.forward(minutes=2)
        verify_due(clock=clock)

        assert [run.state for run in full.all()] == ["finished", "failed"]
        mail = Mail.objects.get(template="verification_failed")
        assert mail.subject == "Verification: the full pass failed"

    @pytest.mark.faults
    def test_a_worker_makes_the_passes(self, invoice, worker, broker):
        alter(RAISED)
        worker()
        with Celery(broker=broker) as bell:
            bell.send_task("verification.verify_due", queue="money", ignore_result=True)

        _wait_for(
            lambda: VerificationRun.objects.filter(state="finished").count() == 2,
            "the passes",
        )
        assert VerificationFinding.objects.filter(document=invoice).exists()


class TestTheCommand:
    def verify(self, capsys, *options):
        with pytest.raises(SystemExit) as ended:
            call_command("verify", *options)
        return ended.value.code, capsys.readouterr().out

    def test_stores_nothing_by_itself(self, invoice, capsys):
        alter(RAISED)

        code, output = self.verify(capsys)

        assert (code, "hash_differs SUNRISE-00001" in output) == (1, True)
        assert not VerificationRun.objects.exists()
        assert not VerificationFinding.objects.exists()

    def test_records_when_asked_to(self, invoice, capsys):
        alter(RAISED)

        code, output = self.verify(capsys, "--record", "--json")

        assert code == 1
        assert '"agency": "SUNRISE"' in output
        assert VerificationRun.objects.get().actor == "manage.py verify"
        assert VerificationFinding.objects.filter(document=invoice).exists()
