"""A run of an experiment as a case to predict."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from omegaconf import DictConfig

from alsatian.blocks.candidate import Candidate
from alsatian.data.dataset import raw_bytes
from alsatian.models.model_set import ModelSet
from alsatian.planning.costs import CostModel
from alsatian.planning.keys import keys_for
from alsatian.searching.api import SearchResult, search
from alsatian.searching.rounds import RoundResult
from alsatian.searching.schedules import Adaptive
from alsatian.simulation.adaptive import decided
from alsatian.simulation.search import Prediction, predict, recorded_scores
from experiments.hardware import given, measured
from experiments.progress import Progress
from experiments.setup import Parts, Setup, use_threads


@dataclass(frozen=True)
class Case:
    """One run, with what it costs.

    Attributes:
        setup: its parts.
        models: its model set.
        costs: of the hardware that its configuration names.
    """

    setup: Setup
    models: ModelSet
    costs: CostModel

    @property
    def candidates(self) -> Sequence[Candidate]:
        """The candidate models."""
        return self.models.candidates

    def predict(self, rounds: Sequence[RoundResult] | None = None) -> Prediction:
        """What the search is predicted to take; models survive as in ``rounds``, or as drawn from the seed."""
        setup, config = self.setup, self.setup.config
        batches = setup.dataset.batches(config["batch_size"])
        settings: dict[str, Any] = {
            "budget": config["cache"]["budget"],
            "spill": setup.spill,
            "loader": setup.loader,
        }
        strategy = setup.strategy
        if isinstance(strategy.schedule, Adaptive):
            strategy, _ = decided(strategy, self.candidates, batches, self.costs, **settings)
        return predict(
            self.candidates,
            batches,
            self.costs,
            strategy=strategy,
            scores=None if rounds is None else recorded_scores(rounds),
            seed=config["seed"],
            file_bytes=self._file_bytes(),
            **settings,
        )

    def run(self) -> SearchResult:
        """The search itself, once."""
        setup, config = self.setup, self.setup.config
        use_threads(config)
        return search(
            self.models,
            setup.dataset,
            strategy=setup.strategy,
            proxy=setup.proxy,
            batch_size=config["batch_size"],
            budget=config["cache"]["budget"],
            spill=setup.spill,
            loader=setup.loader,
            storage=setup.storage,
            hardware=self.costs.hardware,
            device=config["device"]["name"],
            verify=config["verify"],
            on_bad_model=config["on_bad_model"],
        )

    def _file_bytes(self) -> Mapping[str, int]:
        store = self.models.store
        identities = {block.identity for candidate in self.candidates for block in candidate.blocks}
        return {identity: store.block_path(identity).stat().st_size for identity in identities}


class Predictor:
    """Makes cases; data, model sets and profiles that several need are made once."""

    def __init__(self) -> None:
        self._parts = Parts()

    def case(self, config: DictConfig, progress: Progress) -> Case:
        """The run with the resolved configuration ``config``.

        Raises:
            AlsatianError: its model set cannot be had, or the hardware does not know it.
        """
        setup = self._parts.setup(config)
        models = self._parts.model_set(setup.config, progress.step)
        hardware = given(setup.config)
        if hardware is None:
            hardware = measured(setup.config, models, setup.dataset, setup.proxy, progress.measuring)
        items = setup.dataset.train_items
        keys = keys_for(hardware, models.candidates, models.segments)
        costs = CostModel.of(hardware, keys, setup.storage, raw_bytes(items) / len(items))
        return Case(setup, models, costs)
