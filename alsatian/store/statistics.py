"""How large a store is: as separate files of models, as blocks, as tensors and as deltas, in all and by family.

A family is what fine-tuning makes of a model: the models of one architecture that have a stored tensor in common,
with each other or through others. Tensors are in common where the store holds them once, so small ones that happen
to be equal, such as biases of zeros, do not count.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from alsatian.blocks.candidate import Candidate, chain_bytes
from alsatian.store.maintenance import block_files, candidates, needed_files
from alsatian.store.store import BlockStore


@dataclass(frozen=True)
class Family:
    """Models that share tensors; bytes as in :class:`Stats`, a tensor of two families counts in both.

    Attributes:
        architecture: the builder's name; None if models only lived in a process.
        first: the first of its models, by id.
        models: how many they are.
        total_bytes, distinct_bytes, tensor_bytes, delta_bytes: as separate files, as blocks, as tensors, as deltas.
    """

    architecture: str | None
    first: str
    models: int
    total_bytes: int
    distinct_bytes: int
    tensor_bytes: int
    delta_bytes: int


@dataclass(frozen=True)
class Stats:
    """What a store holds; bytes of parameters and buffers unless said otherwise.

    Attributes:
        models, sets: how many there are.
        blocks: distinct blocks that models refer to.
        total_bytes: of all models, as separate files would hold them.
        distinct_bytes: of their blocks, each counted once.
        tensors, tensor_bytes: of these blocks, each distinct one once; those of files of earlier versions, whose
            digests are not known, once for each block. Bytes as they are stored, without deltas.
        full_bytes: of the same in their own types, where they are stored in smaller ones.
        factor_bytes: of these tensors, the factors of adapters.
        deltas, delta_bytes: how many are stored as deltas, and bytes of all tensors so.
        file_bytes: size of the files that these blocks are read from, headers included.
        unreferenced_blocks, unreferenced_bytes: block files without a model, and their size.
        feature_bytes: size of the files of features that are kept for later searches.
        families: the largest as separate files first.
    """

    models: int
    sets: int
    blocks: int
    total_bytes: int
    distinct_bytes: int
    tensors: int
    tensor_bytes: int
    full_bytes: int
    factor_bytes: int
    deltas: int
    delta_bytes: int
    file_bytes: int
    unreferenced_blocks: int
    unreferenced_bytes: int
    feature_bytes: int
    families: tuple[Family, ...]

    @property
    def sharing_factor(self) -> float:
        """How many times larger separate files would be than blocks; 1 for an empty store."""
        return self.total_bytes / self.distinct_bytes if self.distinct_bytes else 1.0


class _Size(NamedTuple):
    """Bytes of a tensor in its own type, as it would be stored without deltas, and as it is."""

    full: int
    plain: int
    stored: int


@dataclass(frozen=True)
class _Tensors:
    """The tensors of a block: bytes by what they hold, and where they lie."""

    sizes: Mapping[str, _Size]
    places: frozenset[tuple[str, int]]


def stats(store: BlockStore) -> Stats:
    """Count models, blocks and bytes from the manifests and the sizes of files; of blocks only headers are read.

    Raises:
        StoreError: a manifest or a block is not valid, or missing.
    """
    with store.locked(alone=False):
        models = candidates(store)
        sizes = {path: path.stat().st_size for path in block_files(store)}
        if store.mirror is not None:
            sizes |= {store.block_path(identity): size or 0 for identity, size in store.mirror.blocks.items()}
            store.mirror.heads(block.identity for model in models for block in model.blocks)
        needed = needed_files(store, models)
        blocks = {block.identity for model in models for block in model.blocks}
        tensors = {identity: _tensors(store, identity) for identity in blocks}
        headers = [store.header(path.stem) for path in needed if path in sizes]
    total, distinct = chain_bytes(model.blocks for model in models)
    loose = [size for path, size in sizes.items() if path not in needed]
    held = _distinct(tensors.values())
    families = [_family(members, tensors) for members in _families(models, tensors)]
    return Stats(
        models=len(models),
        sets=len(store.set_names()),
        blocks=len(blocks),
        total_bytes=total,
        distinct_bytes=distinct,
        tensors=len(held),
        tensor_bytes=sum(size.plain for size in held.values()),
        full_bytes=sum(size.full for size in held.values()),
        factor_bytes=sum(header.factor_bytes for header in headers),
        deltas=sum(size.plain != size.stored for size in held.values()),
        delta_bytes=sum(size.stored for size in held.values()),
        file_bytes=sum(sizes.values()) - sum(loose),
        unreferenced_blocks=len(loose),
        unreferenced_bytes=sum(loose),
        feature_bytes=sum(store.feature_files().values()),
        families=tuple(sorted(families, key=lambda one: (-one.total_bytes, one.first))),
    )


def _tensors(store: BlockStore, identity: str) -> _Tensors:
    header, found = store.header(identity), store.tensors(identity)
    digests = header.digests
    places = {i: (holder, held.offset) for i, (holder, held) in found.items() if held.nbytes}
    known = range(len(digests))  # which those of factors may not be
    names = {i: digests[i] if i in known else f"{holder} {offset}" for i, (holder, offset) in places.items()}
    sizes = {i: _Size(held.full_bytes, held.nbytes, held.nbytes) for i, (_, held) in found.items()}
    for one in header.made.values():
        if one.is_delta:
            (packed,) = one.added
            sizes[packed] = _Size(sizes[one.base].full, one.plain, sizes[packed].stored)
    return _Tensors({name: sizes[i] for i, name in names.items()}, frozenset(places.values()))


def _distinct(tensors: Iterable[_Tensors]) -> dict[str, _Size]:
    """Bytes of each distinct tensor of several blocks."""
    return {name: size for one in tensors for name, size in one.sizes.items()}


def _families(models: Sequence[Candidate], tensors: Mapping[str, _Tensors]) -> list[list[Candidate]]:
    """``models``, which are in the order of their ids, by family."""
    joined = list(range(len(models)))  # each model's place, or that of another one of its family

    def root(i: int) -> int:
        while joined[i] != i:
            joined[i] = i = joined[joined[i]]
        return i

    users: dict[tuple[object, tuple[str, int]], int] = {}
    for i, model in enumerate(models):
        kind = _architecture(model)
        for identity in {block.identity for block in model.blocks}:
            for place in tensors[identity].places:
                joined[root(i)] = root(users.setdefault((kind, place), i))
    found = defaultdict(list)
    for i, model in enumerate(models):
        found[root(i)].append(model)
    return list(found.values())


def _family(models: Sequence[Candidate], tensors: Mapping[str, _Tensors]) -> Family:
    total, distinct = chain_bytes(model.blocks for model in models)
    blocks = {block.identity for model in models for block in model.blocks}
    held = _distinct(tensors[identity] for identity in blocks).values()
    spec, plain, stored = models[0].architecture, sum(s.plain for s in held), sum(s.stored for s in held)
    return Family(spec.name if spec else None, models[0].id, len(models), total, distinct, plain, stored)


def _architecture(model: Candidate) -> tuple[str, str] | None:
    spec = model.architecture
    return (spec.source, spec.name) if spec else None
