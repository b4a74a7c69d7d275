"""Local times of files are read in the zone in force at them, in each feed and door."""

from datetime import UTC, date, datetime
from io import StringIO

import pytest
import time_machine
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.urls import reverse

from billing.metering.domain.formats.vicidial import STANDARD
from billing.metering.models import UsageEvent
from billing.metering.services.imports import resume_next_import
from seats.agencies.services import change_zone
from tests.build import make_agency, make_agents, make_prices
from tests.scenarios.feed_files import NOW, Folder, call_json, cdr
from tests.staff import log_in, make_staff


@pytest.fixture
def sunrise(db):
    make_prices()
    agency = make_agency(zone="America/New_York")
    make_agents(agency, "301")
    return agency


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


def freeswitch_row() -> str:
    return (
        '"x","301","15551234567","default","2026-11-30 07:59:50","2026-11-30 08:00:00",'
        '"2026-11-30 08:01:00",70,60,"NORMAL_CLEARING",'
        '"7c1e0001-0000-4000-8000-000000000001","","301"\n'
    )


def telnyx_row() -> str:
    return (
        "record_type,id,direction,to,started_at,answered_at,call_sec\n"
        "sip-trunking,r1,outbound,+12125550100,2026-11-30 07:59:50,2026-11-30 08:00:00,60\n"
    )


def vicidial_row() -> str:
    cells = {
        "call_date": "2026-11-30 08:00:00", "status": "SALE", "user": "301",
        "campaign_id": "FE1", "length_in_sec": "60", "alt_dial": "MAIN",
    }  # fmt: skip
    return "\t".join(cells.get(name, "") for name in STANDARD) + "\n"


LOCAL_ROWS = {
    "asterisk": cdr(60, answer="2026-11-30 08:00:00"),
    "freeswitch": freeswitch_row(),
    "twilio": call_json("CA1", start="Mon, 30 Nov 2026 08:00:00"),
    "telnyx": telnyx_row(),
    "vicidial": vicidial_row(),
    "csv": "id,meter,quantity,occurred_at\nc1,voice.out,60,2026-11-30T08:00:00\n",
}


class TestLocalTimes:
    """The agency moves from New York to Tokyo on December 1, and imports old calls."""

    @pytest.fixture
    def moved(self, sunrise):
        change_zone(
            agency=sunrise, zone="Asia/Tokyo", starts_on=date(2026, 12, 1), now=NOW,
            actor="test",
        )  # fmt: skip
        return sunrise

    @pytest.mark.parametrize("feed", LOCAL_ROWS)
    def test_of_a_file_are_read_in_the_zone_in_force_at_them(self, moved, folder, feed):
        folder.now = datetime(2026, 12, 2, 3, tzinfo=UTC)
        folder.take(LOCAL_ROWS[feed], format=feed)

        event = UsageEvent.objects.get()
        assert event.occurred_at == datetime(2026, 11, 30, 13, tzinfo=UTC)
        assert event.used_on == date(2026, 11, 30)

    @pytest.mark.parametrize("feed", LOCAL_ROWS)
    def test_of_an_upload_are_too(self, moved, feed):
        now = datetime(2026, 12, 2, 3, tzinfo=UTC)
        upload = SimpleUploadedFile("file", LOCAL_ROWS[feed].encode())
        form = {"agency": moved.pk, "feed": feed, "zone": "", "file": upload}
        with time_machine.travel(now, tick=False):
            answer = log_in(make_staff()).post(
                reverse("admin:billing_usageimport_add"), form
            )
            assert answer.status_code == 302
        assert resume_next_import(now=now) == 1

        event = UsageEvent.objects.get()
        assert event.occurred_at == datetime(2026, 11, 30, 13, tzinfo=UTC)
        assert event.used_on == date(2026, 11, 30)

    @pytest.mark.parametrize("feed", LOCAL_ROWS)
    def test_are_compared_in_that_zone(self, moved, folder, feed):
        folder.take(LOCAL_ROWS[feed], format=feed)
        out = StringIO()

        call_command(
            "reconcile", str(folder.path / "file"), "--agency=SUNRISE",
            "--month=2026-11", f"--format={feed}", stdout=out,
        )  # fmt: skip

        assert "only_" not in out.getvalue()
        assert "equal" in out.getvalue()

    def test_of_two_months_in_one_file_have_each_its_zone(self, moved, folder):
        folder.now = datetime(2026, 12, 2, 3, tzinfo=UTC)
        rows = [
            cdr(60, start=f"{day} 08:00:00", answer=f"{day} 08:00:00",
                tail=f',"{n}795186700.1",""')
            for n, day in enumerate(["2026-11-30", "2026-12-02"], 1)
        ]  # fmt: skip
        assert folder.take("".join(rows)).startswith("0 file: 2 accepted")

        assert list(UsageEvent.objects.order_by("used_on").values_list("occurred_at")) == [
            (datetime(2026, 11, 30, 13, tzinfo=UTC),),
            (datetime(2026, 12, 1, 23, tzinfo=UTC),),
        ]  # fmt: skip
