"""Asking processors what they told while nobody listened here."""

import logging
from datetime import datetime, timedelta
from itertools import islice

from cryptography.fernet import InvalidToken
from django.conf import settings
from django.db.models import Q

from billing.payments.models import PaymentProcessor
from billing.payments.processors.port import SupportsHistory, Unreachable
from billing.payments.services.answers import keep_events
from billing.payments.services.calling import Connect
from billing.payments.services.connecting import connect

OVERLAP = timedelta(hours=1)  # for events that are listed late
logger = logging.getLogger(__name__)


def catch_up(*, now: datetime, connect: Connect = connect) -> int:
    """Keep what processors list since the last time; how many events were listed.

    The first time, since they were added. What is kept already stays as it is. A
    processor that cannot be asked is asked for all of it the next time and holds up no
    other; an error of ours is raised after the others. Safe to run twice, and at once.
    """
    count = 0
    errors: list[Exception] = []
    for processor in PaymentProcessor.objects.order_by("code"):
        try:
            count += _catch_up_with(processor, now, connect)
        except (Unreachable, InvalidToken) as error:
            logger.warning("%s cannot be asked: %s", processor, error)
        except Exception as error:
            logger.exception("the events of %s cannot be kept", processor)
            errors.append(error)
    if errors:
        raise ExceptionGroup("The events of some processors were not kept.", errors)
    return count


def _catch_up_with(processor: PaymentProcessor, now: datetime, connect: Connect) -> int:
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
    while some := list(islice(events, settings.CHARGES["EVENTS"])):
        keep_events(processor, some, now=now)
        count += len(some)
    return count
