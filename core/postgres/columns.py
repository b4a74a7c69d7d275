"""Column expressions that the tables share."""

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
