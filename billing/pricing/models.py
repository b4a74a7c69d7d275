"""Meters and price lists: one public list per currency and month, for all agencies."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from core.audit import audited
from core.postgres.columns import BELOW, UUID7, Check


@audited()
class Meter(models.Model):
    """What is counted, and in which raw unit the dialer reports it."""

    code = models.CharField(max_length=40, unique=True)
    name = models.CharField(max_length=120)
    raw_unit = models.CharField(
        max_length=24,
        help_text="The unit in which the dialer reports usage, such as second.",
    )
    billed_unit = models.CharField(
        max_length=24, help_text="The unit that is priced, such as minute."
    )

    class Meta:
        ordering = ["code"]
        constraints = [
            models.CheckConstraint(
                condition=Q(code__regex=r"^[a-z][a-z0-9_.]*$"),
                name="meter_code_is_plain",
            )
        ]

    def __str__(self) -> str:
        return self.code


@audited()
class PriceList(models.Model):
    """The seat price and rates of a currency, from the first day of a month on."""

    class State(models.TextChoices):
        DRAFT = "draft"
        PUBLISHED = "published"

    public_id = models.UUIDField(db_default=UUID7(), unique=True, editable=False)
    code = models.CharField(max_length=40, unique=True)
    currency = models.CharField(max_length=3)
    starts_on = models.DateField()
    seat_price = models.DecimalField(max_digits=18, decimal_places=8)
    seat_includes = ArrayField(
        models.CharField(max_length=80),
        default=list,
        blank=True,
        help_text="What a seat includes at no extra charge.",
    )
    state = models.CharField(
        max_length=16, choices=State, default=State.DRAFT, editable=False
    )
    published_at = models.DateTimeField(null=True, editable=False)
    content_hash = models.CharField(max_length=64, blank=True, editable=False)

    class Meta:
        permissions = [
            ("publish_pricelist", "Can publish a price list"),
        ]
        ordering = ["currency", "-starts_on"]
        constraints = [
            models.UniqueConstraint(
                fields=["currency", "starts_on"],
                condition=Q(state="published"),
                name="one_published_list_per_currency_and_month",
            ),
            Check(
                condition=Q(starts_on__day=1),
                name="price_list_starts_with_a_month",
                field="starts_on",
                says="Prices change on the 1st of a month. Enter a 1st.",
            ),
            Check(
                condition=Q(seat_price__gte=0) & Q(seat_price__lt=BELOW),
                name="seat_price_is_not_negative",
                field="seat_price",
                says="Enter a seat price of 0 or more.",
            ),
            models.CheckConstraint(
                condition=Q(state="draft", published_at__isnull=True, content_hash="")
                | (
                    Q(state="published", published_at__isnull=False)
                    & ~Q(content_hash="")
                ),
                name="a_published_list_has_its_hash",
            ),
        ]

    def __str__(self) -> str:
        return self.code


@audited()
class Rate(models.Model):
    """What one meter costs on one price list."""

    class Model(models.TextChoices):
        PER_UNIT = "per_unit", "per unit"
        GRADUATED = "graduated"
        VOLUME = "volume"
        PACKAGE = "package"

    price_list = models.ForeignKey(PriceList, models.CASCADE, related_name="rates")
    meter = models.ForeignKey(Meter, models.PROTECT, related_name="rates")
    minimum = models.DecimalField(max_digits=18, decimal_places=6, default=0)
    increment = models.DecimalField(max_digits=18, decimal_places=6, default=1)
    unit_size = models.DecimalField(max_digits=18, decimal_places=6, default=1)
    model = models.CharField(max_length=16, choices=Model, default=Model.PER_UNIT)
    unit_price = models.DecimalField(
        max_digits=18, decimal_places=8, null=True, blank=True
    )
    package_size = models.DecimalField(
        max_digits=18, decimal_places=6, null=True, blank=True
    )
    included_per_seat = models.DecimalField(max_digits=18, decimal_places=6, default=0)

    class Meta:
        ordering = ["price_list", "meter__code"]
        constraints = [
            models.UniqueConstraint(
                fields=["price_list", "meter"], name="one_rate_per_list_and_meter"
            ),
            Check(
                condition=Q(
                    minimum__gte=0,
                    increment__gt=0,
                    unit_size__gt=0,
                    included_per_seat__gte=0,
                ),
                name="rate_steps_are_positive",
                says=(
                    "Minimum and included per seat are 0 or more; increment and unit"
                    " size are more than 0."
                ),
            ),
            Check(
                condition=Q(
                    model="per_unit",
                    unit_price__gte=0,
                    unit_price__isnull=False,
                    package_size__isnull=True,
                )
                | Q(
                    model="package",
                    unit_price__gte=0,
                    unit_price__isnull=False,
                    package_size__gt=0,
                    package_size__isnull=False,
                )
                | Q(
                    model__in=["graduated", "volume"],
                    unit_price__isnull=True,
                    package_size__isnull=True,
                ),
                name="rate_has_what_its_model_needs",
                field="model",
                says=(
                    "A per-unit rate needs a unit price and no package size, a package"
                    " rate needs both, and a graduated or volume rate has neither: its"
                    " tiers have the prices."
                ),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.meter_id} on {self.price_list_id}"


@audited()
class RateTier(models.Model):
    """A tier of a graduated or volume rate; the upper bound is inclusive."""

    rate = models.ForeignKey(Rate, models.CASCADE, related_name="tiers")
    position = models.PositiveSmallIntegerField()
    up_to = models.DecimalField(max_digits=18, decimal_places=6, null=True, blank=True)
    unit_price = models.DecimalField(max_digits=18, decimal_places=8)
    flat_fee = models.DecimalField(max_digits=18, decimal_places=8, default=0)

    class Meta:
        ordering = ["rate", "position"]
        constraints = [
            models.UniqueConstraint(
                fields=["rate", "position"], name="one_tier_per_position"
            ),
            models.UniqueConstraint(
                fields=["rate", "up_to"],
                name="one_tier_per_upper_bound",
                nulls_distinct=False,
            ),
            Check(
                condition=Q(unit_price__gte=0, flat_fee__gte=0)
                & (Q(up_to__isnull=True) | Q(up_to__gt=0)),
                name="tier_prices_are_not_negative",
                says=(
                    "Unit price and flat fee are 0 or more, and the upper bound is more"
                    " than 0, or empty in the last tier."
                ),
            ),
        ]

    def __str__(self) -> str:
        return f"up to {self.up_to}" if self.up_to is not None else "above"
