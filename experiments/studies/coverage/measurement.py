"""Whether the chain of blocks computes what the model computes, measured for one architecture at a time."""

import time
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from alsatian.blocks.candidate import ArchitectureSpec
from alsatian.blocks.segment import Architecture, State
from alsatian.blocks.split import split
from alsatian.data.preprocessing import ImagePreprocessing, Preprocessing
from alsatian.models.reading.architectures import build
from alsatian.models.reading.features.eager import plain_attention

BATCHES = (1, 5)
"""Batch sizes to compare at, for text with padding and at the last also without; exports see two items."""
FIRST_TOKEN = 5  # ids below it are special tokens in most vocabularies


@dataclass(frozen=True)
class Case:
    """An architecture to cover.

    Attributes:
        spec: how to build it.
        preprocessing: what its input looks like.
        vocabulary: token ids are drawn below it; 0 for images.
    """

    spec: ArchitectureSpec
    preprocessing: Preprocessing
    vocabulary: int = 0

    @property
    def name(self) -> str:
        """Library and name, unique in a table."""
        return f"{self.spec.source}/{self.spec.name}"

    @property
    def input(self) -> str:
        """The input of one item, in words."""
        if isinstance(self.preprocessing, ImagePreprocessing):
            return f"{self.preprocessing.size} px"
        return f"{self.preprocessing.example()[0].shape[1]} tokens"


@dataclass(frozen=True)
class CoverageRow:
    """What was found for one case.

    Attributes:
        name: see :attr:`Case.name`.
        input: size of one item.
        pooling: how one vector per item is made.
        parameters: how many numbers the chain reads as parameters and buffers, shared ones once.
        blocks: how many the chain has.
        largest_share: the largest block's share of the chain's parameters, between 0 and 1.
        exact: whether the chain returned eager's features, bit for bit, at every batch size.
        seconds: for export and split.
        error: why it is not exact; empty if it is.
    """

    name: str
    input: str
    pooling: str = ""
    parameters: int = 0
    blocks: int = 0
    largest_share: float = 0.0
    exact: bool = False
    seconds: float = 0.0
    error: str = ""


def check(case: Case, seed: int = 0) -> CoverageRow:
    """Split the architecture of ``case`` and compare chain and eager.

    Parameters, running statistics and inputs are drawn from ``seed``. Never raises for what the architecture
    does: an error becomes the row's ``error``, in one line.
    """
    found: dict[str, Any] = {}
    try:
        with torch.random.fork_rng(devices=[]), plain_attention():
            torch.manual_seed(seed)
            module = build(case.spec, case.preprocessing)
            found["pooling"] = module.pooling
            generator = torch.Generator().manual_seed(seed)
            enliven(module, generator)
            start = time.perf_counter()
            architecture = split(module, case.preprocessing.example())
            found["seconds"] = time.perf_counter() - start
            found |= _sizes(architecture, module)
            found["error"] = _difference(case, module, architecture, generator)
    except Exception as error:  # whatever a library raises, the other cases still have to be measured
        lines = str(error).strip().splitlines()
        found["error"] = f"{type(error).__name__}: {lines[0] if lines else ''}"
    return CoverageRow(case.name, case.input, exact=found["error"] == "", **found)


def enliven(module: nn.Module, generator: torch.Generator) -> None:
    """Give every tensor of ``module`` whose elements are all equal some noise, in place.

    Zero biases, scales of one and fresh running statistics would hide that a block reads the wrong tensor.
    """
    with torch.no_grad():
        for name, tensor in (*module.named_parameters(), *module.named_buffers()):
            if not tensor.is_floating_point() or tensor.numel() < 2 or tensor.min() != tensor.max():
                continue
            if name.endswith("running_var"):
                tensor.uniform_(0.5, 1.5, generator=generator)
            else:
                tensor.add_(torch.randn(tensor.shape, generator=generator), alpha=0.1)


def inputs(case: Case, batch: int, padded: bool, generator: torch.Generator) -> State:
    """Random items: pixels (N, 3, H, W), or token ids and a mask, (N, T) each, with padding at the end."""
    example = case.preprocessing.example(batch)
    if len(example) == 1:
        return (torch.randn(example[0].shape, generator=generator),)
    ids = torch.randint(FIRST_TOKEN, case.vocabulary, example[0].shape, generator=generator)
    length = ids.shape[1]
    lengths = torch.randint(length // 2, length, (batch, 1), generator=generator) if padded else length
    return ids, (torch.arange(length).expand(batch, -1) < lengths).to(torch.int64)


def run_chain(architecture: Architecture, module: nn.Module, state: State) -> torch.Tensor:
    """Features (N, D) by the chain, with the parameters of ``module``."""
    with torch.no_grad():
        for segment, parameters in zip(architecture.segments, architecture.parameters_of(module), strict=True):
            state = segment(state, parameters)
    (features,) = state
    return features


def _sizes(architecture: Architecture, module: nn.Module) -> dict[str, Any]:
    """Number of blocks and parameters, and the largest block's share of them."""
    blocks = architecture.parameters_of(module)
    # By address, since one tensor may go by several names and be read by several blocks.
    total = sum({t.data_ptr(): t.numel() for block in blocks for t in block}.values())
    largest = max(sum(t.numel() for t in block) for block in blocks)
    return {"parameters": total, "blocks": len(blocks), "largest_share": largest / max(total, 1)}


def _difference(case: Case, module: nn.Module, architecture: Architecture, generator: torch.Generator) -> str:
    """What tells chain and eager apart, in words; empty if nothing does."""
    comparisons = [(batch, True) for batch in BATCHES]
    if case.vocabulary:
        comparisons.append((BATCHES[-1], False))
    for batch, padded in comparisons:
        given = inputs(case, batch, padded, generator)
        with torch.no_grad():
            expected = module(*given)
        if expected.dim() != 2 or len(expected) != batch:
            return f"features of shape {tuple(expected.shape)} for {batch} items"
        if not expected.isfinite().all() or expected.std() == 0:
            return "features that are constant or not finite prove nothing"
        features = run_chain(architecture, module, given)
        if not torch.equal(features, expected):
            return f"differs by up to {(features - expected).abs().max().item():.1e} at batch size {batch}"
    return ""
