"""A model set of real fine-tunes: trained once, kept in the store, opened again by later runs."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from alsatian.contents import keep_in
from alsatian.errors import ConfigError
from alsatian.fingerprint import digest_json
from alsatian.models.candidate_modules import load_parameters
from alsatian.models.model_set import ModelSet
from alsatian.models.reading.architectures import architecture, build, code_version
from alsatian.models.reading.features.classifiers import Classifier, LinearHead
from alsatian.models.sets.distributions import changed_blocks
from alsatian.models.sets.starts import Start
from alsatian.models.sets.tasks import TaskPool
from alsatian.models.sets.training import Recipe, fit, using_threads
from alsatian.models.storing import add_module
from alsatian.progress import Progress, unheard
from alsatian.store.store import BlockStore


@dataclass(frozen=True, kw_only=True)
class TrainedSet:
    """Models fine-tuned from one base network on varied tasks.

    The base is pretrained, or learns the pool's base task first. Every model then starts from a random
    earlier one, keeps a random number of first blocks frozen and trains the rest on a task of its own. The
    classifier of that task is kept in the store.

    Attributes:
        name: for people; part of the models' ids.
        start: the base network.
        pool: where tasks come from.
        recipe: how training goes.
        count: number of candidate models, without the base.
        distribution: of the number of trained blocks; see :mod:`alsatian.models.sets.distributions`.
        items: most items of a task.
        base_epochs: passes over the base task; 0 for a base that is pretrained.
        epochs: passes over a fine-tune's task.
        seed: of everything random.
        device: where models are trained, ``"cpu"`` or ``"cuda"``.
    """

    name: str
    start: Start
    pool: TaskPool
    recipe: Recipe
    count: int = 16
    distribution: str = "top_layers"
    items: int = 600
    base_epochs: int = 6
    epochs: int = 2
    seed: int = 0
    device: str = "cpu"

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ConfigError(f"model_set.count={self.count}: the model set is empty; ask for at least 1 model")
        if self.seed < 0:
            raise ConfigError(f"model_set.seed={self.seed}: must be at least 0")
        if self.items < 40:
            raise ConfigError(f"model_set.items={self.items}: at least 40 are needed to train on")
        if self.base_epochs < 0 or self.epochs < 1:
            raise ConfigError("model_set: epochs must be at least 1 and base_epochs at least 0")

    def description(self) -> dict[str, Any]:
        """All that decides what the models become on one machine, as plain data. Files count by content, too.

        Raises:
            ConfigError: a file of the start or of the pool is not there.
        """
        settings = {key: value for key, value in asdict(self).items() if key not in ("start", "pool", "recipe")}
        parts = {"start": self.start, "pool": self.pool, "recipe": self.recipe}
        described = {key: {"kind": type(part).__name__, **vars(part)} for key, part in parts.items()}
        contents = {"start": self.start.contents(), "pool": self.pool.contents()}
        return {**settings, **described, "contents": contents, "code": code_version()}

    def open(self, store: BlockStore, device: str = "cpu", progress: Progress = unheard) -> ModelSet:
        """The model set from ``store``, for searches on ``device``; what is missing is trained first."""
        keep_in(store.root)
        description = self.description()
        key = f"{self.name}-{digest_json(description)[:6]}"
        ids = store.known_set(key)
        if ids is None:
            with using_threads(self.recipe.threads):
                ids = self._train(store, key, description, progress)
        return ModelSet.open(store, ids, device)

    def _train(self, store: BlockStore, key: str, description: dict[str, Any], progress: Progress) -> list[str]:
        spec, preprocessing, weights = self.start.resolve(store)
        built = architecture(spec, preprocessing, folder=store.architectures)
        blocks = len(built.segments)
        rng = np.random.default_rng(self.seed)
        ids = [f"{key}-base", *(f"{key}-{i:02d}" for i in range(1, self.count + 1))]
        for i, model_id in enumerate(ids):
            # Every draw is made even if the model is there already, so that a resumed training is the same.
            parent = ids[int(rng.integers(i))] if i else weights
            changed = changed_blocks(self.distribution, blocks, rng) if i else blocks
            task = self.pool.random_task(rng) if i else self.pool.base_task()
            progress(f"training {model_id}", i, len(ids))
            if store.known(model_id):
                continue
            epochs = self.epochs if i else self.base_epochs
            seed = self.seed * 1000 + i
            head: LinearHead | str = "it was trained on no task here"
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                module = build(spec, preprocessing)
                if parent is not None:
                    load_parameters(module, built, store, store.model(parent))
                if epochs:
                    items = self.pool.items(task, self.items, seed)
                    frozen = blocks - changed
                    layer = fit(module, built, frozen, preprocessing, items, epochs, self.recipe, self.device)
                    state = {f"task.{name}": values for name, values in layer.state_dict().items()}
                    head = Classifier("task").values(state, "none", layer.in_features)
            metadata = {
                "parent": parent,
                "pooling": module.pooling,
                "frozen_blocks": blocks - changed,
                "task": asdict(task),
                "set": description,
            }
            add_module(store, model_id, module, built, spec, preprocessing, metadata, head)
        progress("training", len(ids), len(ids))
        store.add_set(key, ids[1:], description)
        return ids[1:]
