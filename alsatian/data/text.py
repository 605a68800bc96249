"""Text: tokens and a mask of fixed length, by the model's own tokenizer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from blake3 import blake3

from alsatian.data.preprocessing import Preprocessing
from alsatian.errors import ConfigError, StoreError

if TYPE_CHECKING:
    from tokenizers import Tokenizer


@dataclass(frozen=True)
class TextPreprocessing(Preprocessing):
    """Cut or pad every text to ``length`` tokens.

    Attributes:
        tokenizer: BLAKE3 digest of the model's ``tokenizer.json``.
        length: tokens of an item, special tokens included.
        file: where that ``tokenizer.json`` lies; not part of the identity.
    """

    kind = "text"

    tokenizer: str
    length: int
    file: Path | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if self.length < 2:
            raise ConfigError(f"a text length of {self.length} tokens is too short; use at least 2")

    @classmethod
    def of(cls, file: Path, length: int) -> "TextPreprocessing":
        """The preprocessing with the tokenizer in ``file`` (a ``tokenizer.json``)."""
        try:
            return cls(blake3(file.read_bytes()).hexdigest(), length, file)
        except OSError as error:
            raise ConfigError(f"{file}: cannot read the tokenizer ({error.strerror})") from None

    @classmethod
    def from_settings(cls, value: Mapping[str, Any], assets: Path) -> "TextPreprocessing":
        """The inverse of ``settings``; ``assets`` is the store's folder of files by digest."""
        return cls(value["tokenizer"], value["length"], assets / value["tokenizer"])

    def settings(self) -> dict[str, Any]:
        return {"tokenizer": self.tokenizer, "length": self.length}

    @property
    def output_bytes(self) -> int:
        """Bytes of ids and mask, per item (int64 both)."""
        return 2 * 8 * self.length

    def example(self, batch: int = 2) -> tuple[torch.Tensor, ...]:
        """Ids of zero and a full mask, (batch, length) each."""
        shape = (batch, self.length)
        return torch.zeros(shape, dtype=torch.int64), torch.ones(shape, dtype=torch.int64)

    def __call__(self, items: np.ndarray) -> tuple[torch.Tensor, ...]:
        """Texts (N,) of type object -> (ids, mask), both (N, length) int64."""
        encodings = _tokenizer(self.file, self.tokenizer, self.length).encode_batch([str(text) for text in items])
        ids = torch.tensor([encoding.ids for encoding in encodings], dtype=torch.int64)
        mask = torch.tensor([encoding.attention_mask for encoding in encodings], dtype=torch.int64)
        return ids, mask


@cache
def _tokenizer(file: Path | None, digest: str, length: int) -> "Tokenizer":
    """The tokenizer in ``file``, verified, set to cut and pad."""
    from tokenizers import Tokenizer  # takes a moment; only text needs it

    if file is None:
        raise ConfigError("this text preprocessing has no tokenizer file")
    try:
        content = file.read_bytes()
    except OSError as error:
        raise StoreError(f"{file}: cannot read the tokenizer ({error.strerror})") from None
    if blake3(content).hexdigest() != digest:
        raise StoreError(f"{file}: is not the tokenizer that the model was stored with; add the model again")
    tokenizer = Tokenizer.from_str(content.decode())
    tokenizer.enable_truncation(length)
    padding = tokenizer.padding or {}
    tokenizer.enable_padding(
        length=length,
        direction=padding.get("direction", "right"),
        pad_id=padding.get("pad_id", 0),
        pad_token=padding.get("pad_token", "[PAD]"),
    )
    return tokenizer


def text_items(texts: list[str]) -> np.ndarray:
    """``texts`` as raw items (N,) of type object."""
    items = np.empty(len(texts), object)
    items[:] = texts
    return items
