"""Features of earlier searches, for the same models on the same items."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from alsatian.blocks.candidate import Candidate
from alsatian.data.dataset import Dataset
from alsatian.fingerprint import digest_json
from alsatian.runtime.features import Features
from alsatian.runtime.reuse.bits import surroundings
from alsatian.runtime.reuse.kept_files import KeptFile, KeptFiles
from alsatian.runtime.reuse.layout import Layout, arranged
from alsatian.units import count_text

LIMIT = 4 * 1024**3
"""Bytes that kept features take at most, if nothing else is said."""
# Of kept files; another one finds none of them. 2: layouts say where batches end.
_FORMAT = 2


@dataclass(frozen=True)
class Reused:
    """What a search need not extract.

    Attributes:
        models, of_models: how many have features from before, and how many there are.
        batches, of_batches: the same for batches, each counted once for every model.
        items: items of these batches, counted likewise.
        earlier_order: whether items stand in the order of an earlier search, and items of its test part in the test
            part.
        what: ``"model"``, or ``"layer"`` where these are layers of models.
    """

    models: int
    of_models: int
    batches: int
    of_batches: int
    items: int
    earlier_order: bool
    what: str = "model"

    @property
    def text(self) -> str:
        """In one line; empty if nothing is reused."""
        if not self.models:
            return ""
        order = "; items stand in the order and the parts of an earlier search" if self.earlier_order else ""
        return (
            f"features of {self.models:,} of {count_text(self.of_models, self.what)} from earlier searches, "
            f"{self.batches:,} of {self.of_batches:,} batches{order}"
        )


@dataclass(frozen=True)
class Session:
    """One search's use of a :class:`FeatureCache`.

    Attributes:
        dataset: the items, in the order in which most can be reused.
        features: what is reused, on the CPU; models with the same content hold the same tensors.
        reused: how much that is.
    """

    dataset: Dataset
    features: Features
    reused: Reused
    _files: KeptFiles
    _layout: Layout
    _contents: Mapping[str, str]
    # Digests of batches that are on disk, by the models' content.
    _held: dict[str, set[str]] = field(default_factory=dict)

    def keep(self, models: Sequence[str], features: Mapping[int, torch.Tensor]) -> None:
        """Keep ``features`` (items, D) by the index of their batch for later searches; ``models`` share them."""
        keyed = {self._layout.batches[index][0]: tensor for index, tensor in features.items()}
        for content in {self._contents[model] for model in models}:
            held = self._held.setdefault(content, set())
            self._files.write(content, self._layout, {k: tensor for k, tensor in keyed.items() if k not in held})
            held.update(keyed)


@dataclass(frozen=True)
class FeatureCache:
    """Features kept in ``folder``, in ``limit`` bytes at most; those least recently used go first.

    What is kept only saves time: features are bit for bit those that would be extracted, since they count only for
    the same blocks and preprocessing, the same items in the same order in a batch, and the same code, libraries,
    device and threads.
    """

    folder: Path
    limit: int = LIMIT

    def session(
        self,
        models: Sequence[Candidate],
        dataset: Dataset,
        batch_size: int,
        device: torch.device,
        bits: Sequence[str] = (),
        elsewhere: Mapping[str, Any] | None = None,
    ) -> Session:
        """A search of ``models`` over ``dataset`` in batches of ``batch_size`` on ``device``, with further settings
        of the search that change ``bits`` of features. What is else ``elsewhere`` takes the place of
        :func:`~alsatian.runtime.reuse.bits.surroundings` here, if another process extracts.

        Raises:
            ConfigError: an item's file cannot be read.
        """
        around = {**surroundings(device), **(elsewhere or {})}
        files = KeptFiles(self.folder, self.limit, digest_json([_FORMAT, around, batch_size, *bits]))
        contents = {model.id: model.content for model in models}
        kept = {content: files.of(content) for content in dict.fromkeys(contents.values())}
        users = Counter(contents.values())
        worth: Counter[str] = Counter()
        for content, found in kept.items():
            for key in {key for file in found for key in file.keys}:
                worth[key] += users[content]
        own = Layout.of(dataset, batch_size)
        chosen, layout = _best(dataset, own, files, kept, worth)
        features = _features(layout, contents, files, kept)
        items = [count for _, count in layout.batches]
        reused = Reused(
            models=len(features),
            of_models=len(models),
            batches=sum(map(len, features.values())),
            of_batches=len(models) * len(layout.batches),
            items=sum(items[index] for batches in features.values() for index in batches),
            earlier_order=layout != own,
        )
        held = {
            contents[model]: {layout.batches[index][0] for index in batches} for model, batches in features.items()
        }
        return Session(chosen, features, reused, files, layout, contents, held)


def _best(
    dataset: Dataset,
    own: Layout,
    files: KeptFiles,
    kept: Mapping[str, Sequence[KeptFile]],
    worth: Mapping[str, int],
) -> tuple[Dataset, Layout]:
    """The order in which most features can be reused: the dataset's own, unless an earlier one is better."""
    best, most = (dataset, own), _items(own, worth)
    for name in sorted({file.layout for found in kept.values() for file in found}):
        earlier = files.layout(name)
        other = None if earlier is None else arranged(dataset, own, earlier)
        if other is not None and (gained := _items(other[1], worth)) > most:
            best, most = other, gained
    return best


def _items(layout: Layout, worth: Mapping[str, int]) -> int:
    """Items whose features are kept, each counted once for every model."""
    return sum(worth.get(key, 0) * count for key, count in layout.batches)


def _features(
    layout: Layout, contents: Mapping[str, str], files: KeptFiles, kept: Mapping[str, Sequence[KeptFile]]
) -> Features:
    """What is kept of the batches of ``layout``."""
    found: dict[str, dict[int, torch.Tensor]] = {}
    for content, candidates in kept.items():
        needed = {key for key, _ in layout.batches}
        by_key: dict[str, torch.Tensor] = {}
        for file in candidates:
            if needed & set(file.keys) - by_key.keys():
                by_key |= files.read(file)
        found[content] = {i: by_key[key] for i, (key, _) in enumerate(layout.batches) if key in by_key}
    return {model: found[content] for model, content in contents.items() if found[content]}
