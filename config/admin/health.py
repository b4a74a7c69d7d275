"""Health: how servers, workers, queues and disks are, for staff who keep them running."""

from django.http import HttpRequest
from django.utils import timezone

from config.health import (
    LATE,
    SECONDS,
    Reading,
    read_broker,
    read_database,
    read_disks,
    read_queues,
    read_workers,
)
from core.admin.pages import StaffPanels
from core.admin.panels import Panel, Table
from core.admin.today import MOST

HEALTH = StaffPanels(
    name="health",
    path="health/",
    title="Health",
    permission="billing.view_recurringjob",
    menu=("Health", "Servers and queues"),
    intro=f"Each probe takes at most {SECONDS:g} seconds. What is down is named; while the"
    " database itself is down, no page of the site can be shown.",
)


@HEALTH.panel("servers", order=10)
def servers_panel(request: HttpRequest) -> Panel:
    """Database, broker, scheduler, the workers of each queue, and disks."""
    now = timezone.now()
    broker, messages = read_broker()
    readings = [
        read_database(),
        broker,
        *read_workers(broker, messages, now=now),
        *read_disks(),
    ]
    bad = [reading.name for reading in readings if not reading.is_good]
    return Panel(
        key="servers",
        title="Servers and workers",
        figure=f"{len(bad)} need a look" if bad else "All well",
        sentences=[f"Look at: {', '.join(bad)}."] if bad else [],
        table=Table(["What", "State", "Details"], [_row(row) for row in readings]),
        is_wide=True,
    )


def _row(reading: Reading) -> list[str]:
    return [reading.name, reading.state, reading.detail]


@HEALTH.panel("queues", order=20)
def queues_panel(request: HttpRequest) -> Panel:
    """Due work that no worker has taken, and how long the oldest has been due."""
    rows = [
        [
            queue.name,
            queue.state,
            f"{MOST}+" if queue.number > MOST else str(queue.number),
            queue.age,
        ]
        for queue in read_queues(now=timezone.now())
    ]
    return Panel(
        key="queues",
        title="Work that is due",
        sentences=[
            (
                f"Late means due for more than {LATE.seconds // 60} minutes. Deliveries to a"
                " paused or busy endpoint wait without being late to others."
            )
        ],
        table=Table(["Queue", "State", "Rows due", "Oldest for"], rows),
        is_wide=True,
    )
