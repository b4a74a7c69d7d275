"""Reads the rows of an agency's file by what is recorded of the agency."""

from collections.abc import Iterator
from io import BufferedReader

from billing.metering.domain.formats.catalogue import rows_of
from billing.metering.domain.formats.rows import Row
from billing.metering.queries.dial_plans import context_words_of
from seats.agencies.queries.agencies import zones_of
from seats.models import Agency, Agent


def rows_of_agency(
    file: BufferedReader, feed: str, *, agency: Agency, zone: str = ""
) -> Iterator[Row]:
    """The rows of a file in the format `feed`, with the agents and words of an agency.

    `zone` holds for times without a zone; empty: the zone of the agency that was in
    force at each. Raises the refusals of the format for a whole file.
    """
    agents = Agent.objects.filter(agency=agency).values_list("external_id", flat=True)
    return rows_of(
        file,
        feed,
        agency=agency.code,
        zone=zone or zones_of([agency.pk])[agency.pk],
        agents=set(agents),
        words=context_words_of(agency.pk),
    )
