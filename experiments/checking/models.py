"""Tiny models and data to check with: made in moments, and run as any others."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from alsatian.blocks.candidate import Candidate
from alsatian.blocks.split import split
from alsatian.data.dataset import Dataset
from alsatian.data.gate.items import objects
from alsatian.data.preprocessing import ImagePreprocessing, Preprocessing
from alsatian.data.text import TextPreprocessing
from alsatian.models.model_set import ModelSet
from alsatian.models.sets.synthetic import letter_tokenizer, redraw
from alsatian.store.store import BlockStore

DEPTH = 4
"""Stages of a whole model."""
CLASSES = 3
_SIDE, _TOKENS, _WIDTH = 8, 6, 8


class _Image(torch.nn.Sequential):
    """Convolutions: (N, 3, 8, 8) -> (N, 8, 4, 4)."""

    def __init__(self) -> None:
        stages = ((3, 4, 1), (4, 4, 1), (4, 8, 2), (8, 8, 1))
        super().__init__(
            *(
                torch.nn.Sequential(torch.nn.Conv2d(ins, outs, 3, stride=stride, padding=1), torch.nn.ReLU())
                for ins, outs, stride in stages
            )
        )


class _Text(torch.nn.Module):
    """Layers over tokens whose mean, without padding, is the features: ids and mask (N, 6) -> (N, 8)."""

    def __init__(self, tokens: int) -> None:
        super().__init__()
        self.embedding = torch.nn.Embedding(tokens, _WIDTH)
        self.layers = torch.nn.ModuleList(torch.nn.Linear(_WIDTH, _WIDTH) for _ in range(DEPTH - 1))

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Features (N, 8)."""
        shown = mask.unsqueeze(-1).to(torch.float32)
        x = self.embedding(ids)
        for layer in self.layers:
            x = torch.tanh(layer(x)) + (x * shown).mean(1, keepdim=True)
        return (x * shown).sum(1) / shown.sum(1)


@dataclass(eq=False)
class Family:
    """Models of one architecture in ``store``: a letter for every block, so that models with the same beginning
    share these blocks. One with fewer letters ends early: its chain is the beginning of others'."""

    store: BlockStore
    text: bool
    _blocks: dict[tuple[int, str], object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.preprocessing: Preprocessing = ImagePreprocessing(_SIDE)
        if self.text:
            content, tokens = letter_tokenizer()
            self.preprocessing = TextPreprocessing.holding(content, _TOKENS)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            module = (_Text(tokens) if self.text else _Image()).eval()
        self._built = split(module, self.preprocessing.example())
        self._origin = [[t.detach() for t in tensors] for tensors in self._built.parameters_of(module)]

    def models(self, names: Sequence[str]) -> ModelSet:
        """Models by their letters; their ids are letters behind a number."""
        segments = {}
        candidates = []
        with self.store.adding() as adding:
            for number, letters in enumerate(names, start=1):
                # What the architecture has more blocks than letters for is as the last letter says.
                whole = len(letters) == DEPTH
                chain = letters.ljust(len(self._built.segments), letters[-1]) if whole else letters
                blocks = []
                for position, letter in enumerate(chain):
                    segment = self._built.segments[position]
                    tensors = redraw(segment, self._origin[position], (position, ord(letter)))
                    block = adding.add_block(segment.fingerprint, tensors, segment.output_bytes)
                    segments[block.identity] = segment
                    blocks.append(block)
                candidates.append(Candidate(f"{number}:{letters}", tuple(blocks), None, self.preprocessing))
        return ModelSet(tuple(candidates), self.store, segments)

    def data(self, train: int, test: int) -> Dataset:
        """So many items of three classes that look different."""
        rng = np.random.default_rng(0)
        labels = np.arange(train + test) % CLASSES
        if self.text:
            # Of one length, since predictions know texts by their mean; padding differs all the same.
            words = [["red sun", "wet sea", "old oak"][label] for label in labels]
            items = objects(
                [
                    f"{text[:at]} {text[at:]}"
                    for text, at in zip(words, rng.integers(0, 8, len(labels)), strict=True)
                ]
            )
        else:
            noise = rng.integers(0, 120, (train + test, _SIDE, _SIDE))
            items = (noise + 60 * labels[:, None, None]).astype(np.uint8)
        return Dataset("check", items[:train], labels[:train], items[train:], labels[train:], CLASSES)
