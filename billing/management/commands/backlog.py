"""Print how much work waits in each queue, and for how long."""

from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from core.queue.models import queues

ROW = "{:<20} {:>9}  {}"


class Command(BaseCommand):
    help = (
        "Print for each queue how many rows are due that no worker has taken yet, and"
        " how long the oldest of them has been due."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        self.stdout.write(ROW.format("queue", "due", "oldest"))
        for table in queues():
            backlog = table.objects.backlog(now=now)
            oldest = timedelta(seconds=int(backlog.oldest.total_seconds()))
            name = str(table._meta.verbose_name_plural)
            self.stdout.write(ROW.format(name, backlog.depth, oldest))
