"""Parts of blocks that differ: the parameters that the same blocks of a search have in common.

A fine-tune that changes few tensors of a block shares the others with its base. They are read, held and dropped as
a part of their own, so that they are read once and take memory once.
"""

import contextlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch

from alsatian.blocks.candidate import Block
from alsatian.blocks.parameter_forms import Recipe
from alsatian.blocks.segment import Segment
from alsatian.errors import StoreError
from alsatian.fingerprint import digest_json
from alsatian.store.files.made import Made
from alsatian.store.files.tensor_index import WORTH_BYTES
from alsatian.store.store_files import StoreFiles


class Added(NamedTuple):
    """How a parameter is ``made`` of one of another part: parameter ``number`` of part ``base``, and what was added
    to it."""

    base: str
    number: int
    made: Made


@dataclass(frozen=True)
class Part:
    """Some parameters of a block.

    Attributes:
        identity: equal where the parameters are.
        nbytes: that they take in memory, at most.
        read_bytes: that reading them takes, given the parts that they are made of.
        sources: places of the stored tensors that they are made of, in an order that does not depend on the block.
        parameters: which of those that the block's code takes they are; for what others are made of, the stored
        tensor at
            ``place``, it is ``~place``.
        added: those that are made of other parts, which come before this one.
        alone: the ``sources`` where these parts are not at hand.
        alone_bytes: that reading those takes.
        unpacked_bytes: of the parameters that deltas are of.
        products: of numbers, that merging what adapters added takes.
        staged_bytes: that what is read takes on its way to the device, with these parts at hand.
    """

    identity: str
    nbytes: int
    read_bytes: int
    sources: tuple[int, ...]
    parameters: tuple[int, ...]
    added: Mapping[int, Added] = field(default_factory=dict, hash=False)
    alone: tuple[int, ...] = ()
    alone_bytes: int = 0
    unpacked_bytes: int = 0
    products: int = 0
    staged_bytes: int = 0

    @property
    def bases(self) -> set[str]:
        """The parts that it is made of."""
        return {added.base for added in self.added.values()}

    @property
    def unit(self) -> Block:
        """It as if it were a block, for what it costs."""
        return Block(self.identity, self.nbytes, 0)


Parts = Mapping[str, tuple[Part, ...]]
"""The parts of blocks, by the identity of the block; those of one have all of its parameters."""
NO_PARTS: Parts = {}
_Key = tuple[str, tuple[Any, ...]]
"""The form of a parameter, and the tensors that it is made of: whose file, where in it, and how many bytes; of
those that are made of others these."""


def units(block: Block, parts: Parts) -> list[Block]:
    """What is loaded for a block: the block, or its parts."""
    return [part.unit for part in parts[block.identity]] if block.identity in parts else [block]


def unit_bytes(blocks: Iterable[Block], parts: Parts) -> int:
    """Bytes of the parameters of ``blocks``, with those that several have in common once."""
    return sum({unit.identity: unit.parameter_bytes for block in blocks for unit in units(block, parts)}.values())


def bytes_to_read(blocks: Iterable[Block], parts: Parts) -> int:
    """Bytes that reading the parameters of ``blocks`` takes, each once."""
    sizes: dict[str, int] = {}
    for block in blocks:
        own = parts.get(block.identity)
        sizes.update({p.identity: p.read_bytes for p in own} if own else {block.identity: block.parameter_bytes})
    return sum(sizes.values())


def parts_of(store: StoreFiles, blocks: Mapping[str, Segment]) -> Parts:
    """The parts of those ``blocks``, by identity, that have a large parameter in common with others, or that are
    smaller in the store than in memory.

    A block that cannot be read has none: who needs it meets the error.
    """
    affected = store.borrowing(blocks.keys())
    for identity in list(affected):
        with contextlib.suppress(StoreError):
            affected |= {holder for holder, _ in store.tensors(identity).values()} & blocks.keys()
    known: dict[str, list[_Parameter]] = {}
    for identity in sorted(affected):
        with contextlib.suppress(StoreError):
            if store.header(identity).count == len(blocks[identity].parameter_names):
                known[identity] = _parameters(store, identity, blocks[identity].made_of)
    users = _users(known)
    found = {}
    for identity, own in known.items():
        parts = _parts(store, identity, own, users)
        if any(len(users.get(one.key, ())) > 1 for one in own) or any(
            part.read_bytes != part.nbytes for part in parts
        ):
            found[identity] = parts
    return found


@dataclass(frozen=True)
class _Parameter:
    """A parameter of a block: its place, as in :class:`Part`, bytes in memory, and the stored tensors that it
    is made of.

    What an adapter was added to, as if it were a parameter, is its ``base``; ``made`` says how.
    """

    place: int
    key: _Key
    nbytes: int
    sources: tuple[int, ...]
    base: "_Parameter | None" = None
    made: Made | None = None


def _users(known: Mapping[str, Sequence[_Parameter]]) -> dict[_Key, set[str]]:
    """The blocks that have each of those parameters that are large, or that as many blocks have together with a
    large one: to read and hold a small one by itself is not worth it."""
    users: dict[_Key, set[str]] = defaultdict(set)
    large = set[_Key]()
    for identity, own in known.items():
        for one in (*own, *(parameter.base for parameter in own if parameter.base)):
            users[one.key].add(identity)
            if one.nbytes >= WORTH_BYTES:
                large.add(one.key)
    together = {frozenset(users[key]) for key in large}
    return {key: own for key, own in users.items() if key in large or frozenset(own) in together}


def _parameters(store: StoreFiles, identity: str, recipes: Sequence[Recipe]) -> list[_Parameter]:
    stored, header = store.tensors(identity), store.header(identity)

    def token(index: int) -> tuple[Any, ...]:
        if (made := header.made.get(index)) is not None:
            return ("made", made.scale, *map(token, made.sources))
        return stored[index][0], stored[index][1].offset, stored[index][1].nbytes

    found = []
    for place, recipe in enumerate(recipes):
        made, base = header.made.get(recipe.sources[0]), None
        nbytes = stored[made.base if made else recipe.sources[0]][1].full_bytes
        if made and recipe.is_plain:
            base = _Parameter(~made.base, ("", (token(made.base),)), nbytes, (made.base,))
        key = (recipe.form, tuple(map(token, recipe.sources)))
        found.append(_Parameter(place, key, nbytes, recipe.sources, base, made))
    return found


def _parts(
    store: StoreFiles, identity: str, own: Sequence[_Parameter], users: Mapping[_Key, set[str]]
) -> tuple[Part, ...]:
    """The parts of a block; what a part is made of comes before it."""

    def users_of(one: _Parameter) -> frozenset[str]:
        return frozenset(users.get(one.key, ())) | {identity}

    # What only those need that have the same merged tensor is dropped once that is made.
    bases = {p.base.place: p.base for p in own if p.base and users_of(p.base) != users_of(p)}
    groups: dict[frozenset[str], list[_Parameter]] = defaultdict(list)
    for one in (*own, *bases.values()):
        groups[users_of(one)].append(one)
    parts: list[Part] = []
    at: dict[int, tuple[str, int]] = {}
    for group in sorted(groups.values(), key=lambda group: -len(users_of(group[0]))):
        # An order that does not depend on the block.
        group.sort(key=lambda one: (one.key, one.place))
        name = digest_json(["part", [one.key for one in group]])
        at.update({one.place: (name, number) for number, one in enumerate(group)})
        added = {
            one.place: Added(*at[one.base.place], one.made)
            for one in group if one.made and one.base and one.base.place in bases
        }  # fmt: skip
        # The same for all blocks with this part, too; a tensor that several take is there several times.
        alone = [source for one in group for source in one.sources]
        sources = [
            source
            for one in group
            for source in (added[one.place].made.added if one.place in added else one.sources)
        ]
        deltas = {one.place: one.made for one in group if one.made and one.made.is_delta}
        read_bytes = store.bytes_to_read(identity, sources)
        packed = (store.bytes_to_read(identity, made.added) for i, made in deltas.items() if i in added)
        unpacked = {one.place: one.nbytes for one in group if one.place in deltas}
        parts.append(
            Part(
                identity=name,
                nbytes=sum(one.nbytes for one in group),
                read_bytes=read_bytes,
                sources=tuple(sources),
                parameters=tuple(one.place for one in group),
                added=added,
                alone=tuple(alone),
                alone_bytes=store.bytes_to_read(identity, alone),
                unpacked_bytes=sum(unpacked.values()),
                products=sum(_products(store, identity, one) for one in group),
                staged_bytes=read_bytes + sum(n for i, n in unpacked.items() if i in added) - sum(packed),
            )
        )
    return tuple(parts)


def _products(store: StoreFiles, identity: str, one: _Parameter) -> int:
    """Products of numbers that merging a parameter takes: the rank for each of its values."""
    if one.made is None or one.made.is_delta:
        return 0
    left = store.tensors(identity)[one.made.added[0]][1]
    return one.nbytes // torch.float32.itemsize * left.shape[-1]
