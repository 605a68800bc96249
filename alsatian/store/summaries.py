"""What is asked of every model of a store, without reading every manifest again: how it is built, its blocks, and
what it was read from.

It only saves time. What was read of a manifest is kept with the looks of its file, so that a new or changed one is
read; it is kept in a file of its own, which is made again where it is missing or damaged. Nothing is loaded by it:
whoever uses a model reads its manifest, which proves itself.
"""

import json
import os
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import unquote

from alsatian.blocks.candidate import Candidate
from alsatian.contents import Facts
from alsatian.errors import StoreError
from alsatian.store.store import BlockStore

ORIGIN = "folder"
"""The entry of a manifest's metadata: ``path``, ``id`` below the folder, ``kind``, ``statement`` and ``key``, the
digest of what all files hold and the settings with which they were read."""
# The number is that of the form in which facts are written.
_PLACE = "models.1"


class Summary(NamedTuple):
    """A model, in short.

    Attributes:
        id: in the store.
        architecture: the builder's name; None for a model that only lived in a process.
        blocks: identity and bytes of parameters of each block of the chain.
        origin: what the manifest says of the files that it was read from; empty if it is from elsewhere.
    """

    id: str
    architecture: str | None
    blocks: tuple[tuple[str, int], ...]
    origin: dict[str, Any]

    @property
    def parameter_bytes(self) -> int:
        """Bytes of all parameters and buffers, as a separate file would hold them."""
        return sum(nbytes for _, nbytes in self.blocks)


class Summaries(Facts):
    """The models of ``store``, in short."""

    def __init__(self, store: BlockStore) -> None:
        super().__init__(store.root / "contents" / _PLACE)
        self._store = store

    def find(self, name: str) -> str:
        candidate = self._store.model(unquote(os.path.basename(name).removesuffix(".json")))
        blocks = " ".join(f"{block.identity} {block.parameter_bytes}" for block in candidate.blocks)
        spec = candidate.architecture
        return json.dumps([spec.name if spec else None, blocks, origin_of(candidate)])

    def one(self, model_id: str) -> Summary:
        """The model ``model_id``.

        Raises:
            StoreError: its manifest is missing or not valid.
        """
        fact = self.of(os.path.abspath(self._store.manifest_path(model_id)))
        architecture, text, origin = json.loads(fact)
        words = text.split()
        return Summary(model_id, architecture, tuple(zip(words[::2], map(int, words[1::2]), strict=True)), origin)

    def all(self) -> list[Summary]:
        """All models, by id.

        Raises:
            StoreError: a manifest is not valid.
        """
        found = [self.one(model_id) for model_id in self._store.model_ids()]
        self.save()
        return found

    def readable(self) -> Iterator[Summary]:
        """Those models whose manifests are valid, by id: whoever needs another one will be told."""
        for model_id in self._store.model_ids():
            try:
                found = self.one(model_id)
            except StoreError:
                continue
            yield found
        self.save()


def origin_of(candidate: Candidate) -> dict[str, Any]:
    """What the manifest says of the files that ``candidate`` was read from; empty if it is from elsewhere."""
    return candidate.metadata.get(ORIGIN) or {}
