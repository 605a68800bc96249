"""Runnable pieces of a model's graph."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch.fx import GraphModule

from alsatian.blocks.in_place import overwriting
from alsatian.blocks.parameter_forms import Recipe, Tensors, taken
from alsatian.errors import SplitError
from alsatian.fingerprint import digest_json

State = tuple[torch.Tensor, ...]
"""What is alive between two blocks: one or a few tensors of shape ``(batch, …)``."""


@dataclass(frozen=True)
class Segment:
    """The code of a block, without its parameters.

    Attributes:
        fingerprint: digest of operators, constants, shapes and dtypes; it does not depend on the device.
        parameter_names: names of the parameters, buffers and constants in the module, in call order.
        trainable: which of them are parameters. PyTorch's CPU kernels for linear layers fold dimensions
            by ``requires_grad``, even where no gradient is recorded, so it has to be as in the module.
        output_bytes: bytes of the state behind the segment, per item.
        code: called with the state before the segment and the parameters.
    """

    fingerprint: str
    parameter_names: tuple[str, ...]
    trainable: tuple[bool, ...]
    output_bytes: int
    code: GraphModule = field(compare=False, repr=False)

    @property
    def stored_for(self) -> str:
        """The fingerprint of the code that its blocks are stored for."""
        return self.fingerprint

    @property
    def made_of(self) -> Sequence[Recipe]:
        """How each parameter that the code takes is made from those that a block is stored with."""
        return [taken(i) for i in range(len(self.parameter_names))]

    def arrange(self, tensors: Tensors, wanted: Iterable[int] | None = None) -> list[torch.Tensor]:
        """The parameters that the code takes, or those ``wanted``, made on the CPU; ``tensors`` by place."""
        recipes = self.made_of
        return [recipes[i](tensors) for i in (range(len(recipes)) if wanted is None else wanted)]

    def prepare(self, tensors: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """``tensors`` as the parameters of a call (see ``trainable``), without history."""
        return [t.detach().requires_grad_(grad) for t, grad in zip(tensors, self.trainable, strict=True)]

    @cached_property
    def _inference(self) -> GraphModule:
        return overwriting(self.code)

    def __call__(self, state: State, parameters: Sequence[torch.Tensor]) -> State:
        """Run on one batch.

        The result owns its memory and fills it: no gap, no offset. Kernels choose their code by strides
        and alignment, and every strategy passes through here, so a state that comes out of a cache is
        treated as one that is passed on at once, and no view keeps a larger tensor alive.
        """
        code = self.code if torch.is_grad_enabled() else self._inference
        out: State = code(*state, *parameters)
        return tuple(t if _owns_memory(t) else t.clone() for t in out)


def _owns_memory(tensor: torch.Tensor) -> bool:
    return bool(tensor.untyped_storage().nbytes() == tensor.nbytes and tensor.storage_offset() == 0)


def module_tensors(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Parameters and buffers of ``module`` by name; tied ones stand under each of their names."""
    buffers = dict(module.named_buffers(remove_duplicate=False))
    return {**dict(module.named_parameters(remove_duplicate=False)), **buffers}


@dataclass(frozen=True)
class Architecture:
    """A feature extractor without its parameters: the chain of its segments.

    Attributes:
        segments: in execution order.
        constants: tensors that the graph holds itself, by name; they are stored like parameters.
    """

    segments: tuple[Segment, ...]
    constants: Mapping[str, torch.Tensor] = field(default_factory=dict, compare=False, repr=False)

    @property
    def fingerprint(self) -> str:
        """Digest over the segments' fingerprints."""
        return digest_json([segment.fingerprint for segment in self.segments])

    def parameters_of(self, module: torch.nn.Module) -> list[list[torch.Tensor]]:
        """The tensors of ``module`` that each segment reads, in call order.

        Raises:
            SplitError: ``module`` lacks one of them.
        """
        tensors = {**self.constants, **module_tensors(module)}
        try:
            return [s.prepare([tensors[name] for name in s.parameter_names]) for s in self.segments]
        except KeyError as missing:
            raise SplitError(f"{type(module).__name__} has no parameter or buffer {missing}") from None
