"""Reading as the database's role for members, and the one door out of it."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.http import HttpResponse, StreamingHttpResponse
from django.urls import path

from billing.invoicing.models.documents import DocumentLine
from billing.invoicing.services.previews import next_totals
from config.admin.agency import agency_site
from core.postgres.roles import engine_rights, member_rights
from seats.models import Agency, SeatVersion
from tests.build import APRIL
from tests.downline import BELOW, HOME, UPLINES

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(300)]


def role() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user")
        return str(cursor.fetchone()[0])


class TestReading:
    """Every view of the site, also those that know nothing of the wall."""

    @pytest.fixture
    def view(self, people, monkeypatch, settings):
        """Opens a view of the site's as the owner of HOMEZZ."""

        def run(view: Any, method: str = "get") -> Any:
            urls = [path("made-up/", agency_site.admin_view(view), name="made_up")]
            monkeypatch.setattr(type(agency_site), "urls", (urls, "admin", "agency"))
            settings.ROOT_URLCONF = type(
                "Urls", (), {"urlpatterns": [path("agency/", agency_site.urls)]}
            )
            return getattr(people[0].client, method)("/agency/made-up/")

        return run

    def test_sees_what_is_within_reach_though_it_asks_for_all(self, view):
        answer = view(
            lambda request: HttpResponse(
                ",".join(Agency.objects.order_by("code").values_list("code", flat=True))
            )
        )

        assert answer.content == b"BELOWZZ,HOMEZZ"
        assert role() == connection.settings_dict["USER"]

    def test_holds_for_what_is_streamed_after_the_view(self, view):
        def parts() -> Iterator[str]:
            for line in DocumentLine.objects.select_related("payer"):
                yield f"{line.payer.code} "

        answer = view(lambda request: StreamingHttpResponse(parts()))

        text = b"".join(answer.streaming_content).decode()
        assert set(text.split()) == {HOME, BELOW}
        assert role() == connection.settings_dict["USER"]

    def test_ends_with_a_stream_that_nobody_read_to_its_end(self, view):
        answer = view(lambda request: StreamingHttpResponse(iter("abc")))
        next(iter(answer.streaming_content))
        assert role() != connection.settings_dict["USER"]

        answer._iterator.close()  # as a server closes what a client hung up on

        assert role() == connection.settings_dict["USER"]

    def test_writes_nothing(self, view, caplog):
        def write(request: Any) -> HttpResponse:
            Agency.objects.update(name="x")
            return HttpResponse("done")

        assert view(write).status_code == 404
        assert "reads what members may not" in caplog.text
        assert not Agency.objects.filter(name="x").exists()
        assert role() == connection.settings_dict["USER"]

    def test_ends_with_an_error(self, view):
        with pytest.raises(ZeroDivisionError):
            view(lambda request: HttpResponse(1 // 0))

        assert role() == connection.settings_dict["USER"]


class TestEngineRights:
    """The one door in the second wall."""

    def test_are_those_of_the_application_for_as_long_as_they_last(self, agencies):
        kinds = {"names": [agencies[HOME].pk]}
        with member_rights(kinds):
            assert Agency.objects.count() == 1
            with engine_rights():
                assert Agency.objects.count() == len(UPLINES)
                with engine_rights():
                    assert Agency.objects.filter(code=HOME).update(name="x") == 1
            assert Agency.objects.get().name == "x"
        assert Agency.objects.count() == len(UPLINES)

    def test_end_with_an_error_and_leave_nothing_behind(self, agencies):
        with member_rights({"names": [agencies[HOME].pk]}):
            with pytest.raises(ZeroDivisionError), engine_rights():
                Agency.objects.update(name=str(1 / 0))
            assert Agency.objects.count() == 1
            assert role() != connection.settings_dict["USER"]

    def test_change_nothing_outside_of_the_wall(
        self, agencies, django_assert_num_queries
    ):
        with django_assert_num_queries(1), engine_rights():
            assert Agency.objects.count() == len(UPLINES)

    def test_compute_the_next_invoice_on_a_page_that_reads_as_a_member(
        self, agencies, people
    ):
        """From facts, prices and shares, whoever else is billed by them."""
        scope: dict[str, Any] = {
            "agency_ids": [agencies[HOME].pk], "payer_ids": [agencies[HOME].pk],
            "through": APRIL,
        }  # fmt: skip
        expected = next_totals(**scope)

        with member_rights({"names": [agencies[HOME].pk]}):
            totals = next_totals(**scope)
            assert not SeatVersion.objects.exists()

        assert totals == expected
        assert sum(filter(None, totals.values())) > 0
