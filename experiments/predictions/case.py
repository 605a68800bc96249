"""A run of an experiment as a case to predict."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from alsatian.api import Prediction, SearchResult, cost_model, predict, search
from alsatian.costs.model import CostModel
from alsatian.errors import ConfigError
from alsatian.models.model_set import CandidateSet, ModelSet
from alsatian.records.ranking import LAST
from alsatian.searching.round_result import RoundResult
from alsatian.searching.scores import recorded_scores
from experiments.configuration.setup import Parts, Setup, use_threads
from experiments.predictions.parameter_free import parameter_free_set
from experiments.runs.progress import Progress


@dataclass(frozen=True)
class Case:
    """One run, with what it costs.

    Attributes:
        setup: its parts.
        models: the candidates; a :class:`ModelSet` if they have parameters, which this hardware may not need.
        costs: of the hardware that its configuration names.
    """

    setup: Setup
    models: CandidateSet
    costs: CostModel

    def predict(self, rounds: Sequence[RoundResult] | None = None) -> Prediction:
        """What the search is predicted to take; models survive as in ``rounds``, or as drawn from the seed."""
        setup, config = self.setup, self.setup.config
        return predict(
            self.models.candidates,
            setup.dataset.batches(config["batch_size"], len(self.models.candidates)),
            self.costs,
            strategy=setup.strategy,
            budget=setup.budgets,
            loader=setup.loader,
            scores=None if rounds is None else recorded_scores(rounds),
            seed=config["seed"],
            file_bytes=self._file_bytes(),
            workers=setup.machine.each_alike() if setup.machine.on_workers else (),
        )

    def run(self) -> SearchResult:
        """The search itself, once.

        Raises:
            ConfigError: the models have no parameters.
        """
        setup, config = self.setup, self.setup.config
        if not isinstance(self.models, ModelSet):
            raise ConfigError(
                f"model_set={config['model_set']['name']} was not made for hardware={self.costs.hardware.name}; "
                "searches are run with hardware=measured"
            )
        use_threads(config)
        settings = {**setup.search_settings(), "hardware": self.costs.hardware}
        return search(self.models, setup.dataset, **settings)

    def _file_bytes(self) -> Mapping[str, int]:
        if not isinstance(self.models, ModelSet):
            return {}
        store = self.models.store
        identities = {block.identity for candidate in self.models.candidates for block in candidate.blocks}
        return {identity: store.bytes_to_read(identity) for identity in identities}


class Predictor:
    """Makes cases; data, model sets and profiles that several need are made once."""

    def __init__(self) -> None:
        self._parts = Parts()

    def case(self, config: Mapping[str, Any], progress: Progress, again: bool = False) -> Case:
        """The run with the resolved configuration ``config``; this machine is measured ``again`` if asked for.

        Raises:
            AlsatianError: its model set cannot be had, or the hardware does not know it.
        """
        setup = self._parts.setup(config)
        if setup.config["layers"] != LAST:
            raise ConfigError(f"layers={setup.config['layers']}: predicted is what layers={LAST} takes")
        hardware, data, storage = setup.hardware, setup.dataset, setup.storage
        outline = parameter_free_set(setup.config, hardware)
        if hardware is not None and outline is not None:
            costs = cost_model(hardware, outline.candidates, data, storage, like=outline.like)
            return Case(setup, outline, costs)
        models = self._parts.model_set(setup.config, progress.step)
        if hardware is None:
            use_threads(setup.config)
            hardware = setup.measure_hardware(models, progress.measuring, again)
        tuned = setup.computing(models)
        costs = cost_model(hardware, models.candidates, data, storage, tuned.segments, parts=tuned.parts)
        return Case(setup, models, costs)
