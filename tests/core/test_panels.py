"""Tables of panels, as they stand on a page, in a file and in a chart."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal

from core.admin.panels import ChartKind, Link, Money, Panel, Table, cell_html, cell_text

USD = "USD"


def usd(amount: str) -> Money:
    return Money(Decimal(amount), USD)


MONTHS = Table(
    columns=["month", "seats", "calls"],
    rows=[["2026-10", usd("1200.00"), usd("80.50")], ["2026-11", usd("900.00"), usd("0.00")]],
    total=["total", usd("2100.00"), usd("80.50")],
)  # fmt: skip


def test_amounts_have_separators_and_their_currency():
    assert cell_html(usd("1234567.50")) == (
        '<span class="money">1,234,567.50 USD</span>'
    )
    assert cell_text(Decimal("1234.500")) == "1,234.5"


def test_times_name_their_zone():
    assert cell_text(datetime(2026, 11, 3, 14, 2, tzinfo=UTC)) == "2026-11-03 14:02 UTC"
    assert cell_text(date(2026, 11, 3)) == "2026-11-03"


def test_texts_and_links_are_escaped():
    assert "&lt;b&gt;" in str(cell_html(Link("<b>", "/agency/?a=1&b=2")))
    assert "a=1&amp;b=2" in str(cell_html(Link("<b>", "/agency/?a=1&b=2")))


def test_a_file_names_the_currency_in_its_titles():
    assert MONTHS.csv_rows() == [
        ["month", "seats (USD)", "calls (USD)"],
        ["2026-10", "1200.00", "80.50"],
        ["2026-11", "900.00", "0.00"],
        ["total", "2100.00", "80.50"],
    ]


def test_a_file_of_several_currencies_names_them_beside_the_amounts():
    table = Table(
        ["agency", "cost"], [["A", usd("1.00")], ["B", Money(Decimal(5), "JPY")]]
    )

    assert table.csv_rows() == [["agency", "cost"], ["A", "1.00 USD"], ["B", "5 JPY"]]


def test_a_chart_shows_the_numbers_of_its_table():
    panel = Panel("cost", "Cost", table=MONTHS, chart=ChartKind.STACKED, summary="Cost")
    data = json.loads(panel.chart_data)

    assert data["labels"] == ["2026-10", "2026-11"]
    assert [(s["label"], s["data"]) for s in data["datasets"]] == [
        ("seats", [1200.0, 900.0]),
        ("calls", [80.5, 0.0]),
    ]
    assert json.loads(panel.chart_options)["scales"]["y"]["stacked"] is True


def test_numbers_are_aligned_at_their_right_below_their_title():
    assert MONTHS.titles == [("month", False), ("seats", True), ("calls", True)]


class TestFactsAndTitles:
    def test_align_numbers_wherever_a_column_has_them(self):
        table = Table(columns=["Day", "Amount"], rows=[["1", None], ["2", 3]])

        assert table.titles == [("Day", False), ("Amount", True)]

    def test_show_values_as_cells(self):
        panel = Panel(
            key="a",
            title="A",
            facts=[("Left", Money(Decimal("1.5"), "USD")), ("B", "<")],
        )

        names, values = zip(*panel.html_facts, strict=True)

        assert names == ("Left", "B")
        assert values[0] == '<span class="money">1.50 USD</span>'
