"""Taking in a whole file: streamed, committed by chunk, a verdict for every row."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import TextIO

from billing.metering.events import Verdict
from billing.metering.formats import asterisk, plain_csv
from billing.metering.formats.rows import FileContext, Row
from billing.metering.services import ingest_events

CHUNK = 5_000
FORMATS: dict[str, Callable[[TextIO, FileContext], Iterator[Row]]] = {
    "asterisk": asterisk.read_rows,
    "csv": plain_csv.read_rows,
}


@dataclass(slots=True)
class ImportCounts:
    """How many rows became what so far."""

    accepted: int = 0
    duplicate: int = 0
    rejected: int = 0
    refused: list[tuple[int, Verdict]] = field(default_factory=list)

    @property
    def rows(self) -> int:
        return self.accepted + self.duplicate + self.rejected


def import_rows(
    rows: Iterable[Row], *, owner: int, now: datetime
) -> Iterator[ImportCounts]:
    """Ingest rows chunk by chunk, each in a commit of its own; the counts after each.

    `refused` holds the refusals of the newest chunk only, by row number, so that a
    file of any size fits. Importing the same file again changes nothing.
    """
    counts = ImportCounts()
    iterator = iter(rows)
    while chunk := list(islice(iterator, CHUNK)):
        counts.refused = [(row.number, row.verdict) for row in chunk if row.verdict]
        numbered = [(row.number, row.event) for row in chunk if row.event]
        verdicts = ingest_events([event for _, event in numbered], owner=owner, now=now)
        for (number, _), verdict in zip(numbered, verdicts, strict=True):
            if verdict.status == "accepted":
                counts.accepted += 1
            elif verdict.status == "duplicate":
                counts.duplicate += 1
            else:
                counts.refused.append((number, verdict))
        counts.refused.sort(key=lambda refusal: refusal[0])
        counts.rejected += len(counts.refused)
        yield counts
