"""Tokenizers as one file each: a ``tokenizer.json`` of the library tokenizers, or all files of a tokenizer that
exists in Python only. Tokens stand first and padding behind them, where it moves no positions.
"""

import base64
import json
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Protocol

import torch

from alsatian.errors import ConfigError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_FILES = "tokenizer_files"


class Encoder(Protocol):
    """Turns texts into tokens.

    Attributes:
        highest_id: the largest id of a token that it can give, padding included.
    """

    highest_id: int

    def encode(self, texts: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
        """Ids of tokens and a mask that is 1 for tokens and 0 for padding, both (N, length) int64."""
        ...


def encoder(content: bytes, length: int) -> Encoder:
    """The tokenizer that ``content`` describes, set to cut and pad texts to ``length`` tokens."""
    value = json.loads(content)
    if isinstance(value, dict) and _FILES in value:
        return _Library(value, length)
    from tokenizers import Tokenizer  # takes a moment; only text needs it

    return _Fast(Tokenizer.from_str(content.decode()), length)


class _Fast:
    def __init__(self, tokenizer: "Tokenizer", length: int) -> None:
        padding, truncation = tokenizer.padding or {}, tokenizer.truncation or {}
        tokenizer.enable_truncation(length, direction=truncation.get("direction", "right"))
        pad, token = padding.get("pad_id", 0), padding.get("pad_token", "[PAD]")
        tokenizer.enable_padding(length=length, pad_id=pad, pad_token=token)
        self.highest_id = max(*tokenizer.get_vocab(with_added_tokens=True).values(), pad)
        self._tokenizer = tokenizer

    def encode(self, texts: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
        encodings = self._tokenizer.encode_batch(texts)
        ids = torch.tensor([encoding.ids for encoding in encodings], dtype=torch.int64)
        return ids, torch.tensor([encoding.attention_mask for encoding in encodings], dtype=torch.int64)


class _Library:
    def __init__(self, value: dict[str, Any], length: int) -> None:
        from transformers import AutoTokenizer  # takes seconds to import

        with TemporaryDirectory(prefix="alsatian-") as folder:
            for name, content in value[_FILES].items():
                if Path(name).name != name:
                    raise ConfigError(f"a tokenizer's file '{name}' lies in another folder")
                (Path(folder) / name).write_bytes(base64.b64decode(content))
            self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        self._length, self._lower = length, bool(value["lower"])
        self._pad = self._tokenizer.pad_token_id or 0
        self.highest_id = max(*self._tokenizer.get_vocab().values(), self._pad)

    def encode(self, texts: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
        texts = [text.lower() for text in texts] if self._lower else texts
        rows = [self._tokenizer(t, truncation=True, max_length=self._length)["input_ids"] for t in texts]
        ids = torch.full((len(rows), self._length), self._pad, dtype=torch.int64)
        mask = torch.zeros_like(ids)
        for i, row in enumerate(rows):
            ids[i, : len(row)] = torch.tensor(row, dtype=torch.int64)
            mask[i, : len(row)] = 1
        return ids, mask


def all_files(folder: Path, names: Iterable[str], lower: bool) -> bytes:
    """The files of a tokenizer in ``folder``, those of ``names`` that are there, as one file; ``lower``: put texts
    into lower case first.
    """
    paths = [folder / name for name in sorted(set(names)) if (folder / name).is_file()]
    held = {path.name: base64.b64encode(path.read_bytes()).decode() for path in paths}
    return json.dumps({_FILES: held, "lower": lower}, sort_keys=True).encode()
