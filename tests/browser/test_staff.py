"""Staff, a real browser, a real web server, and the content policy."""

from django.urls import reverse
from playwright.sync_api import ConsoleMessage

from billing.invoicing.models.runs import BillingRun
from billing.pricing.models import PriceList
from seats.models import User
from tests.browser.test_admin import (
    PASSWORD,
    log_in,
    note_error,
    open_page,
    pytestmark,
    site,
)
from tests.browser.test_agency import WIDTHS, note_foreign, picture
from tests.everything import make_everything

__all__ = ["pytestmark", "site"]


def staff_pages() -> dict[str, str]:
    run = BillingRun.objects.order_by("pk").first()
    draft = PriceList.objects.get(code="NEXT")
    assert run
    return {
        "staff-today": "/admin/",
        "staff-agencies": reverse("admin:seats_agency_changelist"),
        "staff-agency": reverse("admin:agency", args=["SUNRISE"]),
        "staff-plan": reverse("admin:billing_run_plan"),
        "staff-start": reverse("admin:billing_billingrun_add"),
        "staff-run": reverse("admin:billing_run", args=[run.pk]),
        "staff-prices": reverse("admin:price_list_preview", args=[draft.pk]),
        "staff-approvals": reverse("admin:billing_refundapproval_changelist"),
        "staff-health": reverse("admin:health"),
    }


def test_staff_look_around_without_breaking_the_policy(site, settings):
    make_everything(settings)
    User.objects.create_superuser("staff@example.com", PASSWORD)
    problems: list[str] = []
    pages = staff_pages()

    def note(message: ConsoleMessage) -> None:
        if message.type == "error":
            problems.append(message.text)

    with open_page() as page:
        page.set_viewport_size({"width": 1280, "height": 900})
        log_in(page, site)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", note)
        page.on("response", lambda answer: note_error(answer, problems))
        page.on("request", lambda sent: note_foreign(sent.url, site, problems))
        titles = set()
        for name, path in pages.items():
            page.goto(f"{site}{path}")
            titles.add(page.title())
            for width, pixels in WIDTHS.items():
                page.set_viewport_size({"width": pixels, "height": 900})
                page.wait_for_timeout(300)  # charts follow their window
                wide = page.evaluate("document.documentElement.scrollWidth")
                assert wide <= pixels, (name, width, wide)
            page.set_viewport_size({"width": 1280, "height": 900})
            picture(page, name)

    assert problems == []
    assert len(titles) == len(pages)
