import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.text import Text
from matplotlib.ticker import NullLocator
from matplotlib.transforms import Bbox

from analysis.figures import curves, layout, style
from analysis.grammar.charts import charts
from analysis.grammar.words import Words
from analysis.report import captions
from tests.analysis.conftest import EXECUTIONS
from tests.analysis.layout import check_paper

ALL = ["wall_s", "block_executions", "hit_ratio"]
LABELS = ["wall time (s)", "block executions", "hit ratio (%)"]


@pytest.fixture
def chart(load_runs, sweep_records):
    def make(executions=None, y=ALL, **words):
        runs = load_runs(*sweep_records(executions))
        (found,) = charts(runs, Words.of({"x": "cache.budget", "y": y, **words}))
        return found

    return make


def drawn(found, title="", caption=""):
    with style.drawing():
        figure = curves.curves(found, title, caption).draw(title, caption)
        figure.draw_without_rendering()
    return figure


def legend(figure):
    return [text.get_text() for one in figure.subfigs[0].legends for text in one.get_texts()]


def test_lines_and_bands_are_the_points(chart):
    found = chart()
    figure = drawn(found)
    assert [axes.get_ylabel() for axes in figure.axes] == LABELS
    for axes, y, scale in zip(figure.axes, ALL, (1, 1, 100), strict=True):
        assert {line.get_label() for line in axes.get_lines()} == set(found.values("curve"))
        for line in axes.get_lines():
            own = found.points[found.points["curve"] == line.get_label()]
            assert list(line.get_xdata()) == list(own["place"])
            assert list(line.get_ydata()) == [scale * value for value in own[y]]
        assert axes.get_xscale() == "log"
    times, counts, _ = figure.axes
    assert len(times.collections) == 4
    assert not counts.collections  # equal in all repeats
    corners = {(x, y) for x, y in times.collections[0].get_paths()[0].vertices}
    own = found.points[found.points["curve"] == "none"]
    assert set(zip(own["place"], own["wall_s_max"], strict=True)) <= corners


def test_the_subject_is_the_strongest_and_on_top(chart):
    figure = drawn(chart(subject="lru"))
    for axes in figure.axes:
        strong, *others = sorted(axes.get_lines(), key=lambda line: -line.get_zorder())
        assert strong.get_label() == "lru"
        for key in ("linewidth", "markersize"):
            sizes = {getattr(line, f"get_{key}")() for line in others}
            assert getattr(strong, f"get_{key}")() > max(sizes)


def test_curves_that_coincide_are_drawn_once_with_all_their_names(chart):
    same = {**EXECUTIONS, "lfu": EXECUTIONS["lru"], "gdsf": EXECUTIONS["lru"]}
    figure = drawn(chart(same))
    assert legend(figure) == ["none", "gdsf, lfu, lru", "belady", "planned"]
    assert all(len(axes.get_lines()) == 4 for axes in figure.axes)
    figure = drawn(chart({"lru": EXECUTIONS["lru"], "fifo": EXECUTIONS["lru"]}))
    assert legend(figure) == ["fifo, lru"]


def test_curves_that_coincide_in_one_panel_are_named_above_it(chart):
    found = chart({**EXECUTIONS, "lfu": EXECUTIONS["lru"]})
    found.points.loc[found.points["curve"] == "lfu", "wall_s"] += 3
    figure = drawn(found)
    assert legend(figure) == ["none", "lfu", "lru", "belady", "planned"]
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["", *["coincide: lfu, lru"] * 2]
    assert [len(axes.get_lines()) for axes in figure.axes] == [5, 4, 4]


KNOWN = sorted(style._KNOWN)


def test_a_choice_looks_the_same_whatever_is_beside_it():
    alone = {
        name: style.looks([name])[name] for name in [*KNOWN, "mine", "theirs", "mine order=dfs", "auto seed=1"]
    }
    together = style.looks(alone)
    assert together == alone
    assert len(set(together.values())) == len(alone)
    assert alone["auto seed=1"].colour == alone["auto"].colour == style.colour("auto cache.budget=8MiB")
    assert alone["mine order=dfs"][:2] == alone["dfs"][:2] == style.look("mine_dfs")[:2]


def test_many_unknown_names_are_told_apart():
    names = [f"plugin{i}" for i in range(60)]
    assert len(set(style.looks(names).values())) == 60
    assert len({style.look(name) for name in names}) > 50
    known = {style.look(name) for name in KNOWN}
    assert known.isdisjoint(style.look(name) for name in names)


def test_no_line_is_yellow_on_white():
    for name in [*KNOWN, *(f"line{i}" for i in range(40))]:
        red, green, blue = (int(to_hex(style.look(name).colour)[i : i + 2], 16) / 255 for i in (1, 3, 5))
        assert 0.2126 * red + 0.7152 * green + 0.0722 * blue < 0.75


NAMES = {"short": "p{}", "long": "a_policy_with_a_rather_long_name_{}_WWWW"}


def boxes_of(figure):
    """Every text, by what it says, and every panel."""
    for one in figure.subfigs[0].legends:
        yield from ((f"legend {text.get_text()}", text.get_window_extent()) for text in one.get_texts())
    yield from ((text.get_text(), text.get_window_extent()) for text in figure.texts)
    for i, axes in enumerate(figure.axes):
        yield f"panel {i}", axes.patch.get_window_extent()
        texts = [axes.xaxis.label, axes.yaxis.label, axes._left_title, *axes.texts]
        texts += [*axes.get_xticklabels(), *axes.get_yticklabels()[1:-1]]
        for text in filter(Text.get_text, texts):
            box = text.get_window_extent()
            if text.get_rotation() == 45:  # of those side by side only the ends could meet
                box = Bbox([[box.x1 - 20, box.y1 - 20], box.max])
            yield f"{i} {text.get_text()}", box


@pytest.mark.parametrize(
    ("lines", "budgets", "name", "words"),
    [
        (1, 3, "short", {}), (7, 6, "short", {}), (12, 15, "long", {}),
        (17, 3, "long", {"y": "wall_s"}), (5, 3, "short", {"y": "wall_s"}),
        (14, 3, "long", {"y": "wall_s", "column": "model_set"}),
        (3, 3, "long", {"y": "wall_s", "column": "model_set", "row": "order"}),
        (3, 5, "long", {"x": "strategy", "curve": "cache.budget"}),
        (4, 3, "short", {"x": "strategy", "y": "wall_s", "curve": "cache.budget"}),
    ],
)  # fmt: skip
def test_texts_do_not_overlap_and_are_inside(load_runs, sweep_records, lines, budgets, words, name):
    asked = [f"{size:.3g}%" for size in np.geomspace(2, 100, budgets)]
    made_up = []
    for models in ("cnn", "models_with_a_long_name_WWWW", "vit") if "column" in words else ("cnn",):
        for order in ("Dfs", "DfsPlus", "Given") if "row" in words else ("Dfs",):
            executions = {
                NAMES[name].format(i): {s: 9000 - 30 * i * j for j, s in enumerate(asked)} for i in range(lines)
            }
            for record in sweep_records(executions, config__order={"_target_": f"orders.{order}"}):
                record["run_id"] += models + order
                record["model_set"] |= {"name": models, "digest": models}
                record["config"]["model_set"]["name"] = models
                made_up.append(record)
    (found,) = charts(load_runs(*made_up), Words.of({"x": "cache.budget", "y": ALL, **words}))
    figure = drawn(found, "A title of some length that is about a model set: digits_finetunes", "A CAPTION. " * 80)
    boxes = list(boxes_of(figure))
    inside = figure.bbox.padded(1)
    assert [t for t, b in boxes if not (inside.contains(*b.min) and inside.contains(*b.max))] == []
    boxes = [(text, box.padded(-1)) for text, box in boxes]
    clashes = [(s, t) for i, (s, a) in enumerate(boxes) for t, b in boxes[:i] if a.overlaps(b)]
    assert clashes == []
    for axes in figure.axes:
        assert axes.patch.get_window_extent().height > 1.5 * figure.dpi
        assert axes.patch.get_window_extent().width > 1.7 * figure.dpi
        assert isinstance(axes.xaxis.get_minor_locator(), NullLocator)
    told = " ".join(text for text, _ in boxes).replace("\n", "")
    assert all(curve in told for curve in found.values("curve")) or lines == 1


def test_texts_beside_ends_keep_apart_and_in_turn():
    places = layout.spread([0.5, 0.5, 0.1, 0.99], [0.1, 0.1, 0.1, 0.1])
    assert places == pytest.approx([0.5, 0.6, 0.1, 0.95])
    crowded = layout.spread([0.0] * 20, [0.1] * 20)
    assert np.diff(sorted(crowded)) == pytest.approx(0.1)


def test_a_panel_without_runs_says_so(load_runs, record):
    made_up = [
        record(run_id=f"{name}{seed}", config__seed=seed, config__batch_size=size, config__order={"_target_": name})
        for name, size in (("o.Dfs", 8), ("p.Dfs", 16), ("o.Given", 8))
        for seed in (1, 2)
    ]
    words = Words.of({"x": "seed", "row": "batch_size", "column": "order"})
    (found,) = charts(load_runs(*made_up), words)
    texts = [[text.get_text() for text in axes.texts] for axes in drawn(found).axes]
    assert texts == [[], [], [], ["not measured"]]


def test_the_same_data_gives_the_same_bytes(tmp_path, chart):
    found = chart(y="wall_s")
    for name in ("a", "b"):
        assert len(curves.curves(found, "title", "caption").save(tmp_path / name)) == 3
    for suffix in ("png", "pdf", "csv"):
        assert (tmp_path / f"a.{suffix}").read_bytes() == (tmp_path / f"b.{suffix}").read_bytes()


def test_the_caption_says_where_each_is_the_best(chart):
    told = captions.chart(chart(caption="planned wins."))
    assert told.startswith(
        "Claim to look for: planned wins. Least wall time: planned at 2%, 10%; belady, planned at"
    )
    assert "belady, lru, planned at 100%. Least block executions" in told
    assert "Most hit ratio: planned at 2%, 10%;" in told
    assert "Markers are medians of 3 repeats" in told
    assert "plans count those of intermediates too" in told
    assert told.endswith("4 models of digits_finetunes, 1,200 items of digits; 200 MB/s, cold page cache.")
    assert "Least wall time: planned throughout. " in captions.chart(
        chart(where={"strategy": ["none", "planned"]}, y="wall_s", caption="Look.")
    )
    by_itself = captions.chart(chart(where={"strategy": ["none", "planned"]}, y="wall_s"))
    assert by_itself.startswith("Claim to look for: planned is the fastest in ")
    assert "Least wall time" not in by_itself


@pytest.mark.parametrize("columns", [None, 1, 2])
@pytest.mark.parametrize("y", ["wall_s", ["wall_s", "block_executions", "hit_ratio"]])
@pytest.mark.parametrize("count", [2, 12])
def test_in_a_paper(chart, columns, y, count):
    lru = EXECUTIONS["lru"].items()
    lines = {f"strategy_{i}": {budget: number + 40 * i for budget, number in lru} for i in range(count - 1)}
    found = chart({"planned": EXECUTIONS["planned"], **lines}, y)
    check_paper(curves.curves(found, "title", "caption"), columns)
