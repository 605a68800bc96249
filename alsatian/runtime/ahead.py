"""Work of later rounds, done while the search would wait for a block.

The first round of a search has to read every block and computes little with it, so a slow store keeps it waiting.
What all of its models share is computed for all data in the end, whichever of them survive: that can be done
meanwhile, for data of later rounds. It is the same work on the same batches, earlier.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from alsatian.blocks.segment import Segment, State
from alsatian.data.dataset import Batch
from alsatian.data.preprocessing import Preprocessing
from alsatian.planning.plan import Plan
from alsatian.runtime.data_source import DataSource
from alsatian.runtime.features import FeatureStore
from alsatian.runtime.loading.loader import Loader
from alsatian.runtime.meter.meter import Meter
from alsatian.runtime.needs import edge_needs
from alsatian.runtime.stages import Stage
from alsatian.tree import NO_VERTEX, TaskTree


class Ahead(NamedTuple):
    """What the first blocks of a chain make of a prepared batch: how it was prepared, and their identities."""

    preprocessing: Preprocessing
    blocks: tuple[str, ...]
    state: State


class AheadOfRounds:
    """Computes what all models of a plan share for ``coming`` batches, one at a time, and keeps it.

    It is held in what plans leave of the budget of intermediates, and gives way to what a plan needs. Counts as
    ``ahead_bytes`` in the device's memory; an event says how many items were computed early, which depends on time.

    Attributes:
        coming: batches of all rounds, which models will see that are left.
    """

    def __init__(self, data: DataSource, loader: Loader, segments: Mapping[str, Segment], meter: Meter) -> None:
        self.coming: Sequence[Batch] = ()
        self._data = data
        self._loader = loader
        self._segments = segments
        self._meter = meter
        self._held: dict[Batch, Ahead] = {}
        self._plan: Plan | None = None
        self._next: list[Batch] = []
        self._room: int | None = 0
        self._items = 0

    def follow(self, plan: Plan, budget: int | None, train: Sequence[Batch], features: FeatureStore) -> None:
        """Work beside ``plan``, of a round with the batches ``train``, in ``budget`` bytes for intermediates.

        A policy that decides at run time may fill the budget, so only a plan with planned releases leaves room.
        Nothing is sure where models that are not in the plan have ``features``, of an earlier search or plan: they
        may be those that are left.
        """
        self._plan = None
        if not (self.coming or self._held):
            return
        roots = [vertex for vertex, parent in enumerate(plan.tree.parent) if parent == NO_VERTEX]
        self._room = 0 if plan.peaks is None else None if budget is None else max(0, budget - plan.peaks[0])
        while self._held and self._room is not None and self._bytes() > self._room:
            self._held.popitem()  # the last ones are needed last
            self._note()
        models = set(plan.tree.all_models())
        if len(roots) != 1 or not plan.tree.children[roots[0]] or not models >= features.held.keys():
            return
        self._plan = plan
        seen = {batch.index for batch in train}
        new = [batch for batch in self.coming if batch.index not in seen and batch not in self._held]
        lacking = {batch for model in models for batch in features.missing(model, new)}
        self._next = [batch for batch in reversed(new) if batch in lacking]

    def work(self) -> bool:
        """Compute the next batch; False if there is none, no room, or not all it takes is on the device."""
        if self._plan is None or not self._next:
            return False
        tree, root = self._plan.tree, self._plan.tree.parent.index(NO_VERTEX)
        batch = self._next[-1]
        if self._room is not None and self._bytes() + batch.items * tree.output_bytes[root] > self._room:
            return False
        needs = edge_needs(tree, root, self._segments)
        if (parameters := self._loader.resident(needs)) is None:
            return False
        self._next.pop()
        state = self._data.prepare(kind := tree.preprocessing[root], batch, [batch])
        with self._meter.part("inference"):
            for need, own in zip(needs, parameters, strict=True):
                state = need.segment(state, own)
                self._meter.ran(need.segment.fingerprint, batch.items)
        self._meter.counters.update(block_executions=len(needs), block_items=len(needs) * batch.items)
        self._items += batch.items
        self._held[batch] = Ahead(kind, tuple(need.block.identity for need in needs), state)
        self._note()
        return True

    def start(
        self, tree: TaskTree, stages: Sequence[Stage], batch: Batch, chunk: Sequence[Batch]
    ) -> tuple[State, list[Stage]]:
        """What ``stages`` that begin with the data start from on ``batch``, and what is left of them to do."""
        (first, edge), *others = stages
        kind, ahead = tree.preprocessing[first], self._held.get(batch)
        blocks = tuple(block.identity for block in tree.blocks[first])
        if ahead is None or (ahead.preprocessing, ahead.blocks) != (kind, blocks[: len(ahead.blocks)]):
            return self._data.prepare(kind, batch, chunk), list(stages)
        del self._held[batch]
        self._note()
        return ahead.state, [(first, edge[len(ahead.blocks) :]), *others]

    def tell(self) -> None:
        """The plan is over: an event says what was done early."""
        if self._items:
            self._meter.event("computed_ahead", items=self._items)
            self._items = 0

    def clear(self) -> None:
        """Drop everything, since memory ran out; nothing more is computed in this plan."""
        self._held.clear()
        self._next = []
        self._note()

    def _bytes(self) -> int:
        return sum(t.untyped_storage().nbytes() for ahead in self._held.values() for t in ahead.state)

    def _note(self) -> None:
        self._meter.holds("ahead_bytes", self._bytes())
