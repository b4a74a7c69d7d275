"""Saving and removing payment methods. A payer has at most one."""

from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet

from billing.collection.domain.webhook_events import (
    PaymentMethodEvent,
    PaymentMethodRemoved,
    PaymentMethodSaved,
)
from billing.collection.models.checkout import CheckoutPage, ProcessorCustomer
from billing.collection.models.methods import PaymentMethod
from billing.collection.signals import method_saved
from billing.invoicing.services.issuing import lock_accounts
from billing.processors.domain.port import DoesNotFit, MethodUpdate
from billing.processors.models import PaymentProcessor
from billing.webhooks.services.outbox import publish
from core.errors import Kind, Refusal
from core.parsing.values import shown
from seats.access.queries import out_of_reach
from seats.models import Agency


class MethodTaken(Refusal):
    """The payment method is already saved for another payer.

    Remove it from the other payer first.
    """

    code = "method_taken"
    kind = Kind.CONFLICT


class NoMethod(Refusal):
    """The payer has no payment method, or none at this processor.

    Save a payment method first, or choose another processor.
    """

    code = "no_payment_method"


class MethodNeedsReference(Refusal):
    """The processor requires its own ids of the customer and the payment method.

    Have the payer save the method on a checkout page.
    """

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
    """Make this the payer's payment method, in place of the current one.

    Repeating is safe: the current method is returned if processor, reference and label
    are the same. `at` is when the payer saved it, if that was earlier. Raises
    MethodNeedsReference if the processor does not know payers by their code, and
    MethodTaken if another payer has the method.
    """
    if processor.kind == PaymentProcessor.Kind.STRIPE and not (customer and reference):
        raise MethodNeedsReference(
            f"Processor {processor} needs its own ids of the customer and the method."
            " Have the payer save the method on a checkout page instead."
        )
    with transaction.atomic():
        lock_accounts([payer.pk])
        current = PaymentMethod.objects.filter(payer=payer, removed_at=None).first()
        if current:
            current_method = (current.processor_id, current.reference, current.label)
            if current_method == (processor.pk, reference, label[:100]):
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
        _insert_method(method)
        publish(_event(PaymentMethodSaved, method, actor), now=now)
        method_saved.send(PaymentMethod, method=method, now=now)
    return method


def remove_method(*, method: PaymentMethod, actor: str, now: datetime) -> bool:
    """Stop charging the payer through a method; False if it was already removed.

    Repeating is harmless.
    """
    with transaction.atomic():
        lock_accounts([method.payer_id])
        method.refresh_from_db()
        if method.removed_at is not None:
            return False
        _remove(method, actor, now)
    return True


def apply_method_update(
    *, processor: PaymentProcessor, update: MethodUpdate, now: datetime
) -> None:
    """Apply a processor's update: a method was saved, changed or removed there.

    Updates may come in any order: the method saved last is current, and a removed one
    stays removed. A method saved on a page is ignored if the agency that opened the page
    no longer reaches the payer. Repeating is safe. Raises DoesNotFit if the payer does
    not exist or is another customer at the processor; MethodTaken.
    """
    payer = _payer_of(processor, update)
    with transaction.atomic():
        lock_accounts([payer.pk])
        rows = PaymentMethod.objects.filter(payer=payer).select_related(
            "payer", "processor"
        )
        existing = rows.filter(processor=processor, reference=update.reference).first()
        actor = f"processor {processor.code}"
        if existing:
            if update.gone and existing.removed_at is None:
                _remove(existing, actor, now)
            elif existing.removed_at is None:
                existing.label = update.label[:100]
                existing.save(update_fields=["label"])
        elif not (
            update.gone
            or update.changed
            or _is_superseded(update, rows)
            or _is_out_of_reach(update, now)
        ):
            save_method(
                payer=payer,
                processor=processor,
                actor=actor,
                now=now,
                customer=update.customer,
                reference=update.reference,
                label=update.label,
                at=update.at,
            )


def get_payment_method(payer_id: int) -> PaymentMethod:
    """The current payment method of a payer. Raises NoMethod."""
    rows = PaymentMethod.objects.filter(payer=payer_id, removed_at=None)
    method = rows.select_related("processor", "payer").first()
    if method is None:
        raise NoMethod(
            "The payer of the invoice has no payment method. Save one first.",
            field="invoice",
        )
    return method


def _payer_of(processor: PaymentProcessor, update: MethodUpdate) -> Agency:
    payer = Agency.objects.filter(code=update.payer).first()
    if payer is None:
        raise DoesNotFit(f"Payer {shown(update.payer)} does not exist.")
    customers = ProcessorCustomer.objects.filter(processor=processor, payer=payer)
    if customers.exclude(reference__in=["", update.customer]).exists():
        raise DoesNotFit(
            f"Payer {payer.code} is another customer than {shown(update.customer)} at"
            f" processor {processor}."
        )
    return payer


def _is_superseded(update: MethodUpdate, rows: QuerySet[PaymentMethod]) -> bool:
    """Whether the payer has saved another method since."""
    return update.at is not None and rows.filter(saved_at__gt=update.at).exists()


def _is_out_of_reach(method: MethodUpdate, now: datetime) -> bool:
    """Whether it was saved on a page of an agency that no longer reaches the payer."""
    if method.key is None:
        return False
    pages = CheckoutPage.objects.filter(
        Q(attempt=None, public_id=method.key) | Q(attempt__public_id=method.key)
    )
    return bool(out_of_reach(pages.values_list("owner", "payer"), now=now))


def _insert_method(method: PaymentMethod) -> None:
    try:
        with transaction.atomic():
            method.save(force_insert=True)
    except IntegrityError as error:
        raise MethodTaken(
            f"The payment method {shown(method.reference)} is already saved for another"
            " payer. Remove it there first."
        ) from error
    method.refresh_from_db()


def _remove(method: PaymentMethod, actor: str, now: datetime) -> None:
    method.removed_at = now
    method.save(update_fields=["removed_at"])
    publish(_event(PaymentMethodRemoved, method, actor), now=now)


def _event(
    event_type: type[PaymentMethodEvent], method: PaymentMethod, actor: str
) -> PaymentMethodEvent:
    return event_type(
        agency_id=method.payer_id,
        subject=f"payment_method:{method.public_id}",
        id=method.public_id,
        agency=method.payer.code,
        processor=method.processor.code,
        label=method.label,
        actor=actor,
    )
