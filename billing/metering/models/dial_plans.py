"""The words by which agencies' dial plans name their contexts."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from core.audit import audited
from seats.models import Agency

MOST_WORDS = 50


@audited()
class DialPlan(models.Model):
    """The words by which an agency's switches name the contexts of their dial plans.

    They come before the usual names, which are understood without a row.
    """

    agency = models.OneToOneField(
        Agency, models.PROTECT, primary_key=True, related_name="dial_plan"
    )
    inbound_words = ArrayField(
        models.CharField(max_length=40),
        blank=True,
        default=list,
        help_text="In the names of contexts for calls from outside. Separated by commas.",
    )
    outbound_words = ArrayField(
        models.CharField(max_length=40),
        blank=True,
        default=list,
        help_text="In the names of contexts for calls to outside. Separated by commas.",
    )
    changed_by = models.CharField(max_length=200, editable=False)
    changed_at = models.DateTimeField(editable=False)

    class Meta:
        ordering = ["agency"]
        constraints = [
            models.CheckConstraint(
                condition=Q(inbound_words__len__lte=MOST_WORDS)
                & Q(outbound_words__len__lte=MOST_WORDS),
                name="dial_plan_words_count",
            ),
            models.CheckConstraint(
                condition=~Q(inbound_words__overlap=F("outbound_words")),
                name="dial_plan_words_have_one_direction",
            ),
        ]

    def __str__(self) -> str:
        return f"Dial plan of {self.agency.code}"
