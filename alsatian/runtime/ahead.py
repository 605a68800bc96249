"""Work of later rounds, done while the search would wait for a block.

The first round of a search has to read every block and computes little with it, so a slow store keeps it waiting.
What all of its models share is computed for all data in the end, whichever of them survive: that can be done
meanwhile, for data of later rounds, and then what some model that survives may well need. It is the same work on
the same batches, earlier; only what no survivor needs was done in vain.
"""

from collections.abc import Iterator, Mapping, Sequence

from alsatian.blocks.segment import Segment, State
from alsatian.data.dataset import Batch
from alsatian.data.preprocessing import Preprocessing
from alsatian.planning.plan import Plan
from alsatian.runtime.data_source import DataSource
from alsatian.runtime.features import FeatureStore
from alsatian.runtime.loading.loader import Loader
from alsatian.runtime.meter.meter import Meter
from alsatian.runtime.needs import edge_needs
from alsatian.runtime.stages import Early
from alsatian.tree import NO_VERTEX, TaskTree

Chain = tuple[Preprocessing, tuple[str, ...]]
"""How data is prepared, and the identities of the blocks that it went through."""
LIKELY = 0.25
"""Least probability with which something is needed that is computed early."""
UNBUDGETED = 1024**3
"""Bytes for it where intermediates have no budget."""
# Vertices times batches beyond which only what all models share is looked at.
_MOST = 10_000


class AheadOfRounds:
    """Computes vertices of a plan for ``coming`` batches, one at a time, and keeps their states.

    They are held in what plans leave of the budget of intermediates, and give way to what a plan needs. Counts as
    ``ahead_bytes`` in the device's memory; an event says how many items were computed early, which depends on time.
    Blocks count as executed when a plan uses what they made.

    Attributes:
        coming: batches of all rounds, which models will see that are left.
    """

    def __init__(self, data: DataSource, loader: Loader, segments: Mapping[str, Segment], meter: Meter) -> None:
        self.coming: Sequence[Batch] = ()
        self._data = data
        self._loader = loader
        self._segments = segments
        self._meter = meter
        self._held: dict[Batch, dict[Chain, State]] = {}
        self._bytes = 0
        self._plan: Plan | None = None
        self._jobs: list[tuple[int, Batch]] = []
        self._had: set[tuple[int, Batch]] = set()  # of the plan's jobs those that are done
        self._seen: frozenset[int] = frozenset()
        self._room = 0
        self._fits: bool | None = None
        self._done = {"items": 0, "block_items": 0}

    def follow(self, plan: Plan, budget: int | None, train: Sequence[Batch], features: FeatureStore) -> None:
        """Work beside ``plan``, of a round with the batches ``train``, in ``budget`` bytes for intermediates, or
        :data:`UNBUDGETED` beside those of the plan.

        A policy that decides at run time may fill the budget, so only a plan with planned releases leaves room.
        Nothing is sure where models that are not in the plan have ``features``, of an earlier search or plan: they
        may be those that are left.
        """
        self._plan, self._jobs, self._had, self._fits, tree = None, [], set(), None, plan.tree
        if not (self.coming or self._held):
            return
        seen = frozenset(batch.index for batch in train)
        over = self._seen if self._seen != seen else frozenset()
        self._seen = seen
        if plan.peaks is None:
            self._room = 0
        else:
            self._room = UNBUDGETED if budget is None else max(0, budget - plan.peaks[0])
        roots, before = tree.roots(), self._held
        self._held, self._bytes = {}, 0
        for batch, states in before.items():  # the last ones are needed last, and least likely
            for chain, state in states.items() if batch.index not in over else ():
                if _lies_on(chain, tree, roots) and self._bytes + _size(state) <= self._room:
                    self._hold(batch, chain, state)
        self._note()
        models = tree.all_models()
        if len(roots) != 1 or not tree.children[roots[0]] or not set(models) >= features.held.keys():
            return
        new = [batch for batch in self.coming if batch.index not in seen and batch not in self._held]
        lacking = {batch for model in models for batch in features.missing(model, new)}
        self._plan = plan
        self._jobs = _by_likelihood(tree, train, [batch for batch in new if batch in lacking])

    def work(self) -> bool:
        """Compute what is needed most likely; False if there is nothing, no room, or not all it takes is on the
        device."""
        if self._plan is None:
            return False
        tree, absent = self._plan.tree, set[int]()
        room = self._room - self._bytes
        for place, (vertex, batch) in enumerate(self._jobs):
            if vertex in absent or batch.items * tree.output_bytes[vertex] > room:
                continue
            if (above := tree.parent[vertex]) != NO_VERTEX:
                if (above, batch) not in self._had:
                    continue
                if not self._all_fit(tree):
                    return False  # blocks that are used early stay for the step: others might be read twice
            needs = edge_needs(tree, vertex, self._segments)
            if (parameters := self._loader.resident(needs)) is None:
                absent.add(vertex)
                continue
            del self._jobs[place]
            if above == NO_VERTEX:
                state = self._data.prepare(tree.preprocessing[vertex], batch, [batch])
                self._done["items"] += batch.items
            else:
                state = self._held[batch][_chain(tree, above)]
            with self._meter.part("inference"):
                for need, own in zip(needs, parameters, strict=True):
                    state = need.segment(state, own)
                    self._meter.ran(need.segment.fingerprint, batch.items)
            self._done["block_items"] += len(needs) * batch.items
            self._hold(batch, _chain(tree, vertex), state)
            self._had.add((vertex, batch))
            self._note()
            return True
        return False

    def take(self, tree: TaskTree, path: Sequence[int], batch: Batch) -> Early:
        """What is there of ``batch`` for the vertices of ``path``: states somewhere on the edges into them, with
        the number of the edge's blocks that are done. It is held no longer."""
        early: Early = {}
        states = self._held.get(batch, {})
        for vertex in path if states else ():
            kind, blocks = _chain(tree, vertex)
            above = len(blocks) - len(tree.blocks[vertex])
            for upto in range(above + (tree.parent[vertex] != NO_VERTEX), len(blocks) + 1):
                if (state := states.pop((kind, blocks[:upto]), None)) is not None:
                    self._bytes -= _size(state)
                    early[vertex] = state, upto - above
        if early:
            self._note()
        return early

    def tell(self) -> None:
        """The plan is over: an event says what was done early."""
        if any(self._done.values()):
            self._meter.event("computed_ahead", **self._done)
            self._done = dict.fromkeys(self._done, 0)

    def clear(self) -> None:
        """Drop everything, since memory ran out; nothing more is computed in this plan."""
        self._held, self._bytes = {}, 0
        self._jobs, self._had = [], set()
        self._note()

    def _all_fit(self, tree: TaskTree) -> bool:
        if self._fits is None:
            self._fits = self._loader.holds(tree.blocks.items)
        return self._fits

    def _hold(self, batch: Batch, chain: Chain, state: State) -> None:
        self._held.setdefault(batch, {})[chain] = state
        self._bytes += _size(state)

    def _note(self) -> None:
        self._meter.holds("ahead_bytes", self._bytes)


def _size(state: State) -> int:
    return sum(tensor.untyped_storage().nbytes() for tensor in state)


def _chain(tree: TaskTree, vertex: int) -> Chain:
    blocks = tuple(block.identity for v in [*tree.path(vertex)][::-1] for block in tree.blocks[v])
    return tree.preprocessing[vertex], blocks


def _lies_on(chain: Chain, tree: TaskTree, roots: Sequence[int]) -> bool:
    """Whether a model of ``tree`` has it, from the data on."""
    kind, blocks = chain
    below: Sequence[int] = [vertex for vertex in roots if tree.preprocessing[vertex] == kind]
    while below:
        for vertex in below:
            edge = tuple(block.identity for block in tree.blocks[vertex][: len(blocks)])
            if edge == blocks[: len(edge)]:
                blocks, below = blocks[len(edge) :], tree.children[vertex]
                break
        else:
            return False
        if not blocks:
            return True
    return False


def _by_likelihood(tree: TaskTree, train: Sequence[Batch], new: Sequence[Batch]) -> list[tuple[int, Batch]]:
    """Vertices on ``new`` batches, the likeliest to be needed first, and above all that all models share.

    Taken is that as many models are left as times the data grows, as in halving, and that any may be: then of ``m``
    models none needs a batch with probability (1 - s)^m, where s is the share of data that was seen before its end.
    """
    if len(tree) * len(new) > _MOST:
        return [(0, batch) for batch in new]
    count = [len(models) for models in tree.models]
    for vertex in range(len(tree) - 1, -1, -1):
        if (parent := tree.parent[vertex]) != NO_VERTEX:
            count[parent] += count[vertex]
    whole, seen = count[0], max((batch.stop for batch in train), default=0)

    def rated() -> Iterator[tuple[float, int, int]]:
        for number, batch in enumerate(new):
            dropped = 1 - min(1.0, seen / batch.stop)
            for vertex in range(len(tree)):
                likely = 1.0 if count[vertex] == whole else 1 - dropped ** count[vertex]
                if likely >= LIKELY:
                    yield -likely, number, vertex

    return [(vertex, new[number]) for _, number, vertex in sorted(rated())]
