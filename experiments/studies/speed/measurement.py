"""One search of a cell, timed, with what is judged about it: the limit, waiting, scoring, budgets, scores."""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alsatian.api import search
from alsatian.errors import AlsatianError
from alsatian.models.model_set import ModelSet
from alsatian.progress import unheard
from alsatian.ranking.result import Ranking
from alsatian.records.budgets import exceeded
from alsatian.records.limit import Limit
from alsatian.runtime.meter.measurement import Measurement
from alsatian.runtime.meter.surroundings import Surroundings
from experiments.configuration.composition import cells
from experiments.configuration.setup import Parts, use_threads
from experiments.runs.warm_up import warm_up
from experiments.studies.speed.cells import BEYOND

REFERENCES = (
    ("strategy=base", "schedule=paper_halving"),
    ("strategy=base", "schedule=halving", "kernels=layout"),
)
"""What shares nothing, with the rounds and kernels of those that are compared."""

Row = dict[str, Any]


@dataclass
class Bench:
    """Searches cells; models and data that several need are made once.

    Attributes:
        words: overrides of all cells.
        known: the first score and digest of features found, by cell, arithmetic, training items and model.
        deadline: of the monotonic clock, at which a search is given up.
    """

    words: Sequence[str]
    parts: Parts = field(default_factory=Parts)
    known: dict[tuple[str, str, int, str], tuple[float, str | None]] = field(default_factory=dict)
    deadline: float = math.inf

    def search(
        self,
        cell: str,
        words: Sequence[str],
        of: Sequence[str] = (),
        models: Callable[[ModelSet], ModelSet] = lambda own: own,
    ) -> Row:
        """One search of ``cell``, as a row of a study.

        Its ``words`` yield to those of all cells, and these to the words ``of`` who searches.

        ``models`` may change those of the cell. ``before_s`` are seconds around the search's own clock: for reading
        models that are known already and for profiling. ``others`` are the cores that other programs kept busy
        meanwhile; None where the system does not tell. ``scores`` that others had found before were compared.

        Raises:
            AlsatianError: the words are not usable, the search failed, or the deadline came.
        """
        merged = {word.partition("=")[0]: word for word in (*words, *self.words, *of, "verify=true")}
        (chosen,) = cells(list(merged.values()))
        setup = self.parts.setup(chosen.config)
        use_threads(setup.config)
        own = self.parts.model_set(setup.config, unheard)
        warm_up(setup, own)
        surroundings, start = Surroundings(), time.perf_counter()
        result = search(models(own), setup.dataset, **setup.search_settings(), progress=self._in_time)
        seconds, beside = time.perf_counter() - start, surroundings.until_now()
        arithmetic = f"{setup.config['numerics']} {setup.config['kernels']}"
        before = len(self.known)
        compared = [self._same((cell, arithmetic), *one) for one in _scores(result)]
        return {
            "cell": cell,
            **_figures(result),
            "before_s": seconds - result.measurement.wall_s,
            "identical": all(compared),
            "scores": len(compared) - (len(self.known) - before),
            "models": len(result.ranked),
            "others": None if beside.others_s is None else beside.taken_s / seconds,
        }

    def _in_time(self) -> None:
        if time.monotonic() > self.deadline:
            raise AlsatianError("the time is up")

    def _same(self, place: tuple[str, str], items: int, model: str, found: tuple[float, str | None]) -> bool:
        return self.known.setdefault((*place, items, model), found) == found


def bench(store: Path, words: Sequence[str]) -> Bench:
    """Of models in the folder ``store``."""
    return Bench([f"store_dir='{store}'", *words])


def _scores(result: Ranking) -> Iterator[tuple[int, str, tuple[float, str | None]]]:
    for finished in result.rounds:
        for model, score in finished.scores.items():
            yield finished.train_items, model, (score, finished.fingerprints.get(model))


def _figures(result: Ranking) -> Row:
    measured = result.measurement
    wall, limit = measured.wall_s, measured.limit
    return {
        "wall_s": wall,
        "over_limit": limit.over(wall) if limit else None,
        **{f"least_{term}": getattr(limit, term) if limit else None for term in Limit.model_fields},
        "stalled": sum(measured.stalled_s.values()) / wall,
        "scoring": measured.parts_s.get("proxy_scoring", 0.0) / wall,
        **(beyond(measured, limit) if limit else {}),
        "kept": not exceeded(result.resolved, measured.peaks),
        "out_of_memory": sum(event["kind"] == "out_of_memory" for event in measured.events),
        "device_bytes": measured.process.get("peak_device_bytes"),
    }


def beyond(measured: Measurement, limit: Limit) -> Row:
    """Shares of the wall time that are not in the limit's terms for computing, by what they went for."""
    spent, waited = measured.parts_s, measured.stalled_s.get("prepare_model", 0.0)
    of = {
        "waiting for blocks": waited,
        "loading them": spent.get("prepare_model", 0.0) - waited,
        "inference above its best": spent.get("inference", 0.0) - limit.inference_s,
        "data above its best": spent.get("prepare_data", 0.0) - limit.decoding_s,
        "scoring above its best": spent.get("proxy_scoring", 0.0) - limit.scoring_s,
        "planning, cache and the rest": sum(spent.get(part, 0.0) for part in ("planning", "cache_io", "other")),
    }
    return {f"{BEYOND}{what}": max(0.0, seconds) / measured.wall_s for what, seconds in of.items()}


def turned(of: Sequence[Any], turn: int) -> Iterable[Any]:
    """``of``, beginning with another one each turn, so that none always runs behind the same one."""
    shift = turn % len(of)
    return [*of[shift:], *of[:shift]]
