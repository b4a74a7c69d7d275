"""Who pays for an agency, and whether it may dial, on its page for staff."""

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from billing.accounts.models import AccountStanding, BillingAccount, PayerShare
from core.admin.panels import Cell, Link, Panel, Table
from core.money import plain
from core.periods import local_date
from seats.agencies.admin.support import (
    AGENCY,
    list_for,
    page_of_agency,
    row_link,
    shown_agency,
    zones_shown,
)


@AGENCY.panel("payers", order=300, permission="billing.view_payershareset")
def payers_panel(request: HttpRequest, code: str) -> Panel:
    """Who pays its charges today and later, by share, and for whom it pays."""
    agency = shown_agency(request, code)
    today = local_date(timezone.now(), zones_shown(request, code))
    shares = PayerShare.objects.select_related("share_set__agency", "payer").order_by(
        "share_set__starts_on", "share_set_id", "payer__code"
    )
    own = list(shares.filter(share_set__agency=agency))
    begun = [share.share_set for share in own if share.share_set.starts_on <= today]
    current = max(begun, key=lambda row: (row.starts_on, row.pk), default=None)
    rows: list[list[Cell]] = [
        [
            Link(str(share.payer), page_of_agency(share.payer.code)),
            f"{plain(share.percent)} %",
            str(share.share_set.starts_on),
        ]
        for share in own
        if share.share_set == current or share.share_set.starts_on > today
    ]
    if current is None:
        rows.insert(0, [f"{agency} itself", "100 %", "the beginning"])
    links = [list_for("History", "billing_payershareset", "agency", agency)]
    return Panel(
        key="payers",
        title="Who pays for it",
        table=Table(["Payer", "Share", "From"], rows),
        links=links,
    )


@AGENCY.panel("account", order=305, permission="billing.view_billingaccount")
def account_panel(request: HttpRequest, code: str) -> Panel:
    """Billing details, and whether outbound calls are suspended."""
    agency = shown_agency(request, code)
    account = BillingAccount.objects.filter(payer=agency).first()
    standings = AccountStanding.objects.filter(agency=agency)
    newest = standings.order_by("cause", "-pk").distinct("cause")
    rows: list[list[Cell]] = []
    links = [Link("Timeline", reverse("admin:billing_timeline", args=[agency.code]))]
    if account:
        rows = [
            ["Name on invoices", account.billing_name or agency.name],
            ["Address", account.address or "-"],
            ["E-mail", account.email or "-"],
            ["Tax id", account.tax_id or "-"],
        ]
        links.append(row_link("billing_billingaccount", account, "Billing details"))
    suspended = [
        f"Outbound calls are suspended by {row.get_cause_display()} since"
        f" {row.since:%Y-%m-%d}: {row.reason}"
        for row in newest
        if row.standing == AccountStanding.Standing.SUSPENDED
    ]
    return Panel(
        key="account",
        title="Billing details",
        sentences=suspended or ["Outbound calls are allowed."],
        table=Table(["What", "Is"], rows, empty="It has no billing account."),
        links=links,
    )
