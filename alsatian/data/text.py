"""Text: tokens and a mask of fixed length, by the model's own tokenizer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from blake3 import blake3

from alsatian.data.encoders import Encoder, encoder
from alsatian.data.gate.items import objects
from alsatian.data.preprocessing import Preprocessing
from alsatian.errors import ConfigError, StoreError


@dataclass(frozen=True)
class TextPreprocessing(Preprocessing):
    """Cut or pad every text to ``length`` tokens. Padding stands behind the tokens.

    Attributes:
        tokenizer: BLAKE3 digest of the model's tokenizer; see :mod:`alsatian.data.encoders`.
        length: tokens of an item, special tokens included.
        file: where that tokenizer lies; not part of the identity.
        prompt: put before every text.
        held: what a tokenizer's file that is not on disk yet says; not part of the identity.
    """

    kind = "text"
    modality = "text"

    tokenizer: str
    length: int
    file: Path | None = field(default=None, compare=False)
    prompt: str = ""
    held: bytes | None = field(default=None, compare=False, repr=False)

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
    def holding(cls, content: bytes, length: int, prompt: str = "") -> "TextPreprocessing":
        """The preprocessing with the tokenizer that ``content`` describes."""
        return cls(blake3(content).hexdigest(), length, None, prompt, content)

    @classmethod
    def from_settings(cls, value: Mapping[str, Any], assets: Path) -> "TextPreprocessing":
        """The inverse of ``settings``; ``assets`` is the store's folder of files by digest."""
        prompt = str(value.get("prompt", ""))
        return cls(value["tokenizer"], value["length"], assets / value["tokenizer"], prompt)

    def settings(self) -> dict[str, Any]:
        own = {"prompt": self.prompt} if self.prompt else {}
        return {"tokenizer": self.tokenizer, "length": self.length, **own}

    @property
    def output_bytes(self) -> int:
        """Bytes of ids and mask, per item (int64 both)."""
        return 2 * 8 * self.length

    def example(self, batch: int = 2) -> tuple[torch.Tensor, ...]:
        """Ids of zero and a full mask, (batch, length) each."""
        shape = (batch, self.length)
        return torch.zeros(shape, dtype=torch.int64), torch.ones(shape, dtype=torch.int64)

    @property
    def is_there(self) -> bool:
        """Whether the tokenizer can be had; it cannot for predictions, which look at no text."""
        return self.held is not None or self.file is not None

    def content(self) -> bytes:
        """What the tokenizer's file says, verified.

        Raises:
            ConfigError: there is none.
            StoreError: it cannot be read, or is another one than the model was stored with.
        """
        if self.held is not None:
            return self.held
        if self.file is None:
            raise ConfigError("this text preprocessing has no tokenizer file")
        try:
            content = self.file.read_bytes()
        except OSError as error:
            raise StoreError(f"{self.file}: cannot read the tokenizer ({error.strerror})") from None
        if blake3(content).hexdigest() != self.tokenizer:
            raise StoreError(f"{self.file}: has changed, it is not the tokenizer of the stored model; add it again")
        return content

    def highest_id(self) -> int:
        """The largest id of a token that the tokenizer can give, padding included."""
        return _tokenizer(self, self.file).highest_id

    def __call__(self, items: np.ndarray) -> tuple[torch.Tensor, ...]:
        """Texts (N,) of type object -> (ids, mask), both (N, length) int64."""
        texts = [self.prompt + str(text) for text in items]
        return _tokenizer(self, self.file).encode(texts)


@cache
def _tokenizer(preprocessing: TextPreprocessing, file: Path | None) -> Encoder:
    """The tokenizer of ``preprocessing``, which lies in ``file``, set to cut and pad."""
    return encoder(preprocessing.content(), preprocessing.length)


def text_items(texts: list[str]) -> np.ndarray:
    """``texts`` as raw items (N,) of type object."""
    return objects(texts)
