"""Reading usage."""

from collections.abc import Collection
from datetime import date

from django.db.models import Max

from billing.metering.models import UsageDay


def last_usage_dates(agent_ids: Collection[int]) -> dict[int, date]:
    """The last local date with a counted call, by agent; agents without: absent."""
    rows = UsageDay.objects.filter(agent__in=agent_ids, billable__gt=0)
    return dict(rows.values_list("agent").annotate(Max("used_on")))
