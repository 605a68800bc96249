"""What is computed early first, what is kept, and what it is used for."""

from typing import Any

import pytest
import torch
from torch.fx import Graph, GraphModule

from alsatian.blocks.candidate import Block, Candidate
from alsatian.blocks.segment import Segment
from alsatian.data.dataset import Batch
from alsatian.data.preprocessing import ImagePreprocessing
from alsatian.planning.limits import Limits
from alsatian.planning.orders.dfs_plus import DfsPlus
from alsatian.planning.plan import Plan
from alsatian.planning.planner import make_plan
from alsatian.runtime.ahead import LIKELY, AheadOfRounds, _by_likelihood, _lies_on
from alsatian.runtime.data_source import DataSource
from alsatian.runtime.features import FeatureStore
from alsatian.runtime.meter.meter import Meter
from alsatian.tree import TaskTree

KIND = ImagePreprocessing(8)


def tree_of(*chains: str, kind: ImagePreprocessing = KIND) -> TaskTree:
    blocks = {name: [Block(c + str(i), 4, 4) for i, c in enumerate(name)] for name in chains}
    return TaskTree.of([Candidate(n, tuple(b), None, kind) for n, b in blocks.items()]).compress()


def test_the_likeliest_is_computed_first() -> None:
    """Of m models none sees a batch that ends when s of the data was seen with probability (1 - s)^m."""
    tree = tree_of("aab", "aac", "aad", "abe")  # all begin with a; three of them go on with a
    seen, half, quarter, eighth = (Batch(i, i, end, False) for i, end in enumerate((4, 8, 16, 32)))
    jobs = [
        ("".join(b.identity[0] for b in tree.blocks[v]), batch)
        for v, batch in _by_likelihood(tree, [seen], [half, quarter, eighth])
    ]
    whole = [batch for edge, batch in jobs[:3]]
    assert whole == [half, quarter, eighth]
    chance = {half: 1 / 2, quarter: 1 / 4, eighth: 1 / 8}
    rest = [(edge, batch, 1 - (1 - chance[batch]) ** (3 if edge == "a" else 1)) for edge, batch in jobs[3:]]
    assert [p for *_, p in rest] == sorted((p for *_, p in rest), reverse=True)
    assert {(edge, batch) for edge, batch, _ in rest} == {
        (edge, batch)
        for edge in ("a", "b", "c", "d", "be")
        for batch in (half, quarter, eighth)
        if 1 - (1 - chance[batch]) ** (3 if edge == "a" else 1) >= LIKELY
    }


@pytest.mark.parametrize(
    ("chain", "lies"),
    [
        ("", True),
        ("a", True),
        ("aa", True),
        ("aab", True),
        ("abe", True),
        ("ab", True),
        ("ac", False),
        ("aabe", False),
        ("b", False),
    ],
)
def test_what_no_model_needs_any_more_is_dropped(chain: str, lies: bool) -> None:
    tree = tree_of("aab", "aac", "abe")
    identities = tuple(c + str(i) for i, c in enumerate(chain))
    assert _lies_on((KIND, identities), tree, tree.roots()) is lies
    assert not _lies_on((ImagePreprocessing(9), identities), tree, tree.roots())


class Prepared(DataSource):
    """Items that say how they were prepared."""

    def prepare(self, preprocessing: Any, batch: Batch, chunk: Any) -> tuple[torch.Tensor, ...]:
        return (torch.full((batch.items, 1), float(preprocessing.size)),)


class Nothing:
    """A loader of blocks without parameters."""

    def resident(self, needs: Any) -> list[list[torch.Tensor]]:
        return [[] for _ in needs]


@pytest.mark.parametrize(("size", "letters", "early"), [(8, "aa", True), (9, "aa", False), (8, "ba", False)])
def test_it_is_used_for_the_same_blocks_on_items_prepared_alike(size: int, letters: str, early: bool) -> None:
    """Models of one architecture may differ in how their items are prepared."""

    def plan(of: TaskTree) -> Plan:
        return make_plan(of, of.all_models(), [batch], DfsPlus(), planned_releases=True, limits=Limits())

    graph = Graph()
    graph.output((graph.call_function(torch.add, (graph.placeholder("s0"), 1)),))
    code = Segment("code", (), (), 4, GraphModule({}, graph))
    segments = {c + str(i): code for c in "abcd" for i in range(3)}
    batch = Batch(0, 0, 4, False)
    meter = Meter(torch.device("cpu"))
    ahead = AheadOfRounds(Prepared(), Nothing(), segments, meter)  # type: ignore[arg-type]
    ahead.coming = [batch]
    ahead.follow(plan(tree_of("aac", "aad")), None, [], FeatureStore(meter))
    assert ahead.work()
    own = tree_of(letters + "c", letters + "d", kind=ImagePreprocessing(size))
    found = ahead.take(own, [0], batch)
    assert {vertex: (float(state[0, 0]), done) for vertex, ((state,), done) in found.items()} == (
        {0: (10.0, 2)} if early else {}
    )
    assert not ahead.take(own, [0], batch)
