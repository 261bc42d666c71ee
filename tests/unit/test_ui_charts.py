from __future__ import annotations

from xml.etree import ElementTree

from python_bot.web.ui import charts
from python_bot.web.ui.charts import Point

SVG = "{http://www.w3.org/2000/svg}"


def drawn(text: str) -> ElementTree.Element:
    return ElementTree.fromstring(text)


def points(*values: float | None) -> list[Point]:
    return [Point(f"<{place}>", value, f"день & {value}") for place, value in enumerate(values)]


def test_bars_are_as_high_as_their_numbers_and_told_to_readers() -> None:
    plot = drawn(charts.bars("Сообщения <i>", "Σ 30", points(0, 10, 20), str))
    assert plot.attrib["role"] == "img" and plot.attrib["aria-label"] == "Сообщения <i>. Σ 30"
    heights = [float(bar.attrib["height"]) for bar in plot.findall("rect")]
    assert heights[0] == 0 and heights[2] == 2 * heights[1] > 0
    assert [bar[0].text for bar in plot.findall("rect")][1] == "день & 10"


def test_a_line_leaves_a_gap_where_nothing_is_known() -> None:
    plot = drawn(charts.line("Ответ", "", points(1, 2, None, 3, None, 4, 5), str))
    assert len(plot.findall("polyline")) == 2 and len(plot.findall("circle")) == 5


def test_hours_of_a_week_have_a_cell_each_and_the_busiest_the_darkest() -> None:
    rows = [(day, [(hour if day == "пн" else 0, f"{day} {hour}") for hour in range(24)]) for day in ("пн", "вт")]
    plot = drawn(charts.heat("Часы", "", rows))
    shades = [cell.attrib["class"] for cell in plot.findall("rect")]
    assert len(shades) == 48 and shades[0] == shades[30] == "heat-0" and shades[23] == "heat-5"


def test_plots_of_nothing_are_plots() -> None:
    for plot in (charts.bars("a", "b", [], str), charts.line("a", "b", points(None), str), charts.heat("a", "b", [])):
        assert drawn(plot).tag == "svg"


def test_a_plot_without_numbers_says_so_and_one_with_numbers_does_not() -> None:
    for draw in (charts.bars, charts.line):
        assert "ничего &lt;нет&gt;" in draw("a", "b", points(None, None), str, "ничего <нет>")
        assert "ничего" not in draw("a", "b", points(None, 1), str, "ничего <нет>")
