"""How payers are charged: saving a method, and taking it away."""

from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet

from billing.invoicing.services.issuing import lock_accounts
from billing.payments.hosting import HostedPage, ProcessorCustomer
from billing.payments.models import PaymentMethod, PaymentProcessor
from billing.payments.processors.port import DoesNotFit, MethodUpdate
from billing.payments.signals import method_saved
from billing.webhooks.services import NewEvent, publish
from seats.access import out_of_reach
from seats.errors import Refusal
from seats.models import Agency


class MethodTaken(Refusal):
    code = "method_taken"


class NoMethod(Refusal):
    code = "no_payment_method"


class MethodNeedsReference(Refusal):
    code = "method_needs_reference"


def save_method(
    *,
    payer: Agency,
    processor: PaymentProcessor,
    actor: str,
    now: datetime,
    customer: str = "",
    reference: str = "",
    label: str = "",
    at: datetime | None = None,
) -> PaymentMethod:
    """From now on the payer is charged through this, and through nothing else.

    The one that is current already is given back; under another label it is another. `at` is when the payer saved it, if
    that was before. Raises MethodNeedsReference where the processor does not know
    payers by their code, MethodTaken where another payer has it.
    """
    if processor.kind == PaymentProcessor.Kind.STRIPE and not (customer and reference):
        raise MethodNeedsReference("It is saved on the processor's page.")
    with transaction.atomic():
        lock_accounts([payer.pk])
        current = PaymentMethod.objects.filter(payer=payer, removed_at=None).first()
        if current:
            known = (current.processor_id, current.reference, current.label)
            if known == (processor.pk, reference, label[:100]):
                return current
            _remove(current, actor, now)
        method = PaymentMethod(
            payer=payer,
            processor=processor,
            customer=customer,
            reference=reference,
            label=label[:100],
            actor=actor,
            saved_at=at or now,
        )
        _insert(method)
        publish([_event(method, "payment_method.saved", actor)], now=now)
        method_saved.send(PaymentMethod, method=method, now=now)
    return method


def remove_method(*, method: PaymentMethod, actor: str, now: datetime) -> bool:
    """From now on the payer is not charged through it; False where it was gone before.

    Repeating is harmless.
    """
    with transaction.atomic():
        lock_accounts([method.payer_id])
        method.refresh_from_db()
        if method.removed_at is not None:
            return False
        _remove(method, actor, now)
    return True


def take_told_method(
    *, processor: PaymentProcessor, told: MethodUpdate, now: datetime
) -> None:
    """A method that a payer saved on a page, that changed there, or that is gone.

    In any order: the one saved last is current, and what was taken away stays so. One
    saved on a page is left out where the page's owner does not reach the payer now.
    Raises DoesNotFit for a payer that is not known, or is another customer; MethodTaken.
    """
    payer = _payer_of(processor, told)
    with transaction.atomic():
        lock_accounts([payer.pk])
        rows = PaymentMethod.objects.filter(payer=payer).select_related(
            "payer", "processor"
        )
        known = rows.filter(processor=processor, reference=told.reference).first()
        actor = f"processor {processor.code}"
        if known:
            if told.gone and known.removed_at is None:
                _remove(known, actor, now)
            elif known.removed_at is None:
                known.label = told.label[:100]
                known.save(update_fields=["label"])
        elif not (
            told.gone
            or told.changed
            or _is_older(told, rows)
            or _is_out_of_reach(told, now)
        ):
            save_method(
                payer=payer,
                processor=processor,
                actor=actor,
                now=now,
                customer=told.customer,
                reference=told.reference,
                label=told.label,
                at=told.at,
            )


def method_of(payer_id: int) -> PaymentMethod:
    """What a payer is charged through. Raises NoMethod."""
    rows = PaymentMethod.objects.filter(payer=payer_id, removed_at=None)
    method = rows.select_related("processor", "payer").first()
    if method is None:
        raise NoMethod("The payer has no payment method.", field="invoice")
    return method


def _payer_of(processor: PaymentProcessor, told: MethodUpdate) -> Agency:
    payer = Agency.objects.filter(code=told.payer).first()
    if payer is None:
        raise DoesNotFit("There is no such payer.")
    customers = ProcessorCustomer.objects.filter(processor=processor, payer=payer)
    if customers.exclude(reference__in=["", told.customer]).exists():
        raise DoesNotFit("The payer is another customer there.")
    return payer


def _is_older(told: MethodUpdate, rows: QuerySet[PaymentMethod]) -> bool:
    """Whether the payer has chosen another one since."""
    return told.at is not None and rows.filter(saved_at__gt=told.at).exists()


def _is_out_of_reach(method: MethodUpdate, now: datetime) -> bool:
    """Whether it was saved on a page of an agency that does not reach the payer now."""
    if method.key is None:
        return False
    pages = HostedPage.objects.filter(
        Q(attempt=None, public_id=method.key) | Q(attempt__public_id=method.key)
    )
    return bool(out_of_reach(pages.values_list("owner", "payer"), now=now))


def _insert(method: PaymentMethod) -> None:
    try:
        with transaction.atomic():
            method.save(force_insert=True)
    except IntegrityError as error:
        raise MethodTaken("Another payer has this method.") from error
    method.refresh_from_db()


def _remove(method: PaymentMethod, actor: str, now: datetime) -> None:
    method.removed_at = now
    method.save(update_fields=["removed_at"])
    publish([_event(method, "payment_method.removed", actor)], now=now)


def _event(method: PaymentMethod, kind: str, actor: str) -> NewEvent:
    payload = {
        "id": str(method.public_id),
        "agency": method.payer.code,
        "processor": method.processor.code,
        "label": method.label,
        "actor": actor,
    }
    subject = f"payment_method:{method.public_id}"
    return NewEvent(method.payer_id, kind, subject, payload)
