import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.ticker import NullLocator

from analysis.comparing import sweeps
from analysis.figures import curves, style


@pytest.fixture
def sweep(load_runs, sweep_records):
    return sweeps.find(load_runs(*sweep_records()))


def drawn(sweep, title="", caption=""):
    with style.drawing():
        figure = curves.sweep(sweep, title, caption).draw(title, caption)
        figure.draw_without_rendering()
    return figure


def panels(figure):
    """Axes by what their y axis is called."""
    return {axes.get_ylabel(): axes for axes in figure.axes}


def test_lines_and_bands_are_the_points(sweep):
    shown = panels(drawn(sweep))
    assert list(shown) == ["wall time (s)", "block executions", "hit ratio (%)"]
    for (column, label), scale in zip(curves.PANELS.items(), (1, 1, 100), strict=True):
        lines = shown[label].get_lines()
        assert [line.get_label() for line in lines] == sweep.lines
        for line in lines:
            own = sweep.points[sweep.points["line"] == line.get_label()]
            assert list(line.get_xdata()) == list(own["budget_share"])
            assert list(line.get_ydata()) == [scale * value for value in own[column]]
        assert shown[label].get_xscale() == "log"
        low, high = shown[label].get_ylim()
        values = [value for line in lines for value in line.get_ydata()]
        assert low <= min(values) <= max(values) < high
    bands = shown["wall time (s)"].collections
    assert len(bands) == 4
    for band, line in zip(bands, sweep.lines, strict=True):
        own = sweep.points[sweep.points["line"] == line]
        corners = {(x, y) for x, y in band.get_paths()[0].vertices}
        ends = zip([*own["budget_share"]] * 2, [*own["wall_min"], *own["wall_max"]], strict=True)
        assert set(ends) <= corners
    assert not shown["block executions"].collections


def test_single_measurements_have_no_band(load_runs, sweep_records):
    made_up = sweep_records()
    for record in made_up:
        record["repeats"] = record["repeats"][:1]
    assert not panels(drawn(sweeps.find(load_runs(*made_up))))["wall time (s)"].collections


def test_lines_that_coincide_all_show(sweep):
    """Each is thinner and has smaller markers than those below it."""
    for axes in panels(drawn(sweep)).values():
        lines = sorted(axes.get_lines(), key=lambda line: line.get_zorder())
        for key in ("linewidth", "markersize"):
            sizes = [getattr(line, f"get_{key}")() for line in lines]
            assert sizes == sorted(sizes, reverse=True)
            assert len(set(sizes)) == len(sizes)


@pytest.mark.parametrize("count", [1, 4, 7, 8, 12, 24])
def test_looks_differ_and_known_names_keep_their_colour(count):
    known = ["none", "fifo", "lru", "lfu", "gdsf", "belady", "planned"]
    looks = style.line_looks((known + [f"other{i}" for i in range(20)])[:count])
    assert len(set(looks.values())) == count
    assert len({colour for colour, _ in looks.values()}) == min(count, 8)
    alone = style.line_looks(["other", "planned"])
    assert alone["planned"][0] == style.line_looks(known)["planned"][0] == style.GREEN
    twice = style.line_looks(["alsatian order=Dfs", "alsatian order=Given"])
    assert len({colour for colour, _ in twice.values()}) == 2


def test_no_line_is_yellow_on_white():
    looks = style.line_looks([f"line{i}" for i in range(12)])
    for colour, _ in looks.values():
        red, green, blue = (int(to_hex(colour)[i : i + 2], 16) / 255 for i in (1, 3, 5))
        assert 0.2126 * red + 0.7152 * green + 0.0722 * blue < 0.75


NAMES = {"short": "p{}", "long": "a_policy_with_a_rather_long_name_{}_WWWW"}


@pytest.mark.parametrize("kind", ["%", "bytes"])
@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
@pytest.mark.parametrize(("lines", "budgets"), [(1, 3), (7, 6), (12, 25)])
def test_texts_do_not_overlap_and_are_inside(load_runs, sweep_records, lines, budgets, name, kind):
    sizes = np.geomspace(2, 100, budgets)
    asked = [f"{size:.3g}%" if kind == "%" else int(size * 40_000) for size in sizes]
    executions = {name.format(i): {size: 9000 - 30 * i * j for j, size in enumerate(asked)} for i in range(lines)}
    sweep = sweeps.find(load_runs(*sweep_records(executions)))
    figure = drawn(sweep, "A title of some length that is about a model set: digits_finetunes", "A CAPTION. " * 80)
    inside = figure.bbox.padded(1)
    legend = [text for one in figure.subfigs[0].legends for text in one.get_texts()]
    assert [text.get_text() for text in legend] == sweep.lines
    boxes = [("legend", text.get_window_extent()) for text in legend]
    boxes += [(text.get_text(), text.get_window_extent()) for text in figure.texts]
    for label, axes in panels(figure).items():
        assert isinstance(axes.xaxis.get_minor_locator(), NullLocator)
        assert len(axes.get_xticks()) == budgets
        ticks = [tick for tick in axes.get_xticklabels() if tick.get_text()]
        assert [ticks[0].get_text(), ticks[-1].get_text()] == [sweep.text(sweep.budgets[i]) for i in (0, -1)]
        boxes += [(f"{label} {tick.get_text()}", tick.get_window_extent()) for tick in ticks]
        boxes += [(f"{label} {tick.get_text()}", tick.get_window_extent()) for tick in axes.get_yticklabels()[1:-1]]
        boxes += [(label, axes.yaxis.label.get_window_extent())]
        boxes += [("budget", axes.xaxis.label.get_window_extent()), ("panel", axes.patch.get_window_extent())]
        assert axes.patch.get_window_extent().height > 1.5 * figure.dpi
        assert axes.patch.get_window_extent().width > 1.8 * figure.dpi
    assert [t for t, b in boxes if not (inside.contains(*b.min) and inside.contains(*b.max))] == []
    clashes = [
        (s, t) for i, (s, a) in enumerate(boxes) for t, b in boxes[:i] if a.padded(-1).overlaps(b.padded(-1))
    ]
    assert clashes == []


def test_the_same_data_gives_the_same_bytes(tmp_path, sweep):
    for name in ("a", "b"):
        assert len(curves.sweep(sweep, "title", "caption").save(tmp_path / name)) == 3
    for suffix in ("png", "pdf", "csv"):
        assert (tmp_path / f"a.{suffix}").read_bytes() == (tmp_path / f"b.{suffix}").read_bytes()
    image, inches = curves.sweep(sweep, "title", "caption").page_image()
    assert image == curves.sweep(sweep, "", "").page_image()[0]
    assert inches > 6
