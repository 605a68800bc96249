import pandas as pd
import pytest

from analysis.comparing.labels import short
from analysis.figures import bars, style
from analysis.tables import experiment

BOTH = pytest.mark.parametrize("picture", [bars.speedup, bars.breakdown])


@pytest.fixture
def summary(load_runs, four_records):
    return experiment.summary(load_runs(*four_records))


def many(summary, count, setting):
    """``count`` bars of strategies with ``setting`` in their labels, made from the rows of ``summary``."""
    names = ["base", *(f"shared_prefix{setting.format(i)}" for i in range(1, count))]
    rows = summary.iloc[[0] + [3] * (count - 1)].reset_index(drop=True)
    return rows.assign(strategy=names)


def test_speedup_csv_is_the_summary(tmp_path, summary):
    written = bars.speedup(summary, "title", "caption").save(tmp_path / "figure")
    assert [path.name for path in written] == ["figure.png", "figure.pdf", "figure.csv"]
    shown = pd.read_csv(tmp_path / "figure.csv")
    assert list(shown["strategy"]) == ["base", "shift", "shared_prefix", "alsatian"]
    assert list(shown["speedup"]) == pytest.approx(list(summary["speedup"]), rel=1e-14)
    base = summary["wall_s"][0]
    assert list(shown["speedup_min"]) == pytest.approx(list(base / summary["wall_max"]))
    assert list(shown["speedup_max"]) == pytest.approx(list(base / summary["wall_min"]))


def test_breakdown_csv_is_the_summary(tmp_path, summary):
    bars.breakdown(summary, "title", "caption").save(tmp_path / "figure")
    shown = pd.read_csv(tmp_path / "figure.csv")
    for column in ("prepare_model_s", "prepare_data_s", "inference_s", "proxy_scoring_s", "wall_s"):
        assert list(shown[column]) == pytest.approx(list(summary[column]), rel=1e-14)
    rest = summary["planning_s"] + summary["cache_io_s"] + summary["other_s"]
    assert list(shown["everything_else_s"]) == pytest.approx(list(rest))


def test_bars_are_the_csv(summary):
    with style.drawing():
        figure = bars.speedup(summary, "", "").draw("", "")
    lengths = [patch.get_width() for patch in figure.axes[0].patches]
    assert lengths == list(bars.speedup_data(summary)["speedup"])
    with style.drawing():
        figure = bars.breakdown(summary, "", "").draw("", "")
    data = bars.breakdown_data(summary)
    lengths = [patch.get_width() for patch in figure.axes[0].patches]
    assert lengths == [x for part in data.columns[1:-1] for x in data[part]]


def test_factors_and_totals_are_printed(summary):
    with style.drawing():
        speedup = bars.speedup(summary, "", "").draw("", "")
        breakdown = bars.breakdown(summary, "", "").draw("", "")
    assert [text.get_text() for text in speedup.axes[0].texts] == ["1.0×", "2.0×", "3.2×", "4.0×"]
    assert [text.get_text() for text in breakdown.axes[0].texts] == ["16.0 s", "8.0 s", "5.0 s", "4.0 s"]


def test_the_same_data_gives_the_same_bytes(tmp_path, summary):
    for name in ("a", "b"):
        bars.speedup(summary, "title", "caption").save(tmp_path / name)
    for suffix in ("png", "pdf", "csv"):
        assert (tmp_path / f"a.{suffix}").read_bytes() == (tmp_path / f"b.{suffix}").read_bytes()
    image = bars.breakdown(summary, "title", "caption").page_image()
    assert image == bars.breakdown(summary, "", "").page_image()


def test_fonts_are_embedded_as_truetype(tmp_path, summary):
    bars.speedup(summary, "title", "caption").save(tmp_path / "figure")
    content = (tmp_path / "figure.pdf").read_bytes()
    assert b"/FontFile2" in content
    assert b"/Type3" not in content
    assert b"CreationDate" not in content


@BOTH
@pytest.mark.parametrize(
    "setting",
    ["{}", " seed={}", " cache.budget={0}MiB order=DfsPlus_with_long_name_{0}", " a={0} b=1 c=2 d=3 e=4 f=5"],
)
@pytest.mark.parametrize("count", [1, 4, 9, 20])
def test_texts_do_not_overlap_and_are_inside(summary, picture, count, setting):
    title = "A title that is long enough to need a second line in a small figure: digits_finetunes"
    with style.drawing():
        made = picture(many(summary, count, setting), title, "A caption. " * 30)
        figure = made.draw(made.title, made.caption)
        figure.draw_without_rendering()
        (axes,) = figure.axes
        legend = [text for one in figure.subfigs[0].legends for text in one.get_texts()]
        texts = (*axes.get_yticklabels(), axes.xaxis.label, *figure.texts, *axes.texts, *legend)
        boxes = {text: text.get_window_extent() for text in texts}
        inside = figure.bbox.padded(0.5)
        assert [t for t, b in boxes.items() if not (inside.contains(*b.min) and inside.contains(*b.max))] == []
        assert not overlapping([box.padded(-1) for box in boxes.values()])
        assert len(legend) == (5 if picture is bars.breakdown else 0)
        assert axes.get_window_extent().height > 0.25 * count * figure.dpi
        assert axes.get_window_extent().width > 2 * figure.dpi


def overlapping(boxes):
    return [(a, b) for i, a in enumerate(boxes) for b in boxes[:i] if a.overlaps(b)]


@BOTH
def test_different_model_sets_are_never_drawn_together(load_runs, record, picture):
    mixed = experiment.summary(load_runs(record("base"), record(model_set__digest="other")))
    with pytest.raises(ValueError, match="never drawn together"):
        picture(mixed, "", "")


def test_without_base_the_figure_says_so(load_runs, record):
    with style.drawing():
        figure = bars.speedup(experiment.summary(load_runs(record())), "", "").draw("", "")
    assert [text.get_text() for text in figure.axes[0].texts] == ["no run of base to compare with"]
    assert len(figure.axes[0].patches) == 0


def test_a_dollar_sign_in_a_name_is_no_formula(tmp_path, summary):
    named = summary.assign(strategy=["base", "$\\frac{$", "a$b$c", "_^"])
    bars.speedup(named, "$x", "$\\y$").save(tmp_path / "f")
    assert (tmp_path / "f.png").stat().st_size > 1000


def test_a_strategy_has_one_colour_and_no_two_well_known_ones_share_it():
    known = ["base", "shift", "shared_prefix", "alsatian"]
    assert len({style.colour(name) for name in known}) == 4
    assert style.colour("alsatian cache.budget=8MiB") == style.colour("alsatian")
    assert style.colour("newcomer") == style.colour("newcomer seed=1")
    assert len(set(style.PARTS.values())) == 5


def test_labels_leave_out_what_all_bars_share():
    assert short(["base scale=ci seed=0", "shift scale=ci seed=1"]) == ["base seed=0", "shift seed=1"]
    assert short(["base", "alsatian model_set.name=vit seed=1"]) == ["base", "alsatian seed=1"]
    assert short(["alsatian seed=1"]) == ["alsatian seed=1"]


def test_the_users_matplotlib_settings_neither_matter_nor_change(tmp_path, summary):
    import matplotlib

    bars.speedup(summary, "title", "caption").save(tmp_path / "a")
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "red"}):
        bars.speedup(summary, "title", "caption").save(tmp_path / "b")
        assert matplotlib.rcParams["font.size"] == 30
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
