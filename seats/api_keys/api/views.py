"""The base class of API views: the caller, the time, and the agencies within reach."""

from datetime import date, datetime
from typing import Any, TypeVar

from django.db.models import Model, QuerySet
from django.http import QueryDict
from django.utils import timezone
from django.utils.functional import cached_property
from rest_framework.exceptions import ValidationError
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from core.errors import BadMonth, NotFound, NotPermitted
from core.parsing.values import parse_month
from core.periods import local_date, month_of, next_month
from seats.agencies.models import Agency
from seats.agencies.queries.agencies import zones_of
from seats.api_keys.models import ApiKey
from seats.api_keys.queries import agencies_of

Row = TypeVar("Row", bound=Model)


class KeyView(GenericAPIView):  # type: ignore[type-arg]
    """A view for API keys. Objects that the key does not reach are not found."""

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
        """The ids of the agencies that the key reaches; None: all agencies."""
        return agencies_of(self.key, now=self.now)

    def require_platform(self) -> None:
        """Raises NotPermitted, unless the key is the platform's."""
        if self.key.agency_id is not None:
            raise NotPermitted(
                "This request requires an API key of the platform, not of an agency."
            )

    def within(self, rows: QuerySet[Row], path: str) -> QuerySet[Row]:
        """The rows whose agency, at this field path, the key reaches."""
        if self.reached is None:
            return rows
        return rows.filter(**{f"{path}__in": self.reached})

    def agency(self, code: str) -> Agency:
        """The agency with this code, which the key must reach; without one, its own.

        Raises NotFound, and ValidationError if a key of the platform names no agency.
        """
        if not code:
            if self.key.agency is None:
                message = "Send the code of an agency: the API key is the platform's."
                raise ValidationError({"agency": [message]}, "required")
            return self.key.agency
        agency = None
        if code.isprintable():
            agency = self.within(Agency.objects.filter(code=code), "pk").first()
        if agency is None:
            raise NotFound
        return agency

    def today(self, agency: Agency) -> date:
        """The local date of an agency at the time of the request."""
        return local_date(self.now, zones_of([agency.pk])[agency.pk])

    def month(self, text: str) -> date:
        """The first day of a month written as 2026-10, at most next month (in UTC).

        Raises BadMonth.
        """
        try:
            month = parse_month(text)
        except ValueError as error:
            raise BadMonth(str(error), field="month") from error
        latest = next_month(month_of(self.now.date()))
        if month > latest:
            raise BadMonth(
                f"{month:%Y-%m} is too far ahead. Choose {latest:%Y-%m} or earlier.",
                field="month",
            )
        return month

    def checked(
        self, kind: type[BaseSerializer[Any]], payload: Any, **options: Any
    ) -> Any:
        """Validate a body or query parameters with a serializer.

        Unknown query parameters are refused, as they may be misspelled ones. Raises
        ValidationError.
        """
        serializer = kind(data=payload, **options)
        if isinstance(payload, QueryDict):
            paging = getattr(self.paginator, "parameters", ())
            if unknown := payload.keys() - {*serializer.fields, *paging}:  # type: ignore[attr-defined]
                message = "This parameter does not exist. Remove it."
                raise ValidationError({min(unknown): [message]}, "invalid")
        serializer.is_valid(raise_exception=True)
        return serializer.validated_data

    def page(
        self, rows: QuerySet[Any], kind: type[BaseSerializer[Any]], **context: Any
    ) -> Response:
        """One page of rows, with links to the pages around it."""
        page = self.paginate_queryset(rows)
        return self.get_paginated_response(kind(page, many=True, context=context).data)


def is_list_body(request: Request) -> bool:
    """Whether the body is a list instead of a single object."""
    return isinstance(request.data, list)
