"""What every route of the API begins with: who calls, when, and what they reach."""

from datetime import date, datetime
from typing import Any, TypeVar

from django.db.models import Model, QuerySet
from django.http import QueryDict
from django.utils import timezone
from django.utils.functional import cached_property
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from seats.agencies.models import Agency
from seats.agencies.queries import zones_of
from seats.errors import Refusal
from seats.keys.models import ApiKey
from seats.keys.queries import agencies_of
from seats.parsing.values import parse_month
from seats.periods import local_date, month_of, next_month

Row = TypeVar("Row", bound=Model)


class BadMonth(Refusal):
    code = "bad_month"
    status = 400


class KeyView(GenericAPIView):  # type: ignore[type-arg]
    """A route for holders of keys. What a key does not reach is not there."""

    @property
    def key(self) -> ApiKey:
        key = self.request.auth
        assert isinstance(key, ApiKey)
        return key

    @property
    def actor(self) -> str:
        return f"key {self.key.prefix}"

    @cached_property
    def now(self) -> datetime:
        return timezone.now()

    @cached_property
    def reached(self) -> set[int] | None:
        """The ids of the agencies within reach; None: all."""
        return agencies_of(self.key, now=self.now)

    def within(self, rows: QuerySet[Row], path: str) -> QuerySet[Row]:
        """Those rows whose agency, at this path, is within reach."""
        if self.reached is None:
            return rows
        return rows.filter(**{f"{path}__in": self.reached})

    def agency(self, code: str) -> Agency:
        """An agency within reach, the key's own without a code.

        Raises NotFound, and ValidationError where a key of the platform names none.
        """
        if not code:
            if self.key.agency is None:
                raise ValidationError({"agency": ["Name an agency."]}, "required")
            return self.key.agency
        agency = None
        if code.isprintable():
            agency = self.within(Agency.objects.filter(code=code), "pk").first()
        if agency is None:
            raise NotFound
        return agency

    def today(self, agency: Agency) -> date:
        """The date it is at an agency."""
        return local_date(self.now, zones_of([agency.pk])[agency.pk])

    def month(self, text: str) -> date:
        """The first of a month written 2026-10, up to the next one. Raises BadMonth."""
        try:
            month = parse_month(text)
        except ValueError as error:
            raise BadMonth(str(error), field="month") from error
        if month > next_month(month_of(self.now.date())):
            raise BadMonth("The month lies too far ahead.", field="month")
        return month

    def checked(
        self, kind: type[BaseSerializer[Any]], told: Any, **options: Any
    ) -> Any:
        """What was sent, if it has the right shape. Raises ValidationError.

        A parameter that is not known is refused, as it may be another misspelt.
        """
        serializer = kind(data=told, **options)
        if isinstance(told, QueryDict):
            paging = getattr(self.paginator, "parameters", ())
            if unknown := told.keys() - {*serializer.fields, *paging}:  # type: ignore[attr-defined]
                raise ValidationError({min(unknown): ["Unknown parameter."]}, "invalid")
        serializer.is_valid(raise_exception=True)
        return serializer.validated_data

    def page(
        self, rows: QuerySet[Any], kind: type[BaseSerializer[Any]], **context: Any
    ) -> Response:
        """One page of rows, and where the next one is."""
        page = self.paginate_queryset(rows)
        return self.get_paginated_response(kind(page, many=True, context=context).data)


def is_list_body(request: Request) -> bool:
    """Whether a list was sent and not a single object."""
    return isinstance(request.data, list)
