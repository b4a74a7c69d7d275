"""Backfilling processor events that were not delivered, from the processor's list."""

import logging
from datetime import datetime, timedelta
from itertools import islice

from cryptography.fernet import InvalidToken
from django.conf import settings
from django.db.models import Q

from billing.collection.services.dispatch import Connect
from billing.collection.services.inbound_events import store_events
from billing.processors.domain.port import SupportsHistory, Unreachable
from billing.processors.models import PaymentProcessor
from billing.processors.services.registry import connect

OVERLAP = timedelta(hours=1)  # for events that are listed late
logger = logging.getLogger(__name__)


def backfill_events(*, now: datetime, connect: Connect = connect) -> int:
    """Store the events that processors have listed since the last run; return how many.

    The first run starts when a processor was added. Events already stored are kept as
    they are. A processor that cannot be reached is asked for the same events the next
    time and holds up no other; unexpected errors are raised after the others. Safe to
    run twice, and concurrently.
    """
    count = 0
    errors: list[Exception] = []
    for processor in PaymentProcessor.objects.order_by("code"):
        try:
            count += _backfill_processor(processor, now, connect)
        except (Unreachable, InvalidToken) as error:
            logger.warning(
                "The events of processor %s cannot be listed: %s", processor, error
            )
        except Exception as error:
            logger.exception("The events of processor %s were not stored.", processor)
            errors.append(error)
    if errors:
        raise ExceptionGroup("The events of some processors were not stored.", errors)
    return count


def _backfill_processor(
    processor: PaymentProcessor, now: datetime, connect: Connect
) -> int:
    lister = connect(processor)
    if not isinstance(lister, SupportsHistory):
        return 0
    count = _keep_listed(processor, lister, now)
    behind = Q(caught_up_to=None) | Q(caught_up_to__lt=now)
    rows = PaymentProcessor.objects.filter(behind, pk=processor.pk)
    rows.update(caught_up_to=now)
    return count


def _keep_listed(
    processor: PaymentProcessor, lister: SupportsHistory, now: datetime
) -> int:
    since = (processor.caught_up_to or processor.added_at) - OVERLAP
    events = lister.events_since(since)
    count = 0
    while batch := list(islice(events, settings.CHARGES["EVENTS"])):
        store_events(processor, batch, now=now)
        count += len(batch)
    return count
