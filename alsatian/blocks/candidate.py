"""A candidate model as data: a chain of blocks and what is needed to run it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from alsatian.data.preprocessing import Preprocessing
from alsatian.data.text import TextPreprocessing
from alsatian.fingerprint import DIGEST, digest_json

HEAD = "head"
"""Of the metadata: the digest of the model's own classifier and its number of classes, or why there is none."""


@dataclass(frozen=True, slots=True)
class Block:
    """A block of one model.

    Attributes:
        identity: digest of architecture and parameters; equal identity means equal function.
        parameter_bytes: bytes of its parameters and buffers.
        output_bytes: bytes of the state behind it, per item.
    """

    identity: str
    parameter_bytes: int
    output_bytes: int


@dataclass(frozen=True)
class ArchitectureSpec:
    """How to build a feature extractor again, without its parameters.

    Attributes:
        source: the library that defines it, e.g. ``"torchvision"``.
        name: the builder's name there.
        options: its arguments, as plain data.
        pooling: how tokens or a feature map become one vector; None for the rule's choice.
        layers: behind pooling, as plain data; see :func:`alsatian.models.reading.features.pooling.behind`.
    """

    source: str
    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    pooling: str | None = None
    layers: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True)
class Candidate:
    """A candidate model.

    Attributes:
        id: unique in a model set.
        blocks: the chain, from the input to the features.
        architecture: how to build it again; None for a model that only lives in this process.
        preprocessing: what turns a raw item into the model's input.
        metadata: anything worth keeping about where it came from.
    """

    id: str
    blocks: tuple[Block, ...]
    architecture: ArchitectureSpec | None
    preprocessing: Preprocessing
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def content(self) -> str:
        """Digest of what it computes: models with the same one have the same features."""
        return digest_json([self.preprocessing.fingerprint, [block.identity for block in self.blocks]])

    @property
    def dimension(self) -> int:
        """Values of its features, float32, for an item."""
        return self.blocks[-1].output_bytes // 4

    @property
    def parameter_bytes(self) -> int:
        """Bytes of all parameters and buffers, as a separate file would hold them."""
        return sum(block.parameter_bytes for block in self.blocks)

    @property
    def head(self) -> str | None:
        """The digest of the file with its own classifier; None if none is kept."""
        kept = self.metadata.get(HEAD)
        digest = kept.get("digest") if isinstance(kept, Mapping) else None
        return digest if isinstance(digest, str) and DIGEST.fullmatch(digest) else None

    @property
    def assets(self) -> dict[str, str]:
        """Files of the store that it needs besides its blocks: what each is, by digest."""
        texts = self.preprocessing if isinstance(self.preprocessing, TextPreprocessing) else None
        return {
            **({texts.tokenizer: "tokenizer"} if texts else {}),
            **({self.head: "classifier"} if self.head else {}),
        }


def chain_bytes(chains: Iterable[Sequence[Block]]) -> tuple[int, int]:
    """Bytes of the parameters of ``chains``: all of them, as separate files would hold them, and distinct ones."""
    blocks = [block for chain in chains for block in chain]
    distinct = {block.identity: block.parameter_bytes for block in blocks}
    return sum(block.parameter_bytes for block in blocks), sum(distinct.values())
