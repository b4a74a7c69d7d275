"""When recurring work is due."""

from django.db import models


class RecurringJob(models.Model):
    """One kind of work that is done again and again, and when it is due next.

    While somebody works, `next_run_at` is the end of the lease; `claims` counts who
    took it, so that whoever lost the lease cannot speak for its successor.
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
