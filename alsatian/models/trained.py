"""A model set of real fine-tunes: trained once, kept in the store, opened again by later runs."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from alsatian.blocks.candidate import ArchitectureSpec
from alsatian.blocks.fingerprint import digest_json
from alsatian.blocks.segment import Architecture
from alsatian.blocks.store import BlockStore
from alsatian.data.preprocessing import ImagePreprocessing
from alsatian.errors import ConfigError
from alsatian.models.architectures import architecture, build, code_version
from alsatian.models.distributions import changed_blocks
from alsatian.models.model_set import ModelSet, add_module
from alsatian.models.tasks import Task, random_task

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how many steps are done, and how many there are."""


@dataclass(frozen=True, kw_only=True)
class TrainedDigits:
    """Models fine-tuned from one base network on varied tasks of the digits' source pool.

    The base learns all ten upright digits. Every model then starts from a random earlier one, keeps a
    random number of first blocks frozen (batch-norm statistics too, or nothing would be shared) and
    trains the rest on a task of its own with Adam.

    Attributes:
        name: for people; part of the models' ids.
        count: number of candidate models, without the base.
        architecture: a torchvision model.
        options: arguments of its builder.
        size: height and width of the model's input in pixels.
        distribution: of the number of trained blocks; see :mod:`alsatian.models.distributions`.
        source_items: how much of the source pool is used (597 items at most).
        base_epochs, epochs: passes over the data for the base and for each fine-tune.
        learning_rate: of Adam.
        seed: of everything random.
    """

    name: str = "digits"
    count: int = 16
    architecture: str = "resnet18"
    options: Mapping[str, Any] = field(default_factory=dict)
    size: int = 32
    distribution: str = "top_25"
    source_items: int = 597
    base_epochs: int = 6
    epochs: int = 2
    learning_rate: float = 1e-3
    seed: int = 0

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ConfigError(f"model_set.count={self.count}: the model set is empty; ask for at least 1 model")
        if self.source_items < 40:
            raise ConfigError(f"model_set.source_items={self.source_items}: at least 40 are needed to train on")

    @property
    def recipe(self) -> dict[str, Any]:
        """All that decides what the models become on one machine."""
        return {**asdict(self), "options": dict(self.options), "code": code_version()}

    def open(
        self, store: BlockStore, device: str = "cpu", progress: Progress = lambda what, done, total: None
    ) -> ModelSet:
        """The model set from ``store``; what is missing there is trained first."""
        key = f"{self.name}-{digest_json(self.recipe)[:4]}"
        ids = store.model_set(key)
        if ids is None:
            ids = self._train(store, key, progress)
        return ModelSet.open(store, ids, device)

    def _train(self, store: BlockStore, key: str, progress: Progress) -> list[str]:
        spec = ArchitectureSpec("torchvision", self.architecture, dict(self.options))
        preprocessing = ImagePreprocessing(self.size)
        built = architecture(spec, preprocessing, folder=store.architectures)
        rng = np.random.default_rng(self.seed)
        ids = [f"{key}-base", *(f"{key}-{i:02d}" for i in range(1, self.count + 1))]
        stored = set(store.model_ids())
        for i, model_id in enumerate(ids):
            # Every draw is made even if the model is there already, so that a resumed training is the same.
            parent = ids[int(rng.integers(i))] if i else None
            changed = changed_blocks(self.distribution, len(built.segments), rng) if i else len(built.segments)
            task = random_task(rng) if i else Task(tuple(range(10)), "none")
            progress(f"training {model_id}", i, len(ids))
            if model_id in stored:
                continue
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(self.seed * 1000 + i)
                module = build(spec, preprocessing)
                if parent is not None:
                    load_parameters(module, built, store, parent)
                frozen = len(built.segments) - changed
                epochs = self.epochs if i else self.base_epochs
                items = task.items(self.source_items, self.seed * 1000 + i)
                fit(module, built, frozen, preprocessing, items, epochs, self.learning_rate)
            metadata = {"parent": parent, "frozen_blocks": frozen, "task": asdict(task), "recipe": self.recipe}
            add_module(store, model_id, module, built, spec, preprocessing, metadata)
        progress("training", len(ids), len(ids))
        store.add_set(key, ids[1:], self.recipe)
        return ids[1:]


def load_parameters(module: torch.nn.Module, built: Architecture, store: BlockStore, model_id: str) -> None:
    """Copy the parameters and buffers of a stored model into ``module``, whose segments are ``built``."""
    tensors = dict(module.named_parameters()) | dict(module.named_buffers())
    with torch.no_grad():
        for block, segment in zip(store.model(model_id).blocks, built.segments, strict=True):
            values = store.load_block(block.identity, model_id)
            for name, value in zip(segment.parameter_names, values, strict=True):
                if name in tensors:
                    tensors[name].copy_(value)


def fit(
    module: torch.nn.Module,
    built: Architecture,
    frozen: int,
    preprocessing: ImagePreprocessing,
    items: tuple[np.ndarray, np.ndarray],
    epochs: int,
    learning_rate: float,
    batch_size: int = 64,
) -> None:
    """Train the feature extractor ``module`` in place under a new linear head, its first blocks frozen.

    ``frozen`` counts blocks from the input; their parameters and batch-norm statistics do not change.
    Random numbers come from PyTorch's global generator.
    """
    images, labels = items
    inputs = preprocessing(images)[0]
    targets = torch.from_numpy(labels)
    fixed = {name for segment in built.segments[:frozen] for name in segment.parameter_names}
    for name, parameter in module.named_parameters():
        parameter.requires_grad_(name not in fixed)
    module.train()
    for prefix, part in module.named_modules():
        own = [*part.named_parameters(recurse=False), *part.named_buffers(recurse=False)]
        if any((f"{prefix}.{name}" if prefix else name) in fixed for name, _ in own):
            part.eval()
    with torch.no_grad():
        width = module(inputs[:2]).flatten(1).shape[1]
    head = torch.nn.Linear(width, int(labels.max()) + 1)
    trained = [p for p in (*module.parameters(), *head.parameters()) if p.requires_grad]
    optimizer = torch.optim.Adam(trained, lr=learning_rate)
    with torch.enable_grad():
        for _ in range(epochs):
            for batch in torch.randperm(len(inputs)).split(batch_size):
                if len(batch) < 2:
                    continue  # batch norm needs two items
                optimizer.zero_grad()
                cross_entropy(head(module(inputs[batch]).flatten(1)), targets[batch]).backward()
                optimizer.step()
    module.eval().requires_grad_(True)
