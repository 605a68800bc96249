"""How much work a segment does: floating-point operations, and bytes of activations that it moves."""

from collections.abc import Sequence
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from alsatian.blocks.segment import Architecture, State


@torch.no_grad()
def work_of(
    built: Architecture, parameters: Sequence[Sequence[torch.Tensor]], state: State
) -> list[dict[str, int]]:
    """``flops`` and ``moved_bytes`` of every segment of ``built`` on one batch of what goes into the first.

    Bytes are those of all tensors that an operator reads or writes beside parameters; views move none. Nothing is
    computed if the tensors are on the meta device.
    """
    found = []
    for segment, tensors in zip(built.segments, parameters, strict=True):
        traffic = _Traffic({tensor.untyped_storage()._cdata for tensor in tensors})
        with FlopCounterMode(display=False) as counter, traffic:
            state = segment(state, segment.prepare(tensors))
        found.append({"flops": counter.get_total_flops(), "moved_bytes": traffic.moved})
    return found


class _Traffic(TorchDispatchMode):
    """Counts the bytes of what operators read and write, but for tensors in the storages ``free``."""

    def __init__(self, free: set[int]) -> None:
        super().__init__()
        self.moved = 0
        self._free = free

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        read = {t.untyped_storage()._cdata: t.nbytes for t in _tensors((args, kwargs))}
        written = {t.untyped_storage()._cdata: t.nbytes for t in _tensors(out)}
        if read.keys() & written.keys():  # a view, or in place
            return out
        self.moved += sum(nbytes for key, nbytes in (read | written).items() if key not in self._free)
        return out


def _tensors(value: Any) -> list[torch.Tensor]:
    leaves = torch.utils._pytree.tree_leaves(value)
    return [leaf for leaf in leaves if isinstance(leaf, torch.Tensor)]
