"""Charts: marks lie where figures are, and tell them; curves of exposure by hand."""

from xml.etree import ElementTree as ET

import numpy as np
import pytest

from recsys.charts import plots
from recsys.charts.plots import Bar, Measured, Series
from recsys.charts.scales import count, reach, seconds, share, short, ticks
from recsys.evaluation.concentration import by_popularity, gini, lorenz

SVG = "{http://www.w3.org/2000/svg}"


def drawn(svg: str, css: str) -> list[dict[str, str]]:
    return [each.attrib for each in ET.fromstring(svg).iter() if each.get("class") == css]  # noqa: S314


def told(svg: str) -> list[str]:
    texts = ET.fromstring(svg).iter(f"{SVG}text")  # noqa: S314
    return [text.text or "" for text in texts if text.get("class") == "told"]


def test_a_trend_rises_with_its_figures_and_leaves_a_gap() -> None:
    points = [
        Measured("run 1", 1.0, 0.5, 1.5),
        Measured("run 2", None),
        Measured("run 3", 3.0),
        Measured("a < b & c", 2.0),
    ]
    chart = plots.trend(points, "{:.1f}".format, limits=[("at least", 1.5)])
    dots = [float(dot["cy"]) for dot in drawn(chart.svg, "one") if "cy" in dot]
    assert dots[0] - dots[2] == pytest.approx(dots[2] - dots[1], abs=0.2)
    assert dots[0] > dots[2] > dots[1]
    assert len(drawn(chart.svg, "one line")) == 3  # two runs of neighbours, and one interval
    (limit,) = drawn(chart.svg, "limit")
    assert float(limit["y1"]) == pytest.approx((dots[0] + dots[2]) / 2, abs=0.2)
    assert told(chart.svg) == [
        "run 1: 1.0 (0.5 to 1.5)",
        "run 2: -",
        "run 3: 3.0",
        "a < b & c: 2.0",
    ]
    assert chart.rows[0] == ("run 1", "1.0", "0.5", "1.5")
    areas = drawn(chart.svg, "hit")
    ends = [float(area["x"]) + float(area["width"]) for area in areas]
    assert ends[:-1] == pytest.approx([float(area["x"]) for area in areas[1:]], abs=0.2)


def test_bars_are_as_long_as_their_figures() -> None:
    chart = plots.bars([Bar("rank", 4.0, usual=2.0), Bar("read", 1.0)], count)
    long, short_one = (float(bar["width"]) for bar in drawn(chart.svg, "one bar"))
    assert long == pytest.approx(4 * short_one, abs=0.3)
    assert told(chart.svg) == ["rank: 4, before 2", "read: 1"]
    assert chart.rows == (("rank", "4", "2"), ("read", "1", "-"))


def test_a_histogram_has_both_runs() -> None:
    chart = plots.steps([0, 1, 2], Series("now", [0.25, 0.75]), Series("before", [1.0, 0.0]))
    low, high = (float(bar["height"]) for bar in drawn(chart.svg, "one bar"))
    assert high == pytest.approx(3 * low, abs=0.3)
    assert told(chart.svg) == ["0 to 1: now 25.0%, before 100.0%", "1 to 2: now 75.0%, before 0.0%"]


@pytest.mark.parametrize("values", [[0.0], [3.0, 3.0], [-1.0, 2.0], [1e-9], [1e12, 5.0]])
def test_every_figure_has_a_place_between_round_numbers(values: list[float]) -> None:
    low, high = reach(values)
    assert low < min(values) <= max(values) < high
    marks = ticks(low, high)
    assert 1 <= len(marks) <= 6
    assert all(low - 1e-6 * abs(low) <= mark <= high + 1e-6 * abs(high) for mark in marks)


def test_figures_are_written_as_people_read_them() -> None:
    assert [share(x) for x in (0.5, 0.00123, 0.0, None)] == ["50.0%", "0.123%", "0.0%", "-"]
    assert [seconds(x) for x in (0.034, 90, 125, 7260)] == [
        "34 ms",
        "90.0 s",
        "2 min 05 s",
        "2 h 01 min",
    ]
    assert [short(x) for x in (0.25, 1500, 12_000, 3e6)] == ["0.25", "1,500", "12k", "3M"]


def test_the_lorenz_curve_encloses_the_gini_coefficient() -> None:
    found = lorenz(np.array([1.0, 3.0]), 4)
    assert found is not None
    items, amounts = found
    assert amounts[[0, 50, 75, 100]].tolist() == [0.0, 0.0, 0.25, 1.0]
    area = float(np.trapezoid(amounts, items))
    assert gini(np.array([1.0, 3.0]), 4) == pytest.approx(1 - 2 * area)
    assert lorenz(np.zeros(3), 3) is None


def test_tenths_of_the_items_are_by_popularity() -> None:
    touched = np.arange(20)[::-1].copy()
    exposure = np.where(touched >= 18, 3.0, 0.0)
    exposure[-1] = 2.0  # the least popular of all
    tenths = by_popularity(touched, exposure)
    assert [tenth.touched for tenth in tenths] == list(range(1, 20, 2))
    assert (tenths[0].shown, tenths[0].exposure) == (0.5, 0.25)
    assert (tenths[9].shown, tenths[9].exposure) == (1.0, 0.75)
    assert len(by_popularity(np.array([5, 6]), np.array([0.0, 1.0]))) == 2


@pytest.mark.parametrize("value", [0.0, 5e-324, 1e-300, -1e-12, 1.0, 3e38])
def test_an_axis_of_one_number_has_an_extent(value: float) -> None:
    low, high = reach([value, float(np.nextafter(value, np.inf))])
    assert low < value < high
    assert len(ticks(low, high)) >= 1
