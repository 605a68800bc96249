"""Drawings of task trees: everything is in them, nothing overlaps, and large ones are summed up."""

import random
from collections import Counter
from itertools import combinations, pairwise

import pytest
from matplotlib.text import Text

from alsatian.data.dataset import batches_of
from alsatian.models.sets.fingerprint_set import GeneratedSet
from alsatian.planning.limits import Limits
from alsatian.planning.orders.dfs_plus import DfsPlus
from alsatian.planning.planner import make_plan
from alsatian.planning.vertices import vertex_rows
from alsatian.records import FieldError, Vertex, parse_tree
from alsatian.tree import TaskTree
from analysis.figures import style, task_tree
from analysis.figures.task_tree import name, weight
from analysis.figures.tree_layout import layout
from experiments.predictions.chains import read_chains
from tests.analysis.layout import check_paper


def planned(candidates):
    """The task tree of a plan, as a record has it."""
    models = [candidate.id for candidate in candidates]
    tree = TaskTree.of(candidates).compress()
    batches = [*batches_of(16, 32, 16)[0], *batches_of(16, 32, 16)[1]]
    plan = make_plan(tree, models, batches, DfsPlus(), planned_releases=True, limits=Limits())
    return parse_tree(vertex_rows(plan))


def resnets(count):
    return planned(read_chains()["ResNet-152"].models(count, "top_25", 0))


def vertex(parent, order, models=(), seconds=None, way=None, blocks=1):
    way = way or ("features" if models else "kept")
    return Vertex(
        vertex=0 if parent is None else parent + 1, parent=parent, order=order, way=way, blocks=blocks,
        parameter_bytes=1000 * blocks, output_bytes=64, models=models, seconds=seconds,
    )  # fmt: skip


def star(count, seconds=None):
    leaves = [vertex(0, i + 2, [f"model {i}"], seconds) for i in range(count)]
    return [vertex(None, 1, seconds=seconds), *leaves]


def grown(count, seed):
    """A random tree; also inner vertices are models' features."""
    draw = random.Random(seed)
    parents = [None, *(draw.randrange(max(0, i - 40), i) for i in range(1, count))]
    inner = set(parents)
    return [
        vertex(parent, i + 1, [] if i in inner and draw.random() < 0.7 else [f"m{i}"] * draw.choice((1, 1, 3)), 0.1)
        for i, parent in enumerate(parents)
    ]


TREES = {
    "16": lambda: resnets(16),
    "35": lambda: resnets(35),
    "500 generated": lambda: planned(list(GeneratedSet(count=500))),
    "500 of ResNet-152": lambda: resnets(500),
    "star": lambda: star(500, 0.25),
    "alone": lambda: [vertex(None, i + 1, [f"m{i}"], 0.1) for i in range(60)],
    "one": lambda: [vertex(None, 1, ["the only one"])],
    "chain": lambda: [vertex(i - 1 if i else None, i + 1, [f"a rather long name of model {i}"]) for i in range(80)],
    "grown": lambda: grown(700, 1),
}
every = pytest.mark.parametrize("kind", TREES)


@pytest.fixture(scope="module")
def trees():
    made = {}

    def get(kind):
        return made.setdefault(kind, None) or made.update({kind: TREES[kind]()}) or made[kind]

    return get


def rows(nodes):
    return [node.row for node in nodes if not node.children]


@every
def test_every_vertex_and_model_is_there_once_in_few_rows(trees, kind):
    tree = trees(kind)
    nodes = layout(tree, task_tree.ROWS)
    leaves = sum(not any(v.parent == i for v in tree) for i in range(len(tree)))
    ends = sum(bool(v.models) and any(w.parent == i for w in tree) for i, v in enumerate(tree))
    most = min(leaves + ends, task_tree.ROWS)
    assert sorted(rows(nodes)) == list(range(len(rows(nodes))))
    assert most / 2 < len(rows(nodes)) <= most
    assert Counter(id(v) for node in nodes for v in node.vertices) == Counter(map(id, tree))
    assert Counter(m for node in nodes for m in node.models) == Counter(m for v in tree for m in v.models)
    assert sum(weight(node, False) for node in nodes) == sum(v.parameter_bytes for v in tree)
    # Siblings that are summed up save a row.
    assert all(node.siblings > 1 or len(node.vertices) <= 1 for node in nodes)
    places = [(node.level, node.row) for node in nodes]
    assert len(set(places)) == len(places)


@pytest.mark.parametrize("seed", range(20))
def test_random_trees_in_any_number_of_rows(seed):
    tree = grown(120, seed)
    for most in (1, 2, 7, 30, 200):
        nodes = layout(tree, most)
        assert len(rows(nodes)) <= most
        assert Counter(m for node in nodes for m in node.models) == Counter(m for v in tree for m in v.models)
        assert Counter(id(v) for node in nodes for v in node.vertices) == Counter(map(id, tree))
        for node in nodes:
            assert [child.level for child in node.children] == [node.level + 1] * len(node.children)


def test_leaves_are_summed_up_where_most_are():
    few = [vertex(0, 600 + i, [f"few {i}"]) for i in range(3)]
    tree = [*star(500)[:1], *few, vertex(0, 2), *(vertex(4, 10 + i, [f"many {i}"]) for i in range(500))]
    nodes = layout(tree, 48)
    (summed,) = (node for node in nodes if node.siblings > 1)
    assert summed.siblings == 500 - (48 - 3) + 1
    assert {model for node in nodes if node.siblings == 1 for model in node.models} >= {"few 0", "few 1", "few 2"}
    # The first ones of a vertex are named, the rest is summed up behind them.
    assert name(summed, timed=False) == f"{10 + 44}–{10 + 499}  456 more models"


@pytest.mark.parametrize("kind", ["500 generated", "500 of ResNet-152"])
def test_of_a_large_set_it_stays_visible_who_shares(trees, kind):
    nodes = layout(trees(kind), task_tree.ROWS)
    branches = [node for node in nodes if len(node.children) > 1]
    assert len(branches) >= 20
    assert len({node.level for node in branches}) >= 5
    assert sum(node.siblings == 1 and bool(node.models) for node in nodes) >= 5  # models with their names


def test_words_of_a_row():
    assert name(layout(star(1), 48)[1], False) == "2  model 0"
    alone = layout(star(500, 0.25), 1)
    assert [name(node, True) for node in alone] == ["", "2–501  500 models, 125 s"]
    mixed = layout([vertex(None, 1), vertex(0, 2), *(vertex(1, 3 + i, ["m"]) for i in range(2))], 1)
    assert [name(node, False) for node in mixed] == ["", "", "3–4  2 models"]
    inner = [vertex(None, 1), *(vertex(0, 2 + 3 * i) for i in range(2))]
    inner += [vertex(1 + i % 2, None, [f"m{i}"]) for i in range(4)]
    assert name(layout(inner, 1)[-1], False) == "2–5  4 models in 6 vertices"
    shared = layout([vertex(None, 1, ["a", "b", "c", "d"]), vertex(0, 2, ["e\n\x1b[31m"])], 48)
    assert [name(node, False) for node in shared] == ["", "a, b +2", "2  e\\n\\x1b[31m"]


@every
def test_texts_do_not_overlap_and_are_inside(trees, kind):
    with style.drawing():
        title = "A title long enough for another line " * 4
        figure = task_tree.task_tree(trees(kind), "", "").draw(title, "A caption. " * 30)
        figure.draw_without_rendering()
        (legend,) = figure.subfigs[0].legends
        texts = [text for axes in figure.axes for text in axes.texts] + list(figure.texts)
        assert all(isinstance(text, Text) and text.get_text() for text in texts)
        boxes = [legend.get_window_extent(), *(text.get_window_extent() for text in texts)]
        overlaps = [(a, b) for a, b in combinations(boxes, 2) if a.shrunk(0.98, 0.9).overlaps(b.shrunk(0.98, 0.9))]
        assert not overlaps
        assert all(figure.bbox.contains(*box.min) and figure.bbox.contains(*box.max) for box in boxes)
        assert max(figure.get_size_inches()) < 40


def test_lines_are_as_wide_as_their_time_or_else_as_their_parameters():
    slow = [vertex(None, 1, seconds=0.0), vertex(0, 2, ["a"], 3.0, blocks=1), vertex(0, 3, ["b"], 1.0, blocks=9)]
    unknown = [vertex(v.parent, v.order, v.models, None, blocks=v.blocks) for v in slow]
    for tree, words, wider in ((slow, "time of computing, up to 3.0 s", 0), (unknown, "9.00 kB", 1)):
        with style.drawing():
            picture = task_tree.task_tree(tree, "", "")
            figure = picture.draw("", "")
        assert words in picture.caption
        widths = figure.axes[0].collections[2].get_linewidths()[1:]  # behind that of the first vertex
        assert len(widths) == 2
        assert widths[wider] > widths[1 - wider]


@every
def test_a_page_says_of_every_node_what_is_known(trees, kind):
    tree = trees(kind)
    _, _, spots = task_tree.task_tree(tree, "", "", items=120).page_image()
    nodes = layout(tree, task_tree.ROWS)
    assert len(spots) == len(nodes)
    assert all(0 <= spot.x <= 1 and 0 <= spot.y <= 1 for spot in spots)
    lower = [(a, b) for a, b in pairwise(sorted(zip(nodes, spots, strict=True), key=lambda pair: pair[0].row))]
    assert all(a.y <= b.y for (_, a), (_, b) in lower)
    for node, spot in zip(nodes, spots, strict=True):
        assert spot.tip["models"]
        assert (spot.tip.get("items") == "120") == bool(node.vertices)
        assert ("time" in spot.tip) == (bool(node.vertices) and any(v.seconds for v in tree))


@pytest.mark.parametrize(("suffix", "start"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_formats_and_the_same_bytes_again(suffix, start):
    drawn = task_tree.task_tree(star(3), "A title", "").content(suffix)
    assert drawn.startswith(start)
    assert task_tree.task_tree(star(3), "A title", "").content(suffix) == drawn


def test_the_csv_has_every_vertex():
    data = task_tree.tree_data(star(500, 0.25))
    assert len(data) == 501
    assert data["parent"].isna().sum() == 1
    assert list(data["models"][:3]) == ["", "model 0", "model 1"]
    assert data["seconds"].sum() == 501 * 0.25


ENTRY = {
    **{"vertex": 0, "parent": None, "order": 1, "way": "kept"},
    **{"blocks": 1, "parameter_bytes": 2, "output_bytes": 3, "models": ["m"]},
}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"vertex": 1}, "tree[0].vertex is 1; expected 0, its place in the list"),
        ({"parent": 0}, "tree[0].parent is 0; expected a vertex before 0"),
        ({"models": [1]}, "tree[0].models[0]: input should be a valid string"),
        ({"seconds": -1}, "tree[0].seconds: input should be greater than or equal to 0"),
        ({"way": ""}, "tree[0].way: input should be 'features', 'fused'"),
    ],
)
def test_what_is_no_tree_is_refused(change, message):
    with pytest.raises(FieldError) as error:
        parse_tree([ENTRY | change])
    assert message in str(error.value)


def entries(*parents):
    """A tree as in a record, one model at each leaf."""
    return [
        ENTRY | {"vertex": i, "parent": parent, "order": i + 1, "models": [] if i in parents else [f"m{i}"]}
        for i, parent in enumerate(parents)
    ]


SHARED = entries(None, 0, 0, None, None)
ALONE = entries(None, None, None, None)


@pytest.fixture
def build(tmp_path, record, write):
    """Builds the report of records with these trees, by strategy; returns its figures and the page."""
    from analysis.report import build

    def make(**trees):
        made = [
            record(name, tree=tree, **({"run_id": f"{i:016x}"})) for i, (name, tree) in enumerate(trees.items())
        ]
        files = build.build(write(tmp_path, *made)).files
        return [path.name for path in files if path.name.startswith("tree-")], (
            tmp_path / "report.html"
        ).read_text()

    return make


def test_the_report_shows_the_tree_of_a_strategy_that_shares(build):
    names, page = build(base=ALONE, shared_prefix=SHARED, alsatian=SHARED)
    assert names == [f"tree-{2:016x}.{suffix}" for suffix in ("png", "pdf", "csv")]
    assert "Who shares what" in page
    assert "Task tree: alsatian, digits_finetunes" in page
    assert "5 blocks for a batch in place of 36" in page


@pytest.mark.parametrize("trees", [{"base": ALONE, "alsatian": ALONE}, {"base": None, "alsatian": None}])
def test_without_sharing_there_is_nothing_to_show(build, trees):
    names, page = build(**trees)
    assert not names
    assert "Who shares what" not in page


def test_records_from_before_have_no_tree(load_runs, record):
    (run,) = load_runs(record())
    assert run.tree is None


def test_a_damaged_tree_is_named(tmp_path, record, write):
    from alsatian.records import reading

    write(tmp_path, record("base"), record("alsatian", tree=[ENTRY | {"vertex": 5}]))
    found = reading.load(tmp_path)
    assert [run.strategy for run in found.runs] == ["base"]
    assert "tree[0].vertex" in found.problems[0]


def test_numbers_rise_from_parents_to_children(trees):
    for node in layout(trees("35"), task_tree.ROWS):
        orders = [child.orders for child in node.children]
        assert all(a[1] < b[0] for a, b in pairwise(orders))
        assert all(node.orders[0] < order[0] for order in orders)


@pytest.mark.parametrize("columns", [None, 1])
@pytest.mark.parametrize("deep", [False, True])
def test_in_a_paper(columns, deep):
    tree = [vertex(None, 1), vertex(0, 2, ["a" * 60], 3.0), vertex(0, 3, ["b"], 1.0)]
    if deep:
        tree = [vertex(None if i == 0 else i - 1, i + 1, [f"model {i}"]) for i in range(20)]
    picture = task_tree.task_tree(tree, "title", "caption")
    check_paper(picture, columns)
    assert "Numbers: order of computing" in picture.caption
