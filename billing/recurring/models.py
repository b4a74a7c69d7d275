"""Recurring jobs, when each is due next, and signs of life of the workers."""

from django.db import models


class RecurringJob(models.Model):
    """A job that runs repeatedly, and when it is due next.

    While a worker runs it, `next_run_at` is the end of the lease. `claims` counts the
    claims, so that a worker that lost its lease cannot overwrite its successor's result.
    """

    name = models.CharField(max_length=64, primary_key=True)
    next_run_at = models.DateTimeField()
    claims = models.PositiveBigIntegerField(default=0)
    last_finished_at = models.DateTimeField(null=True, blank=True)
    last_error = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Pulse(models.Model):
    """When a worker of a queue last finished a task that the scheduler had started."""

    queue = models.CharField(max_length=32, primary_key=True)
    beaten_at = models.DateTimeField()

    class Meta:
        ordering = ["queue"]

    def __str__(self) -> str:
        return self.queue
