"""The cut-off counter of an agency, with which every new fact is stamped."""

from django.db import models


class CutoffCounter(models.Model):
    """One row per agency, created with it; moved only by a cut."""

    agency = models.OneToOneField(
        "seats.Agency", models.PROTECT, primary_key=True, related_name="cutoff_counter"
    )
    cutoff = models.BigIntegerField(default=1)
    closed_through = models.DateField(
        null=True, blank=True, help_text="The first day of the last closed month."
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(cutoff__gte=1), name="cutoff_starts_at_one"
            ),
            models.CheckConstraint(
                condition=models.Q(closed_through__isnull=True)
                | models.Q(closed_through__day=1),
                name="closed_through_is_a_month",
            ),
        ]

    def __str__(self) -> str:
        return f"Cut-off {self.cutoff} of {self.agency_id}"
