"""Asking processors what they told while nobody listened here."""

import logging
from datetime import datetime, timedelta
from itertools import islice

from cryptography.fernet import InvalidToken
from django.conf import settings
from django.db.models import Q

from billing.payments.models import PaymentProcessor
from billing.payments.processors.port import Lister, Unreachable
from billing.payments.services.answers import keep_events
from billing.payments.services.calling import Connect
from billing.payments.services.connecting import connect

OVERLAP = timedelta(hours=1)  # for events that are listed late
logger = logging.getLogger(__name__)


def catch_up(*, now: datetime, connect: Connect = connect) -> int:
    """Keep what processors list since the last time; how many events were listed.

    The first time, since they were added. What is kept already stays as it is. Where
    one cannot be asked, all is asked again the next time. Safe to run twice, and at
    once.
    """
    count = 0
    for processor in PaymentProcessor.objects.order_by("code"):
        try:
            lister = connect(processor)
            if not isinstance(lister, Lister):
                continue
            count += _keep_listed(processor, lister, now)
        except (Unreachable, InvalidToken) as error:
            logger.warning("%s cannot be asked: %s", processor, error)
            continue
        behind = Q(caught_up_to=None) | Q(caught_up_to__lt=now)
        rows = PaymentProcessor.objects.filter(behind, pk=processor.pk)
        rows.update(caught_up_to=now)
    return count


def _keep_listed(processor: PaymentProcessor, lister: Lister, now: datetime) -> int:
    since = (processor.caught_up_to or processor.added_at) - OVERLAP
    events = lister.events_since(since)
    count = 0
    while some := list(islice(events, settings.CHARGES["EVENTS"])):
        keep_events(processor, some, now=now)
        count += len(some)
    return count
