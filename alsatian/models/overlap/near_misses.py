"""Why a model does not share more than it does with the model most like it."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from alsatian.blocks.candidate import Block, Candidate
from alsatian.blocks.segment import Segment
from alsatian.errors import AlsatianError
from alsatian.models.overlap.differences import DIFFERENT, PREPROCESSING, Difference, difference
from alsatian.models.reading.architectures import architecture
from alsatian.records.networks import NearMiss
from alsatian.store.store import BlockStore

# Numbers that stand for a block when the most similar one is looked for.
SAMPLE = 64
# Of models that are equally near, as many are compared further.
MAX_EQUAL = 64


class Neighbours:
    """Finds every model's most similar partner and compares the two.

    Reads each distinct block at which chains part once for a sample of its weights, and the blocks of a
    pair once more; never all pairs.
    """

    def __init__(self, candidates: Sequence[Candidate], store: BlockStore, segments: Mapping[str, Segment]) -> None:
        self._candidates = candidates
        self._store = store
        self._segments = segments
        self._shapes: dict[str, tuple[str, Any]] = {}
        self._samples: dict[str, np.ndarray] = {}
        self._pools: dict[tuple[int, int], dict[Any, tuple[list[int], np.ndarray]]] = {}

    def near_miss(
        self, model: int, length: int, members: Sequence[int], bare: tuple[int, int | None]
    ) -> NearMiss | None:
        """Why ``model`` shares no more than ``length`` blocks with any of ``members``, who share these.

        ``bare`` is the longest prefix that it would share whatever the preprocessing, and with which model.
        None if it shares all of its blocks, or no member goes on with a block of the same shapes.
        """
        blocks = self._candidates[model].blocks
        if length == len(blocks):
            return None
        longer, other = bare
        if longer > length and other is not None:
            name, lost = self._candidates[other].id, blocks[length:longer]
            return NearMiss(
                partner=name,
                near=True,
                reason=PREPROCESSING,
                block=length,
                lost_blocks=len(lost),
                lost_bytes=_bytes(lost),
            )
        partner = self._nearest(model, length, members)
        return None if partner is None else self._compare(model, partner, length)

    def _nearest(self, model: int, length: int, members: Sequence[int]) -> int | None:
        """The member whose block behind the common prefix is nearest; None if none has its shapes."""
        place = (members[0], length)  # names the vertex of the tree
        if place not in self._pools:
            groups: dict[Any, list[int]] = {}
            for i in members:
                if length < len(self._candidates[i].blocks):
                    groups.setdefault(self._signature(self._block(i, length))[1], []).append(i)
            self._pools[place] = {
                shapes: (pool, np.stack([self._sample(self._block(i, length)) for i in pool]))
                for shapes, pool in groups.items()
                if len(pool) > 1
            }
        pooled = self._pools[place].get(self._signature(self._block(model, length))[1])
        if pooled is None:
            return None
        pool, samples = pooled
        distance = np.square(samples - self._sample(self._block(model, length))).sum(1)
        distance[pool.index(model)] = np.inf
        equal = np.flatnonzero(distance == distance.min())[:MAX_EQUAL]
        return self._closest_behind(model, [pool[i] for i in equal], length)

    def _closest_behind(self, model: int, others: list[int], depth: int) -> int:
        """The one of ``others``, equally near at ``depth``, that stays nearest in the blocks behind."""
        ours = self._candidates[model].blocks
        for at in range(depth + 1, len(ours)):
            if len(others) == 1:
                break
            shapes, sample = self._signature(ours[at])[1], self._sample(ours[at])
            distance = {}
            for i in others:
                blocks = self._candidates[i].blocks
                if at < len(blocks) and self._signature(blocks[at])[1] == shapes:
                    distance[i] = float(np.square(self._sample(blocks[at]) - sample).sum())
            nearest = min(distance.values(), default=0.0)
            others = [i for i in others if distance.get(i) == nearest] or others
        return others[0]

    def _compare(self, model: int, partner: int, length: int) -> NearMiss:
        """Walk both chains from their first differing block on, as long as one reason explains the rest."""
        ours, theirs = self._candidates[model].blocks, self._candidates[partner].blocks
        first = self._difference(model, partner, length)
        reason = first.reason or DIFFERENT
        lost = 0
        ranks = [first.rank or 0]
        if reason != DIFFERENT:
            lost = 1
            for depth in range(length + 1, min(len(ours), len(theirs))):
                if ours[depth].identity != theirs[depth].identity:
                    if self._signature(ours[depth])[1] != self._signature(theirs[depth])[1]:
                        break
                    further = self._difference(model, partner, depth)
                    if further.reason != reason:
                        break
                    ranks.append(further.rank or 0)
                lost += 1
        return NearMiss(
            partner=self._candidates[partner].id,
            near=reason != DIFFERENT,
            reason=reason,
            block=length,
            lost_blocks=lost,
            lost_bytes=_bytes(ours[length : length + lost]),
            tensors=first.tensors,
            rank=max(ranks) or None,
            detail=first.detail,
        )

    def _difference(self, model: int, partner: int, depth: int) -> Difference:
        pair = self._block(model, depth), self._block(partner, depth)
        ours = self._store.load_block(pair[0].identity, self._candidates[model].id)
        theirs = self._store.load_block(pair[1].identity, self._candidates[partner].id)
        same = self._signature(pair[0])[0] == self._signature(pair[1])[0]
        return difference(ours, theirs, names=self._names(model, depth), same_operators=same)

    def _block(self, model: int, depth: int) -> Block:
        return self._candidates[model].blocks[depth]

    def _names(self, model: int, depth: int) -> tuple[str, ...] | None:
        """Names of a block's tensors in its model, if the model's code is known."""
        candidate = self._candidates[model]
        known = self._segments.get(candidate.blocks[depth].identity)
        if known is not None:
            return known.parameter_names
        if candidate.architecture is None:
            return None
        try:
            built = architecture(candidate.architecture, candidate.preprocessing, folder=self._store.architectures)
        except AlsatianError:
            return None  # its library is not here; blocks can be compared all the same
        return built.segments[depth].parameter_names if depth < len(built.segments) else None

    def _signature(self, block: Block) -> tuple[str, Any]:
        """Architecture and shapes of a block, from the heads of files."""
        if block.identity not in self._shapes:
            found = self._store.tensors(block.identity)
            # Floating-point types may differ.
            shapes = tuple((*found[i][1].shape, found[i][1].dtype.is_floating_point) for i in range(len(found)))
            name = self._store.header(block.identity).architecture
            # A block without parameters is told from others by what it computes.
            self._shapes[block.identity] = (name, shapes or name)
        return self._shapes[block.identity]

    def _sample(self, block: Block) -> np.ndarray:
        """A few weights of a block, the same ones for all blocks of its shapes."""
        if block.identity not in self._samples:
            tensors = self._store.load_block(block.identity, block.identity[:12])
            numbers = [t for t in tensors if t.is_floating_point() and t.numel()]
            # Matrices hold what was learned; statistics and scales may differ between near twins.
            chosen = ([t for t in numbers if t.dim() > 1] or numbers)[:SAMPLE]
            each = SAMPLE // max(1, len(chosen))
            drawn = [_spread(tensor, each) for tensor in chosen]
            sample = torch.cat(drawn) if drawn else torch.zeros(1, dtype=torch.float64)
            self._samples[block.identity] = sample.nan_to_num().numpy()
        return self._samples[block.identity]


def _spread(tensor: torch.Tensor, count: int) -> torch.Tensor:
    """``count`` elements, evenly spread, as float64."""
    return tensor.flatten()[torch.linspace(0, tensor.numel() - 1, count).long()].double()


def _bytes(blocks: Sequence[Block]) -> int:
    return sum(block.parameter_bytes for block in blocks)
