"""What there is to know about one model: its blocks, what it shares with others, and what it takes as input."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from PIL.Image import Resampling

from alsatian.blocks.candidate import Block, Candidate
from alsatian.blocks.segment import Segment
from alsatian.data.library_images import LibraryImages
from alsatian.data.preprocessing import ImagePreprocessing, Preprocessing
from alsatian.data.text import TextPreprocessing
from alsatian.errors import StoreError
from alsatian.models.flops import Costs
from alsatian.models.layers import layers
from alsatian.store.store import BlockStore

# What names a block, in this order: what weighs most is said.
_OPERATORS = {
    "scaled_dot_product_attention": "attention", "conv": "convolution", "linear": "linear", "addmm": "linear",
    "mm": "matrix product", "bmm": "matrix product", "embedding": "embedding", "layer_norm": "norm",
    "batch_norm": "norm", "group_norm": "norm", "pool": "pooling", "mean": "pooling",
}  # fmt: skip
# How settings of image processors and transforms are called where their values are worth a word.
_SETTINGS = {
    "size": "size", "resize_size": "resize", "crop_size": "crop", "crop_pct": "crop share", "do_resize": "resize",
    "do_center_crop": "centre crop", "interpolation": "interpolation", "resample": "interpolation",
    "do_rescale": "rescale", "rescale_factor": "factor", "do_normalize": "normalise", "mean": "mean",
    "image_mean": "mean", "std": "std", "image_std": "std",
}  # fmt: skip


@dataclass(frozen=True)
class BlockFacts:
    """One block.

    Attributes:
        position: in the chain, from 0.
        layer: the layer of the network that it belongs to, as its parameters are named.
        kind: what it computes, in a few words.
        identity: see :class:`~alsatian.blocks.candidate.Block`.
        architecture: digest of its code; blocks that differ only in parameters have the same.
        bytes: of its parameters and buffers.
        output_bytes: of the state behind it, per item.
        parameters, flops: see :class:`~alsatian.models.flops.Costs`.
        models: how many other models of the store have it.
    """

    position: int
    layer: str
    kind: str
    identity: str
    architecture: str
    bytes: int
    output_bytes: int
    parameters: int
    flops: int
    models: int


@dataclass(frozen=True)
class Shared:
    """What a model has in common with the model ``id`` of the store.

    Attributes:
        prefix: how many first blocks, behind equal preprocessing: what a search computes once for both.
        prefix_bytes: of their parameters.
        blocks, bytes: of all blocks that both have, wherever they stand: what a search reads once.
    """

    id: str
    prefix: int
    prefix_bytes: int
    blocks: int
    bytes: int


@dataclass(frozen=True)
class Inspection:
    """A model.

    Attributes:
        id: what it is called.
        architecture: the library and its name there.
        blocks: from the input to the features.
        bytes, parameters, flops: of all blocks; operations of one item.
        uncounted: operators that are not among ``flops``, see :class:`~alsatian.models.flops.Costs`.
        shared: models of the store that have blocks with parameters in common with it, the longest prefix first.
        contract: what its input is and what becomes of its head, as pairs of a word and an explanation.
        notes: what was assumed when it was read.
    """

    id: str
    architecture: str
    blocks: tuple[BlockFacts, ...]
    bytes: int
    parameters: int
    flops: int
    uncounted: tuple[str, ...]
    shared: tuple[Shared, ...]
    contract: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]


def inspect(
    candidate: Candidate, segments: Mapping[str, Segment], costs: Costs, others: Iterable[Candidate]
) -> Inspection:
    """The facts of ``candidate``, of which ``segments`` have the code by block identity, beside ``others``."""
    others = list(others)
    chain = [segments[block.identity] for block in candidate.blocks]
    layer = {i: one.name for one in layers(chain) for i in range(one.start, one.stop)}
    owners = [{block.identity for block in other.blocks} for other in others]
    blocks = tuple(
        BlockFacts(
            position=i,
            layer=layer[i],
            kind=_kind(segment),
            identity=block.identity,
            architecture=segment.fingerprint,
            bytes=block.parameter_bytes,
            output_bytes=block.output_bytes,
            parameters=costs.parameters[i],
            flops=costs.flops[i],
            models=sum(block.identity in own for own in owners),
        )
        for i, (block, segment) in enumerate(zip(candidate.blocks, chain, strict=True))
    )
    shared = [one for other in others if (one := _shared(candidate, other)).bytes]
    spec = candidate.architecture
    return Inspection(
        id=candidate.id,
        architecture=f"{spec.source} {spec.name}" if spec else "",
        blocks=blocks,
        bytes=candidate.parameter_bytes,
        parameters=costs.total_parameters,
        flops=costs.total_flops,
        uncounted=costs.uncounted,
        shared=tuple(sorted(shared, key=lambda one: (-one.prefix, -one.bytes, one.id))),
        contract=tuple(_contract(candidate)),
        notes=tuple(map(str, candidate.metadata.get("notes", ()))),
    )


def others_in(store: BlockStore, but: str | None = None) -> Iterator[Candidate]:
    """The models of ``store``, without the one with the id ``but`` and without those whose manifest is damaged."""
    for model_id in store.model_ids():
        try:
            if model_id != but:
                yield store.model(model_id)
        except StoreError:
            continue  # 'alsatian store verify' says what is wrong with it


def _shared(ours: Candidate, other: Candidate) -> Shared:
    same = ours.preprocessing.fingerprint == other.preprocessing.fingerprint
    pairs = list(zip(ours.blocks, other.blocks, strict=False)) if same else []
    prefix = next((i for i, (a, b) in enumerate(pairs) if a.identity != b.identity), len(pairs))
    theirs = {block.identity for block in other.blocks}
    common = [block for block in ours.blocks if block.identity in theirs]
    return Shared(other.id, prefix, _bytes(ours.blocks[:prefix]), len(common), _bytes(common))


def _bytes(blocks: Sequence[Block]) -> int:
    return sum(block.parameter_bytes for block in blocks)


def _kind(segment: Segment) -> str:
    """What ``segment`` computes: its operators of note, each once."""
    names = [str(node.target) for node in segment.code.graph.nodes if node.op == "call_function"]
    found = [
        word for operator, word in _OPERATORS.items() if any(re.search(rf"[._]{operator}", name) for name in names)
    ]
    return ", ".join(dict.fromkeys(found)) or "other"


def _contract(candidate: Candidate) -> Iterator[tuple[str, str]]:
    yield from _input(candidate.preprocessing)
    if tower := candidate.metadata.get("modality"):
        yield "tower", f"that for {tower}s"
    spec = candidate.architecture
    if spec is not None:
        yield "head", "cut off" + (", features are its input" if spec.pooling == "head_input" else "")
        if spec.pooling not in (None, "head_input"):
            yield "pooling", str(spec.pooling)
        if spec.layers:
            yield "behind it", ", ".join(str(layer["kind"]) for layer in spec.layers)
    if base := candidate.metadata.get("base"):
        yield "adapter", f"merged into {base}"


def _input(preprocessing: Preprocessing) -> Iterator[tuple[str, str]]:
    if isinstance(preprocessing, TextPreprocessing):
        yield "input", f"texts of at most {preprocessing.length} tokens"
        yield "tokenizer", f"its own ({preprocessing.tokenizer[:12]})"
        if preprocessing.prompt:
            yield "prompt", f"'{preprocessing.prompt}' before every text"
    elif isinstance(preprocessing, ImagePreprocessing):
        yield "input", f"images of {preprocessing.size}×{preprocessing.size} pixels"
        numbers = f"mean {_numbers(preprocessing.mean)}, std {_numbers(preprocessing.std)}"
        yield "prepared", f"resized to a square (bilinear), {numbers}"
    elif isinstance(preprocessing, LibraryImages):
        yield "input", f"images of {preprocessing.height}×{preprocessing.width} pixels"
        yield "prepared", f"by {preprocessing.name}: {_said(preprocessing.settings()['given'])}"
    else:
        yield "input", preprocessing.modality or "tensors"


def _said(given: Mapping[str, Any]) -> str:
    """Settings of a library in words; those that are switched off are said, too."""
    words = []
    for key, word in _SETTINGS.items():
        value = given.get(key)
        if value is None or (key == "rescale_factor" and value == 1 / 255):
            continue  # the usual one
        if isinstance(value, bool):
            words += [] if value else [f"no {word}"]
        elif key == "resample":
            words.append(f"{word} {Resampling(int(value)).name.lower()}")
        else:
            words.append(f"{word} {_numbers(value)}")
    return ", ".join(words)


def _numbers(value: Any) -> str:
    if isinstance(value, Mapping):
        return " ".join(f"{key} {number}" for key, number in value.items() if number is not None)
    if isinstance(value, list | tuple):
        return "/".join(map(_numbers, value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)
