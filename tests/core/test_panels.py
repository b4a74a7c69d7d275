"""Tables of panels, as they stand on a page, in a file and in a chart."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal

from core.admin.panels import (
    ChartKind,
    Link,
    Money,
    Panel,
    Progress,
    Quantity,
    Table,
    cell_html,
    cell_text,
    money_sum,
)

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


def test_a_page_has_the_first_rows_and_a_file_has_all():
    table = Table(
        ["day", "calls"], [[date(2026, 3, n), n] for n in range(1, 8)], limit=5
    )
    panel = Panel("calls", "Calls", table=table, chart=ChartKind.LINE, summary="Calls")

    assert len(table.html_rows) == 5
    assert table.hidden == 2
    assert len(table.csv_rows()) == 1 + 7
    data = json.loads(panel.chart_data)
    assert data["labels"] == ["Mar 1", "Mar 2", "Mar 3", "Mar 4", "Mar 5"]


def test_progress_and_quantities_are_text_in_files():
    table = Table(
        ["limit", "used"], [[Quantity(Decimal("1500.50"), "minutes"), Progress(120)]]
    )

    assert table.csv_rows()[1] == ["1,500.5 minutes", 120]
    assert 'value="100"' in str(cell_html(Progress(120)))
    assert "120%" in str(cell_html(Progress(120)))
    assert table.titles == [("limit", True), ("used", False)]


def test_sums_name_each_currency():
    assert money_sum([usd("1.50"), usd("2.00")]) == usd("3.50")
    assert money_sum([usd("1.50"), Money(Decimal(5), "JPY")]) == "5 JPY + 1.50 USD"


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
