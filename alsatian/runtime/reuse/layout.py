"""Which items stand in which batch: on data that grew, batches that were full before come first, as they were."""

from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from itertools import accumulate, pairwise
from typing import Any

import numpy as np

from alsatian.data.dataset import Dataset
from alsatian.data.digests import item_digests
from alsatian.data.gate.summary import summary_of_parts
from alsatian.data.gate.targets import strata
from alsatian.fingerprint import digest_json

# Hexadecimal digits of an item's digest that are kept: 128 bits.
_DIGITS = 32

_Pool = dict[str, deque[int]]


@dataclass(frozen=True)
class Layout:
    """The items of a dataset by content, in their order.

    Attributes:
        batch_size: most items of a batch.
        test, train: digests of the items of both parts.
        ends: where batches of both parts end.
        drawn, seed: of the dataset: how it came to its parts and order.
    """

    batch_size: int
    test: tuple[str, ...]
    train: tuple[str, ...]
    ends: tuple[tuple[int, ...], tuple[int, ...]]
    drawn: float | None = None
    seed: int | None = None

    @classmethod
    def of(cls, dataset: Dataset, batch_size: int) -> "Layout":
        """That of ``dataset``.

        Raises:
            ConfigError: a file cannot be read.
        """
        parts = [item_digests(items) for items in (dataset.test_items, dataset.train_items)]
        test, train = (tuple(digest[:_DIGITS] for digest in part) for part in parts)
        ends = tuple(tuple(batch.stop for batch in batches) for batches in dataset.batches(batch_size))
        return cls(batch_size, test, train, (ends[0], ends[1]), dataset.drawn, dataset.seed)

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> "Layout":
        """The inverse of :meth:`as_dict`.

        Raises:
            KeyError, TypeError, ValueError: it is no such thing.
        """
        test, train = (tuple(map(str, value[part])) for part in ("test", "train"))
        ends = tuple(tuple(map(int, part)) for part in value["ends"])
        if [part[-1:] for part in ends] != [(len(test),), (len(train),)]:
            raise ValueError("its batches are not those of its items")
        return cls(int(value["batch_size"]), test, train, (ends[0], ends[1]), value["drawn"], value["seed"])

    def as_dict(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)

    @cached_property
    def name(self) -> str:
        """Its digest."""
        return digest_json(self.as_dict())

    @cached_property
    def batches(self) -> tuple[tuple[str, int], ...]:
        """Of every batch, by its index: the digest of its items in order, and their number."""
        parts = zip((self.test, self.train), self.ends, strict=True)
        batches = [batch for part, ends in parts for batch in _cut(part, ends)]
        return tuple((digest_json(batch), len(batch)) for batch in batches)


def arranged(dataset: Dataset, own: Layout, kept: Layout) -> tuple[Dataset, Layout] | None:
    """``dataset``, whose layout is ``own``, in an order with as many batches of the layout ``kept`` as there are.

    Batches of which all items are still there come first, as they were, but for a last one that was not full; then
    the others, in full batches, mixed evenly over the classes. Where the split was drawn, an item stays in the part
    that it was in, and new ones fill the test part up to its share; where the source says what the test part is,
    batches count within their part. Nothing is drawn, so the same arguments give the same order. The layout of the
    dataset itself gives its own order.

    None if a part would be left without items, or if the layouts came about in other ways: another seed or share of
    test items asks for another order.
    """
    if (own.batch_size, own.drawn, own.seed) != (kept.batch_size, kept.drawn, kept.seed):
        return None
    tested = len(own.test)
    digests = (*own.test, *own.train)
    if dataset.drawn is None:
        pools = [_pool(digests, range(tested)), _pool(digests, range(tested, len(digests)))]
    else:
        pools = [_pool(digests, range(len(digests)))] * 2
    parts = zip((kept.test, kept.train), kept.ends, pools, strict=True)
    cut = [_whole(part, ends, kept.batch_size, pool) for part, ends, pool in parts]
    known = [
        [pool[digest].popleft() for digest in rest if pool[digest]]
        for (_, _, rest), pool in zip(cut, pools, strict=True)
    ]
    labels = np.concatenate([dataset.test_labels, dataset.train_labels])
    if dataset.drawn is None:
        new = [_left(pool) for pool in pools]
    else:
        fresh = _mixed(_left(pools[0]), labels)
        wanted = min(max(1, round(dataset.drawn * len(digests))), len(digests) - 1)
        for_training = len(fresh) - min(max(0, wanted - len(cut[0][0]) - len(known[0])), len(fresh))
        new = [fresh[for_training:], fresh[:for_training]]
    places, ends = [], []
    for (whole, sizes, rest), again, added in zip(cut, known, new, strict=True):
        # What stood behind the whole batches stays as it was if nothing is added to it.
        same = not added and len(rest) == len(again)
        places.append(whole + (again if same else _mixed(sorted(again + added), labels)))
        total = len(places[-1])
        ends.append((*accumulate(sizes), *range(len(whole) + own.batch_size, total, own.batch_size)))
        if total > len(whole):
            ends[-1] += (total,)
    if not all(places):
        return None
    test, train = (tuple(digests[place] for place in part) for part in places)
    found = replace(own, test=test, train=train, ends=(ends[0], ends[1]))
    return replace(_taken(dataset, places, tested), ends=found.ends), found


def _cut(part: Sequence[str], ends: Sequence[int]) -> list[list[str]]:
    return [list(part[start:stop]) for start, stop in pairwise((0, *ends))]


def _pool(digests: Sequence[str], places: Iterable[int]) -> _Pool:
    """The places at which an item stands, by its digest: one may stand at several."""
    pool: _Pool = {digest: deque() for digest in digests}
    for place in places:
        pool[digests[place]].append(place)
    return pool


def _whole(
    part: Sequence[str], ends: Sequence[int], full: int, pool: _Pool
) -> tuple[list[int], list[int], list[str]]:
    """Takes the places of whole batches of ``part`` out of ``pool``: these, the batches' sizes, and the other items
    that it knows. The last batch counts if it is ``full``, else there is room for further items in it."""
    places: list[int] = []
    sizes: list[int] = []
    rest: list[str] = []
    for batch, stop in zip(_cut(part, ends), ends, strict=True):
        there = all(len(pool.get(digest, ())) >= count for digest, count in Counter(batch).items())
        if there and (stop < len(part) or len(batch) == full):
            places += [pool[digest].popleft() for digest in batch]
            sizes.append(len(batch))
        else:
            rest += [digest for digest in batch if digest in pool]
    return places, sizes, rest


def _left(pool: _Pool) -> list[int]:
    return sorted(place for places in pool.values() for place in places)


def _mixed(places: list[int], labels: np.ndarray) -> list[int]:
    """``places`` in an order that mixes the classes evenly, and keeps that of each class."""
    groups = strata(labels[places])
    position = np.empty(len(places))
    for group in np.unique(groups):
        members = np.flatnonzero(groups == group)
        position[members] = (np.arange(len(members)) + 0.5) / len(members)
    return [places[i] for i in np.argsort(position, kind="stable")]


def _taken(dataset: Dataset, places: Sequence[list[int]], tested: int) -> Dataset:
    """The items of ``dataset`` at the ``places`` of each part, counted over its test items, then the others."""
    if dataset.drawn is None:
        own = [np.array(places[0]), np.array(places[1]) - tested]
        items = [dataset.test_items[own[0]], dataset.train_items[own[1]]]
        labels = [dataset.test_labels[own[0]], dataset.train_labels[own[1]]]
    else:
        everything = np.concatenate([dataset.test_items, dataset.train_items])
        every_label = np.concatenate([dataset.test_labels, dataset.train_labels])
        items, labels = [everything[part] for part in places], [every_label[part] for part in places]
    summary = dataset.summary
    if summary is not None:
        split = f"{summary.split}; items of an earlier search are in the parts that they were in"
        summary = summary_of_parts(summary, labels[1], labels[0]).model_copy(update={"split": split})
    return replace(
        dataset,
        test_items=items[0],
        test_labels=labels[0],
        train_items=items[1],
        train_labels=labels[1],
        summary=summary,
    )
