"""Panels: what pages show that are not about the rows of one table.

A panel has a figure, sentences, a table and links. Its table may be drawn as a chart,
and can be downloaded as CSV, so every number of a chart can be read and checked.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from django.utils.html import format_html
from django.utils.safestring import SafeString

from core.admin.cells import money_cell
from core.money import money_label, money_text, plain

COLORS = 8  # that the stylesheet has for the series of a chart: --chart-1 and so on


class Money(NamedTuple):
    """An amount, rounded to the minor unit of its currency."""

    amount: Decimal
    currency: str


class Link(NamedTuple):
    """A link to a page of the site. `button` makes it stand out."""

    text: str
    url: str
    button: bool = False


class Quantity(NamedTuple):
    """A number of units, such as minutes."""

    value: Decimal
    unit: str


class Progress(NamedTuple):
    """How many percent of a limit are used; above 100 the limit is exceeded."""

    percent: int


class PostButton(NamedTuple):
    """A button that posts fields to a page, such as rows that an action is done with."""

    text: str
    url: str
    fields: Sequence[tuple[str, str | int]]


# A datetime is shown in its own time zone, with the zone's name.
Cell = str | int | Decimal | date | datetime | Money | Quantity | Link | Progress | None


class ChartKind(StrEnum):
    """How the columns of a table are drawn against its first column."""

    LINE = "line"
    BAR = "bar"
    STACKED = "stacked"


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under titles. The first column names the row; `total` is the last row.

    `empty` is what stands in the place of no rows: what to do next. Columns of
    `chart_columns` (by position; none: all but the first) are drawn in a chart. The page
    and the chart have the first `limit` rows; the file has all.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    total: Sequence[Cell] | None = None
    empty: str = "Nothing to show yet."
    chart_columns: Sequence[int] = ()
    limit: int = 100

    @property
    def first_rows(self) -> Sequence[Sequence[Cell]]:
        """The rows that the page and the chart have."""
        return self.rows[: self.limit]

    @property
    def hidden(self) -> int:
        """How many rows only the file has."""
        return max(len(self.rows) - self.limit, 0)

    @property
    def html_rows(self) -> list[list[tuple[str, bool]]]:
        """The cells as they stand on the page, and whether each is a number."""
        return [
            [(cell_html(cell), is_number(cell)) for cell in row]
            for row in self.first_rows
        ]

    @property
    def html_total(self) -> list[tuple[str, bool]]:
        """The last row, as `html_rows`; empty without a total."""
        return [(cell_html(cell), is_number(cell)) for cell in self.total or ()]

    @property
    def titles(self) -> list[tuple[str, bool]]:
        """The titles of the columns, and whether numbers stand below each."""
        rows = [*self.rows, *([self.total] if self.total else [])]
        return [
            (title, any(map(is_number, values)))
            for title, *values in zip(self.columns, *rows, strict=True)
        ]

    def csv_rows(self) -> list[list[object]]:
        """The titles, the rows and the total, for a file; amounts name no currency.

        The title of a column of amounts names it, unless they are of several.
        """
        rows = [*self.rows, *([self.total] if self.total else [])]
        columns = [
            _Column(title, row_values)
            for title, *row_values in zip(self.columns, *rows, strict=True)
        ]
        titles: list[object] = [column.title for column in columns]
        values = [
            [
                column.csv_value(value)
                for column, value in zip(columns, row, strict=True)
            ]
            for row in rows
        ]
        return [titles, *values]


class _Column:
    """A column of a file: its title, and how its values are written."""

    def __init__(self, title: str, values: Sequence[Cell]) -> None:
        currencies = {value.currency for value in values if isinstance(value, Money)}
        self.title = f"{title} ({min(currencies)})" if len(currencies) == 1 else title
        self._is_mixed = len(currencies) > 1

    def csv_value(self, value: Cell) -> object:
        if isinstance(value, Money):
            text = money_text(value.amount, value.currency)
            return f"{text} {value.currency}" if self._is_mixed else text
        if isinstance(value, Progress):
            return value.percent
        if isinstance(value, Quantity):
            return cell_text(value)
        return value.text if isinstance(value, Link) else value


@dataclass(frozen=True, slots=True)
class Panel:
    """A part of a page. `summary` says in a sentence what its chart shows.

    `key` names the panel in the page's address and in the name of its file. `facts` are
    names with their values. Without `has_file` its table is not offered as a file.
    """

    key: str
    title: str
    figure: Cell = None
    sentences: Sequence[str | SafeString] = ()
    table: Table | None = None
    chart: ChartKind | None = None
    summary: str = ""
    links: Sequence[Link] = ()
    buttons: Sequence[PostButton] = ()
    is_wide: bool = False
    facts: Sequence[tuple[str, Cell]] = ()
    has_file: bool = True

    @property
    def figure_html(self) -> str:
        """The figure as it stands on the page."""
        return cell_html(self.figure)

    @property
    def html_facts(self) -> list[tuple[str, str]]:
        """The facts as they stand on the page."""
        return [(name, cell_html(value)) for name, value in self.facts]

    @property
    def chart_type(self) -> str:
        """The kind of chart that the chart library draws."""
        return "line" if self.chart is ChartKind.LINE else "bar"

    @property
    def chart_data(self) -> str:
        """The table as data of the chart library."""
        if self.table is None:
            return ""
        columns = self.table.chart_columns or range(1, len(self.table.columns))
        series = [
            {
                "label": self.table.columns[column],
                "data": [float(_number(row[column])) for row in self.table.first_rows],
                "borderColor": f"var(--chart-{place % COLORS + 1})",
                "backgroundColor": f"var(--chart-{place % COLORS + 1})",
            }
            for place, column in enumerate(columns)
        ]
        labels = [_label(row[0]) for row in self.table.first_rows]
        return json.dumps({"labels": labels, "datasets": series})

    @property
    def chart_options(self) -> str:
        """Axes and legend, in words of the chart library."""
        is_stacked = self.chart is ChartKind.STACKED
        axis = {"stacked": is_stacked, "grid": {}, "ticks": {"color": "#6b7280"}}
        legend = {"position": "bottom", "labels": {"color": "#6b7280", "boxWidth": 12}}
        return json.dumps(
            {
                "animation": False,
                "responsive": True,
                "maintainAspectRatio": False,
                "interaction": {"mode": "index", "intersect": False},
                "elements": {"point": {"radius": 0}, "line": {"borderWidth": 2}},
                "plugins": {"legend": legend},
                "scales": {"x": axis, "y": {**axis, "beginAtZero": True}},
            }
        )


def cell_html(value: Cell) -> SafeString | str:
    """A value as it stands on a page; amounts and numbers are aligned at their right."""
    if isinstance(value, Money):
        return money_cell(value.amount, value.currency)
    if isinstance(value, date):
        return format_html('<span class="nowrap">{}</span>', cell_text(value))
    if isinstance(value, Link):
        return format_html('<a class="link" href="{}">{}</a>', value.url, value.text)
    if isinstance(value, Progress):
        return format_html(
            '<span class="nowrap"><progress max="100" value="{}" aria-label="{}">'
            "</progress> {}</span>",
            min(value.percent, 100),
            cell_text(value),
            cell_text(value),
        )
    if isinstance(value, int | Decimal | Quantity):
        return format_html('<span class="money">{}</span>', cell_text(value))
    return cell_text(value)


def cell_text(value: Cell) -> str:
    """A value as text for people; of a time, with its zone."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M %Z}"
    if isinstance(value, Money):
        return money_label(value.amount, value.currency)
    if isinstance(value, int | Decimal):
        return f"{Decimal(plain(Decimal(value))):,}"
    if isinstance(value, Progress):
        return f"{value.percent}%"
    if isinstance(value, Quantity):
        return f"{cell_text(value.value)} {value.unit}"
    return value.text if isinstance(value, Link) else str(value)


def money_sum(amounts: Iterable[Money]) -> Cell:
    """The sum of amounts; of several currencies, the sum of each, as text."""
    sums: dict[str, Decimal] = {}
    for amount, currency in amounts:
        sums[currency] = sums.get(currency, Decimal(0)) + amount
    if len(sums) == 1:
        ((currency, amount),) = sums.items()
        return Money(amount, currency)
    return " + ".join(
        money_label(sums[currency], currency) for currency in sorted(sums)
    )


def is_number(value: Cell) -> bool:
    """Whether a value is aligned at its right."""
    return isinstance(value, Money | Quantity | int | Decimal)


def _label(value: Cell) -> str:
    """What stands below a place of a chart; dates are short: "Nov 2"."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return f"{value:%b} {value.day}"
    return cell_text(value)


def _number(value: Cell) -> Decimal:
    if isinstance(value, Money):
        return value.amount
    return Decimal(value) if isinstance(value, int | Decimal) else Decimal(0)
