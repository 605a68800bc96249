"""What a search is expected to take, said before it runs."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from alsatian.costs.model import CostModel
from alsatian.planning.distribution.distribution import Worker
from alsatian.planning.orders.given import Given
from alsatian.runtime.cache.policies.none import NoCache
from alsatian.runtime.features import Features
from alsatian.runtime.layers import WHOLE
from alsatian.searching.schedules import Adaptive
from alsatian.searching.scores import drawn_scores
from alsatian.searching.search import Search
from alsatian.searching.strategy import Strategy
from alsatian.tree import TaskTree

# Larger sets are not predicted before they are searched: it would take as long as it tells.
MOST_VERTICES = 20_000


@dataclass(frozen=True)
class Outlook:
    """A prediction in short.

    Attributes:
        rounds: models, training items and seconds of every round; which models survive is made up.
        wall_s: seconds in all.
        alone_s: seconds of the same rounds if nothing were shared.
        profile_s: seconds that it took to measure the machine for this.
        busy: load average by others then, 0 if they were quiet.
    """

    rounds: tuple[tuple[int, int, float], ...]
    wall_s: float
    alone_s: float
    profile_s: float = 0.0
    busy: float = 0.0


def outlook(
    search: Search, costs: CostModel, known: Features, profile_s: float = 0.0, workers: Sequence[Worker] = ()
) -> Outlook | None:
    """What ``search`` takes by ``costs``, found in ``profile_s``, with features that are ``known``, on ``workers``
    or in this process; None for very many models."""
    if len(TaskTree.of(search.candidates, True)) > MOST_VERTICES:
        return None
    strategy = search.strategy
    assert not isinstance(strategy.schedule, Adaptive), "with_costs decides"
    whole = search.predict(costs, drawn_scores(0), known=known, workers=workers).measurement
    alone = Strategy(name="alone", schedule=strategy.schedule, sharing="none", order=Given(), cache=NoCache())
    models = [c for c in search.candidates if search.layers.model_of(c.id) == c.id]
    without = replace(search, strategy=alone, candidates=models, layers=WHOLE)
    without_s = without.predict(costs, drawn_scores(0)).measurement.wall_s
    return Outlook(tuple(_rounds(whole.events)), whole.wall_s, without_s, profile_s, costs.hardware.busy)


def _rounds(events: Sequence[dict[str, object]]) -> list[tuple[int, int, float]]:
    return [
        (int(str(e["models"])), int(str(e["train_items"])), float(str(e["wall_s"])))
        for e in events
        if e["kind"] == "round"
    ]
