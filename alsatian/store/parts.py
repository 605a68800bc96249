"""Parts of blocks that differ: the parameters that the same blocks of a search have in common.

A fine-tune that changes few tensors of a block shares the others with its base. They are read, held and dropped as
a part of their own, so that they are read once and take memory once.
"""

import contextlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from alsatian.blocks.candidate import Block
from alsatian.blocks.segment import Segment
from alsatian.errors import StoreError
from alsatian.fingerprint import digest_json
from alsatian.store.store_files import StoreFiles
from alsatian.store.tensor_index import WORTH_BYTES


class Part(NamedTuple):
    """Some parameters of a block.

    Attributes:
        identity: equal where the parameters are.
        nbytes: that they take in memory, at most.
        read_bytes: that reading them takes.
        sources: places of the stored tensors that they are made of.
        parameters: which of those that the block's code takes they are.
    """

    identity: str
    nbytes: int
    read_bytes: int
    sources: tuple[int, ...]
    parameters: tuple[int, ...]

    @property
    def unit(self) -> Block:
        """It as if it were a block, for what it costs."""
        return Block(self.identity, self.nbytes, 0)


Parts = Mapping[str, tuple[Part, ...]]
"""The parts of blocks, by the identity of the block; those of one have all of its parameters."""
NO_PARTS: Parts = {}
_Key = tuple[str, tuple[tuple[str, int, int], ...]]
"""The form of a parameter, and the tensors that it is made of: whose file, where in it, and how many bytes."""


def units(block: Block, parts: Parts) -> list[Block]:
    """What is loaded for a block: the block, or its parts."""
    return [part.unit for part in parts[block.identity]] if block.identity in parts else [block]


def unit_bytes(blocks: Iterable[Block], parts: Parts) -> int:
    """Bytes of the parameters of ``blocks``, with those that several have in common once."""
    return sum({unit.identity: unit.parameter_bytes for block in blocks for unit in units(block, parts)}.values())


def parts_of(store: StoreFiles, blocks: Mapping[str, Segment]) -> Parts:
    """The parts of those blocks that have a large parameter in common with others; ``blocks`` by identity.

    A block that cannot be read has none: who needs it meets the error.
    """
    affected = store.borrowing(blocks.keys())
    for identity in list(affected):
        with contextlib.suppress(StoreError):
            affected |= {holder for holder, _ in store.tensors(identity).values()} & blocks.keys()
    keys: dict[str, list[_Key]] = {}
    sizes: dict[_Key, int] = {}
    users: dict[_Key, set[str]] = defaultdict(set)
    for identity in sorted(affected):
        segment = blocks[identity]
        try:
            stored = store.tensors(identity)
        except StoreError:
            continue
        keys[identity] = []
        for recipe in segment.made_of if len(stored) == len(segment.parameter_names) else ():
            places = tuple((stored[i][0], stored[i][1].offset, stored[i][1].nbytes) for i in recipe.sources)
            keys[identity].append(key := (recipe.form, places))
            sizes[key] = stored[recipe.sources[0]][1].nbytes
            users[key].add(identity)
    common = {key: frozenset(own) for key, own in users.items() if len(own) > 1 and sizes[key] >= WORTH_BYTES}
    found = {}
    for identity, own in keys.items():
        if not common.keys().isdisjoint(own):
            groups: dict[frozenset[str], list[int]] = defaultdict(list)
            for i, key in enumerate(own):
                groups[common.get(key, frozenset([identity]))].append(i)
            found[identity] = tuple(
                _part(store, identity, blocks[identity], own, group) for group in groups.values()
            )
    return found


def _part(store: StoreFiles, identity: str, segment: Segment, keys: list[_Key], group: list[int]) -> Part:
    """The part of a block with the parameters of ``group``, in an order that does not depend on the block."""
    parameters = sorted(group, key=lambda i: (keys[i], i))
    stored, recipes = store.tensors(identity), segment.made_of
    sources = tuple(sorted({source for i in parameters for source in recipes[i].sources}))
    return Part(
        identity=digest_json(["part", [keys[i] for i in parameters]]),
        nbytes=sum(stored[recipes[i].sources[0]][1].nbytes for i in parameters),
        read_bytes=store.bytes_to_read(identity, sources),
        sources=sources,
        parameters=tuple(parameters),
    )
