"""Runs blocks on one batch."""

from collections import Counter
from collections.abc import Iterator, Sequence

from alsatian.blocks.segment import Segment, State
from alsatian.errors import BadModelError, first_line
from alsatian.runtime.loading.transfer import Parameters
from alsatian.runtime.memory import is_out_of_memory
from alsatian.runtime.meter.meter import Meter
from alsatian.runtime.meter.timeline import Subject
from alsatian.tree import TaskTree

Stage = tuple[int, list[tuple[Segment, Parameters]]]
"""A vertex with the code and the parameters of its edge."""
Early = dict[int, tuple[State, int]]
"""By vertex a state that was computed before, and how many blocks of its edge that took."""
NOTHING_EARLY: Early = {}


def subjects(tree: TaskTree, path: Sequence[int]) -> dict[int, Subject]:
    """For a timeline, what each vertex of ``path`` is for: models, blocks and where in the models they lie."""
    found: dict[int, Subject] = {}
    ends: dict[int, int] = {}  # depth of the last block of a vertex
    for vertex in path:
        above = tree.parent[vertex]
        if above not in ends:
            ends[above] = sum(len(tree.blocks[v]) for v in tree.path(above))
        blocks = tuple(block.identity for block in tree.blocks[vertex])
        found[vertex] = Subject(tree.models_below(vertex), blocks, ends[above] + 1)
        ends[vertex] = ends[above] + len(blocks)
    return found


def run_stages(
    tree: TaskTree, stages: Sequence[Stage], state: State, items: int, meter: Meter, early: Early = NOTHING_EARLY
) -> Iterator[tuple[int, State]]:
    """Run the blocks of ``stages`` on one batch of ``items``; yields every vertex with its state.

    ``state`` is what the first stage starts from; a vertex that is ``early`` starts from what is there instead. A
    state is held until the last stage that starts from it.

    Raises:
        BadModelError: a block cannot process what comes before it.
    """
    readers = Counter(tree.parent[vertex] for vertex, _ in stages)
    held = {tree.parent[stages[0][0]]: state}
    for vertex, edge in stages:
        above = tree.parent[vertex]
        readers[above] -= 1
        state = held[above] if readers[above] else held.pop(above)
        state, done = early.get(vertex, (state, 0))
        with meter.part("inference", vertex):
            try:
                for segment, parameters in edge[done:]:
                    state = segment(state, parameters)
                    meter.ran(segment.fingerprint, items)
            except RuntimeError as error:
                if is_out_of_memory(error):
                    raise
                models = tree.models_below(vertex)
                raise BadModelError(
                    f"model '{models[0]}': a block cannot process what comes before it ({first_line(error)})",
                    models,
                ) from None
        meter.counters["block_executions"] += len(edge)
        meter.counters["block_items"] += len(edge) * items
        if readers[vertex]:
            held[vertex] = state
        yield vertex, state
