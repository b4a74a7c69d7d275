"""Column expressions that the tables share."""

from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Func, Value

# NaN sorts above every number, so an upper bound refuses it too.
BELOW = 10**14


class UUID7(Func):
    """Time-ordered UUID made by the database."""

    function = "uuidv7"
    arity = 0
    output_field = models.UUIDField()


class DateRangeOf(Func):
    """Half-open range of two date columns."""

    function = "daterange"


class SameId(Func):
    """A bigint as a range of one value, so an exclusion constraint needs no extension."""

    function = "int8range"

    def __init__(self, column: str) -> None:
        super().__init__(F(column), F(column), Value("[]"))


class Check(models.CheckConstraint):
    """A check that tells people in a form what to enter, at the field it is about.

    What it says is no part of the schema, so migrations record Django's own check.
    """

    def __init__(self, *, says: str = "", field: str = "", **schema: Any) -> None:
        super().__init__(**schema, violation_error_message=says or None)
        self.field = field

    def deconstruct(self) -> Any:
        _, args, schema = super().deconstruct()
        schema.pop("violation_error_message", None)
        return "django.db.models.CheckConstraint", args, schema

    def clone(self) -> "Check":
        _, _, schema = self.deconstruct()
        says = str(self.violation_error_message)
        return Check(says=says, field=self.field, **schema)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, models.CheckConstraint):
            return NotImplemented
        return bool(self.deconstruct() == other.deconstruct())

    def validate(
        self, model: Any, instance: Any, exclude: Any = None, using: str = "default"
    ) -> None:
        """Raises ValidationError, of the field unless the form does not show that."""
        try:
            super().validate(model, instance, exclude, using)
        except ValidationError as error:
            if not self.field or self.field in (exclude or ()):
                raise
            raise ValidationError({self.field: error}) from error


def partial_index(name: str, field: str, **condition: Any) -> models.Index:
    """An index by one column, of the few rows that meet a condition."""
    return models.Index(fields=[field], condition=models.Q(**condition), name=name)
