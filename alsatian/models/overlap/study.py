"""How much the models of a set have in common: the paper's study of overlap (Section 6.3).

Prefixes are counted as the task tree shares them: from the input on, behind equal preprocessing. A model
that shares less than it could is a near miss, with the reason (:mod:`alsatian.models.overlap.near_misses`).
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from alsatian.blocks.candidate import Candidate, chain_bytes
from alsatian.blocks.segment import Segment
from alsatian.errors import ConfigError
from alsatian.fingerprint import set_digest
from alsatian.models.overlap.near_misses import Neighbours
from alsatian.records.networks import Family, ModelOverlap, Overlap
from alsatian.store.store import BlockStore


def study(
    candidates: Sequence[Candidate], store: BlockStore, segments: Mapping[str, Segment] | None = None
) -> Overlap:
    """The overlap of ``candidates``, whose blocks are in ``store``.

    Prefixes take time linear in the number of blocks. For near misses each model is compared with one other,
    the nearest by a sample of the first weights in which they differ.

    Args:
        candidates: at least one.
        store: holds their blocks.
        segments: code by block identity, for models that have no architecture to build them from.

    Raises:
        ConfigError: there is no candidate.
        StoreError: a block is missing or damaged.
    """
    if not candidates:
        raise ConfigError("overlap: there is no model to study; name folders or models of the store")
    tree = PrefixTree(candidates)
    bare = PrefixTree(candidates, preprocessing=False)
    neighbours = Neighbours(candidates, store, segments or {})
    owners = Counter(identity for c in candidates for identity in {block.identity for block in c.blocks})
    groups = tree.families()
    family_of = {i: number for number, group in enumerate(groups) for i in group}
    models = []
    for i, candidate in enumerate(candidates):
        length, partner = tree.longest(i)
        shared = sum(block.parameter_bytes for block in candidate.blocks[:length])
        models.append(
            ModelOverlap(
                id=candidate.id,
                family=family_of[i],
                blocks=len(candidate.blocks),
                shared_blocks=length if shared else 0,
                shared_fraction=length / len(candidate.blocks) if shared else 0.0,
                shared_bytes_fraction=shared / (candidate.parameter_bytes or 1),
                common_blocks=sum(owners[b.identity] > 1 for b in candidate.blocks if b.parameter_bytes),
                partner=None if partner is None or not shared else candidates[partner].id,
                parameter_bytes=candidate.parameter_bytes,
                near_miss=neighbours.near_miss(i, length, tree.members(i, length), bare.longest(i)),
            )
        )
    families = []
    for group in groups:
        members = [candidates[i] for i in group]
        total, distinct = chain_bytes(c.blocks for c in members)
        ids = tuple(c.id for c in members)
        families.append(Family(models=ids, total_bytes=total, distinct_bytes=distinct))
    total, distinct = chain_bytes(c.blocks for c in candidates)
    return Overlap(
        digest=set_digest((c.id, c.preprocessing.fingerprint, [b.identity for b in c.blocks]) for c in candidates),
        models=tuple(models),
        families=tuple(families),
        total_bytes=total,
        distinct_bytes=distinct,
        total_blocks=sum(len(c.blocks) for c in candidates),
        distinct_blocks=len(owners),
    )


class PrefixTree:
    """Chains merged by common prefix: for every prefix, which models have it.

    Like the task tree it has a root for each preprocessing, unless that is to be left out.
    """

    def __init__(self, candidates: Sequence[Candidate], preprocessing: bool = True) -> None:
        self._paths: list[list[int]] = []
        sizes = ([block.parameter_bytes for block in candidate.blocks] for candidate in candidates)
        self._first = [next((d for d, size in enumerate(s, 1) if size), len(s)) for s in sizes]
        self._members: list[list[int]] = []
        children: dict[tuple[int, str], int] = {}
        for i, candidate in enumerate(candidates):
            path = []
            node = -1
            root = candidate.preprocessing.fingerprint if preprocessing else ""
            for step in (root, *(block.identity for block in candidate.blocks)):
                node = children.setdefault((node, step), len(self._members))
                if node == len(self._members):
                    self._members.append([])
                self._members[node].append(i)
                path.append(node)
            self._paths.append(path)

    def longest(self, model: int) -> tuple[int, int | None]:
        """Length in blocks of the longest prefix that ``model`` shares, and the first model that has it too."""
        path = self._paths[model]
        length = next((d for d in range(len(path) - 1, 0, -1) if len(self._members[path[d]]) > 1), 0)
        others = (other for other in self._members[path[length]] if other != model)
        return length, next(others, None) if length else None

    def members(self, model: int, length: int) -> list[int]:
        """All models, ``model`` among them, that have its first ``length`` blocks."""
        return self._members[self._paths[model][length]]

    def families(self) -> list[list[int]]:
        """Models connected by shared prefixes with parameters, the largest group first.

        Sharing such a prefix means sharing it up to the first block with parameters, so that groups models.
        """
        groups: dict[int, list[int]] = {}
        for i, path in enumerate(self._paths):
            groups.setdefault(path[self._first[i]], []).append(i)
        return sorted(groups.values(), key=lambda group: (-len(group), group[0]))
