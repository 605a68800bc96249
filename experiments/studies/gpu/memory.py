"""A device whose memory is too small for a search: really, or on a CPU as if."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import torch

from alsatian.blocks.segment import Segment, State
from alsatian.models.model_set import ModelSet

SHARES = (0.9, 0.75, 0.6, 0.45)
"""Of what a search had in use, that it gets in the next ones."""
CALL = 3
"""As if: the memory is full at so many runs of a block."""


@contextlib.contextmanager
def limited(device: str, size: float | None) -> Iterator[Callable[[ModelSet], ModelSet]]:
    """Only ``size`` bytes of memory for this process, until the end; what makes the models of a search in it."""
    if device != "cuda" or not size:
        yield lambda models: replace(models, segments=_full_once(models))
        return
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(size / torch.cuda.get_device_properties(0).total_memory)
    try:
        yield lambda models: models
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
        torch.cuda.empty_cache()


@dataclass(frozen=True)
class _Full(Segment):
    """A segment that says once that the memory is full."""

    calls: list[int] = field(default_factory=list, compare=False)

    def __call__(self, state: State, parameters: list[torch.Tensor]) -> State:  # type: ignore[override]
        self.calls.append(len(state[0]))
        if len(self.calls) == CALL:
            raise torch.OutOfMemoryError("as if the memory were full")
        return super().__call__(state, parameters)


def _full_once(models: ModelSet) -> dict[str, Segment]:
    calls: list[int] = []
    return {
        identity: _Full(s.fingerprint, s.parameter_names, s.trainable, s.output_bytes, s.code, calls)
        for identity, s in models.segments.items()
    }
