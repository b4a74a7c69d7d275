"""The page on which an owner saves, replaces and removes the payment method."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone

from billing.accounts.admin.payers import at_payer
from billing.collection.admin.paying import BY_TRANSFER, has_checkout, return_url
from billing.collection.models.checkout import CheckoutPage
from billing.collection.models.methods import PaymentMethod
from billing.collection.queries.methods import unusable_methods
from billing.collection.services.checkout import PageOptions, open_setup_page
from billing.collection.services.methods import remove_method
from core.admin.pages import AgencyPanels
from core.admin.panels import Link, Panel, PostButton
from core.admin.reauthentication import require_reauthentication
from core.admin.scoped import any_of, reach_in, without_secrets
from core.errors import Refusal
from seats.access.domain import Action
from seats.agencies.queries.agencies import zones_of
from seats.models import Agency


def own_agencies(request: HttpRequest) -> list[Agency]:
    """The agencies whose payment method the person may change, by code."""
    ids = reach_in(request).agencies(Action.CHANGE_METHODS)
    return list(Agency.objects.filter(pk__in=any_of(ids)).order_by("code"))


def change_method(request: HttpRequest) -> HttpResponse:
    """Open a page to save a method, or remove the one that there is."""
    require_reauthentication(request)
    kind, _, code = request.POST.get("action", "").partition(" ")
    agencies = {agency.code: agency for agency in own_agencies(request)}
    works = {"save": _open_page, "remove": _remove}
    if kind not in works or code not in agencies:
        raise Http404
    try:
        messages.success(request, works[kind](request, agencies[code]))
    except Refusal as refusal:
        messages.error(request, refusal.message)
    return HttpResponseRedirect(METHOD.url(), status=303)


def _open_page(request: HttpRequest, payer: Agency) -> str:
    options = PageOptions(
        actor=str(request.user),
        return_url=return_url(request, METHOD.url()),
        owner=payer,
    )
    page = open_setup_page(payer=payer, options=options, clock=timezone.now)
    return f"The page at {page.processor} is open. Go on there to save the method."


def _remove(request: HttpRequest, payer: Agency) -> str:
    method = PaymentMethod.objects.filter(payer=payer, removed_at=None).first()
    if method is None:
        return "There is no payment method any more."
    remove_method(method=method, actor=str(request.user), now=timezone.now())
    return f"{method} was removed. Nothing is charged to it any more."


METHOD = AgencyPanels(
    name="payment_method",
    path="payment-method/",
    title="Payment method",
    permission=Action.CHANGE_METHODS,
    menu=("Money", "Payment method"),
    intro="Invoices are charged to the payment method when they are issued. There is one:"
    " a new one takes its place. Cards are entered at the payment processor, never here.",
    post=change_method,
)


@METHOD.panel("method", order=10)
def method_panels(request: HttpRequest) -> list[Panel]:
    """The payment method of each agency that the person owns."""
    agencies = own_agencies(request)
    ids = [agency.pk for agency in agencies]
    rows = PaymentMethod.objects.filter(payer__in=ids, removed_at=None)
    rows = without_secrets(rows.select_related("processor"))
    methods = {row.payer_id: row for row in rows}
    unusable = unusable_methods([row.pk for row in methods.values()])
    pages = _open_pages(ids)
    zones = zones_of(ids)
    can_save = has_checkout()
    return [
        _method_panel(
            request,
            agency,
            methods.get(agency.pk),
            page=pages.get(agency.pk),
            zones=zones[agency.pk],
            is_unusable=agency.pk in methods and methods[agency.pk].pk in unusable,
            can_save=can_save,
        )
        for agency in agencies
    ]


def _open_pages(payer_ids: list[int]) -> dict[int, CheckoutPage]:
    """The newest page of each payer on which a method can be saved now."""
    rows = CheckoutPage.objects.filter(
        kind=CheckoutPage.Kind.SETUP, payer__in=payer_ids, expires_at__gt=timezone.now()
    ).exclude(url="")
    pages = without_secrets(rows.filter(closed_at=None).select_related("processor"))
    return {page.payer_id: page for page in pages.order_by("pk")}


def _method_panel(
    request: HttpRequest,
    agency: Agency,
    method: PaymentMethod | None,
    *,
    page: CheckoutPage | None,
    zones: list[Any],
    is_unusable: bool,
    can_save: bool,
) -> Panel:
    facts: list[tuple[str, Any]] = []
    if method:
        facts = [
            ("At", method.processor.code),
            ("Saved", at_payer(method.saved_at, zones)),
            ("By", method.actor),
        ]
    if method and request.GET.get("remove") == agency.code:
        sentences, links, buttons = _removal(agency, method)
    else:
        sentences, links, buttons = _ways(agency, method, can_save=can_save)
    if is_unusable:
        sentences.insert(0, UNUSABLE)
    if page and not (method and method.saved_at >= page.opened_at):
        sentences.append("A page to save a method is open.")
        links.insert(0, Link(f"Go on at {page.processor}", page.url, button=True))
    return Panel(
        key=f"method-{agency.pk}",
        title=agency.name,
        figure=str(method) if method else "No payment method",
        sentences=sentences,
        facts=facts,
        links=links,
        buttons=buttons,
    )


UNUSABLE = (
    "It was declined for good or lost a dispute, so it is not charged by itself. Save"
    " another."
)
Ways = tuple[list[str], list[Link], list[PostButton]]


def _button(text: str, action: str) -> PostButton:
    return PostButton(text, METHOD.url(), [("action", action)])


def _removal(agency: Agency, method: PaymentMethod) -> Ways:
    """What removing the method means, and the button that does it."""
    consequence = (
        f"Remove {method}? Invoices of {agency.code} are then not charged by themselves"
        " any more and have to be paid one by one."
    )
    links = [Link("Back, change nothing", METHOD.url())]
    return [consequence], links, [_button(f"Remove {method}", f"remove {agency.code}")]


def _ways(agency: Agency, method: PaymentMethod | None, *, can_save: bool) -> Ways:
    """What can be done: save a method, and remove the one that there is."""
    sentences, links, buttons = [], [], []
    if method:
        links.append(Link("Remove", METHOD.url({"remove": agency.code})))
    else:
        sentences.append("Invoices are not charged by themselves.")
    if can_save:
        text = "Save another method" if method else "Save a payment method"
        buttons.append(_button(text, f"save {agency.code}"))
    elif method is None:
        sentences.append(BY_TRANSFER)
    return sentences, links, buttons
