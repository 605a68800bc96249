"""What a candidate has to be in evaluation mode: a function of its input, left as it was found."""

import contextlib
import inspect
import random
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import torch
from torch.fx import Node
from torch.utils import _pytree as pytree

from alsatian.errors import SplitError, first_line

# Runs of a module that draws random numbers of Python or NumPy, which it may use in few of them.
MORE_RUNS = 32
# Code, by fingerprint, that was run twice in this process.
_repeatable: set[str] = set()
# Arguments that switch an operator's random numbers off when they are zero or false.
_SWITCHES = ("train", "training", "dropout", "dropout_p")


@contextlib.contextmanager
def evaluated(module: torch.nn.Module) -> Iterator[torch.nn.Module]:
    """``module`` in evaluation mode; afterwards every part of it is in the mode it was in, with the attributes
    that it had.

    Raises:
        SplitError: it has no evaluation mode.
    """
    trained = module.training
    before = [(part, dict(part.__dict__)) for part in module.modules()]
    try:
        if any(part.training for part, _ in before):
            try:
                module.eval()
            except NotImplementedError as error:
                raise SplitError(f"{type(module).__name__} has no evaluation mode: {first_line(error)}") from None
        yield module
    finally:
        if trained and not module.training:
            module.train()  # some merge parameters in evaluation mode, and take them apart again here
        for part, attributes in before:
            part.__dict__.clear()
            part.__dict__.update(attributes)


def check_no_randomness(nodes: Iterable[Node], name: str) -> None:
    """Refuse a graph of which one of ``nodes`` draws random numbers; ``name`` is the module's class.

    Raises:
        SplitError: names the operator.
    """
    for node in nodes:
        tags = getattr(node.target, "tags", ())
        if torch.Tag.nondeterministic_seeded in tags and not _switched_off(node):
            hint = "; a functional dropout takes training=self.training" if "dropout" in str(node.target) else ""
            raise SplitError(
                f"{name} is no function of its input: {node.target} draws random numbers in evaluation mode{hint}"
            )


def _switched_off(node: Node) -> bool:
    """Whether an operator that may draw random numbers does not, by its arguments."""
    operator: Any = node.target
    values = {argument.name: argument.default_value for argument in operator._schema.arguments}
    values |= dict(zip(values, node.args, strict=False)) | node.kwargs
    switches = (*_SWITCHES, "p") if "dropout" in operator._schema.name else _SWITCHES
    return any(name in values and values[name] in (False, 0) for name in switches)


@torch.no_grad()
def check_repeatable(module: torch.nn.Module, example: tuple[torch.Tensor, ...], code: str = "") -> None:
    """Run ``module`` twice, on noise like ``example``, and refuse it if it returns other bits.

    That finds what no graph shows: random numbers of Python and NumPy, and state that a module keeps outside of
    its buffers. A module that draws such numbers may seldom use them, so it is run more often. The caller's random
    state is left alone. Of modules with the same ``code``, a fingerprint, one a process is run.

    Raises:
        SplitError: it is no function of its input, or cannot be run.
    """
    if code in _repeatable:
        return
    name, place = type(module).__name__, next(module.parameters(), example[0]).device
    generator = torch.Generator().manual_seed(0)
    batch = [t.to(place, copy=True) for t in example]
    for tensor in batch:
        if tensor.is_floating_point():
            tensor.copy_(torch.rand(tensor.shape, generator=generator))
    with evaluated(module), random_state() as drawn:
        try:
            first = tensors(module(*batch))
            first = [tensor.clone() for tensor in first]
            runs = MORE_RUNS if drawn() else 1
            same = all(_equal(first, tensors(module(*batch))) for _ in range(runs))
        except Exception as error:  # modules raise many types
            raise SplitError(f"{name} cannot be run: {first_line(error)}") from error
    if not same:
        raise SplitError(
            f"{name} is no function of its input: two runs of one batch in evaluation mode give other features"
        )
    if code:
        _repeatable.add(code)


def _equal(ones: list[torch.Tensor], others: list[torch.Tensor]) -> bool:
    return [t.shape for t in ones] == [t.shape for t in others] and all(
        torch.allclose(a, b, rtol=0, atol=0, equal_nan=True) for a, b in zip(ones, others, strict=True)
    )


@contextlib.contextmanager
def random_state() -> Iterator[Callable[[], bool]]:
    """Put the state of all generators back. Gives a function that says whether Python's or NumPy's were used."""
    python, numpy = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=[]):
        try:
            yield lambda: random.getstate() != python or str(np.random.get_state()) != str(numpy)
        finally:
            random.setstate(python)
            np.random.set_state(numpy)


def tensors(output: Any) -> list[torch.Tensor]:
    """The tensors in a module's ``output``, which may hold them in tuples, lists and dicts."""
    return [leaf for leaf in pytree.tree_leaves(output) if isinstance(leaf, torch.Tensor)]


def takes_any_number(module: torch.nn.Module) -> bool:
    """Whether ``module`` takes its inputs as ``*args``, as wrappers do."""
    first = next(iter(inspect.signature(module.forward).parameters.values()), None)
    return first is not None and first.kind is inspect.Parameter.VAR_POSITIONAL
