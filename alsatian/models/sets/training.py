"""Fine-tuning with frozen first blocks."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from alsatian.blocks.segment import Architecture
from alsatian.data.preprocessing import Preprocessing
from alsatian.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a model is trained: Adam and cross-entropy under a new linear head.

    Attributes:
        learning_rate: of Adam.
        batch_size: items of a step.
        freeze_statistics: keep the batch-norm statistics of frozen blocks. If not, their parameters stay
            but the statistics drift, the blocks differ, and nothing can be shared.
        threads: of PyTorch while a model is made, whatever the process uses else: sums depend on their number, and
            so do the last digits of all that is trained.
    """

    learning_rate: float = 1e-3
    batch_size: int = 64
    freeze_statistics: bool = True
    threads: int = 1

    def __post_init__(self) -> None:
        if self.threads < 1:
            raise ConfigError(f"model_set.recipe.threads={self.threads}: must be at least 1")
        if not 0 < self.learning_rate < math.inf or self.batch_size < 2:
            raise ConfigError("model_set.recipe: learning_rate must be positive and batch_size at least 2")


@contextmanager
def using_threads(count: int) -> Iterator[None]:
    """Inside, PyTorch computes with ``count`` threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def fit(
    module: torch.nn.Module,
    built: Architecture,
    frozen: int,
    preprocessing: Preprocessing,
    items: tuple[np.ndarray, np.ndarray],
    epochs: int,
    recipe: Recipe,
    device: str = "cpu",
) -> torch.nn.Linear:
    """Train the feature extractor ``module`` in place, its first ``frozen`` blocks fixed.

    ``items`` are raw items (N, …) and labels (N,). Random numbers come from PyTorch's global generator.
    Afterwards the module is on the CPU, in evaluation mode, as is the head that was trained with it, which is
    returned: features (N, D) -> scores (N, largest label + 1).
    """
    raw, labels = items
    targets = torch.from_numpy(labels).to(device)
    module.to(device)
    _freeze(module, built, frozen, recipe.freeze_statistics)
    with torch.no_grad():
        width = module(*_inputs(preprocessing, raw[:2], device)).shape[1]
    head = torch.nn.Linear(width, int(labels.max()) + 1).to(device)
    trained = [p for p in (*module.parameters(), *head.parameters()) if p.requires_grad]
    optimizer = torch.optim.Adam(trained, lr=recipe.learning_rate)
    with torch.enable_grad():
        for _ in range(epochs):
            for batch in torch.randperm(len(raw)).split(recipe.batch_size):
                if len(batch) < 2:
                    continue  # batch norm needs two items
                optimizer.zero_grad()
                features = module(*_inputs(preprocessing, raw[batch.numpy()], device))
                cross_entropy(head(features), targets[batch.to(device)]).backward()
                optimizer.step()
    module.to("cpu").eval().requires_grad_(True)
    return head.to("cpu").eval()


def _inputs(preprocessing: Preprocessing, raw: np.ndarray, device: str) -> tuple[torch.Tensor, ...]:
    return tuple(tensor.to(device) for tensor in preprocessing(raw))


def _freeze(module: torch.nn.Module, built: Architecture, frozen: int, statistics: bool) -> None:
    """Fix the parameters of the first ``frozen`` blocks, and their statistics if asked for."""
    fixed = {name for segment in built.segments[:frozen] for name in segment.parameter_names}
    # A parameter that a later block reads as well (tied weights) is fixed with the earlier one.
    for name, parameter in module.named_parameters(remove_duplicate=False):
        if name in fixed:
            parameter.requires_grad_(False)
    module.train()
    for prefix, part in module.named_modules():
        own = [*part.named_parameters(recurse=False), *part.named_buffers(recurse=False)]
        if statistics and any((f"{prefix}.{name}" if prefix else name) in fixed for name, _ in own):
            part.eval()
        if isinstance(part, torch.nn.modules.dropout._DropoutNd):
            part.eval()  # short fine-tunes gain nothing from it, and frozen blocks must not change
