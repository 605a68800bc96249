"""Trees to order and references to check orders against, written from the definitions."""

import itertools
import random
from collections.abc import Iterator, Sequence

from hypothesis import strategies as st

from alsatian.planning.orders.base import Shape

# The paper's tree: edges 0→1, 1→2, 1→3, 2→4, 2→5, 3→6, 3→7.
PARENT = [-1, 0, 1, 1, 2, 2, 3, 3]
FIG_9 = [0, 9, 6, 4, 4, 2, 2, 2]
FIG_18 = [0, 9, 1, 1, 4, 2, 2, 2]
FIG_20 = [0, 9, 7, 6, 1, 1, 1, 1]


def paper(sizes: Sequence[int]) -> Shape:
    """The paper's tree with these sizes."""
    return Shape(PARENT, sizes, [4, 5, 6, 7])


@st.composite
def shapes(draw: st.DrawFn, largest: int = 14, keep: bool = False) -> Shape:
    """Any forest; all leaves are outputs and some inner vertices too, in any order. With ``keep`` some stays."""
    count = draw(st.integers(1, largest))
    parent = [-1] + [draw(st.integers(-1, i - 1)) for i in range(1, count)]
    sizes = draw(st.lists(st.integers(0, 9), min_size=count, max_size=count))
    kept = draw(st.lists(st.sampled_from([0, 0, 1, 3, 9]), min_size=count, max_size=count)) if keep else ()
    outputs = [v for v in range(count) if v not in parent or draw(st.booleans())]
    return Shape(parent, sizes, draw(st.permutations(outputs)), kept)


def random_forest(rng: random.Random, largest: int, keep: bool) -> Shape:
    """A forest of any form; sizes of a few values or many, sometimes falling."""
    count = rng.randint(1, largest)
    recent, roots = rng.choice([2, 4, count]), rng.choice([0.0, 0.0, 0.1])
    parent = [-1]
    for v in range(1, count):
        parent.append(-1 if rng.random() < roots else rng.randrange(max(0, v - recent), v))
    most = rng.choice([2, 5, 9, 30])
    sizes = [rng.randint(0, most) for _ in range(count)]
    if rng.random() < 0.5:
        sizes.sort(reverse=True)
    kept = [rng.choice([0, 0, rng.randint(0, most)]) for _ in range(count)] if keep else ()
    return Shape(parent, sizes, [v for v in range(count) if v not in parent], kept)


def spider(rng: random.Random, legs: int, length: int, forks: float = 0.0) -> Shape:
    """Chains under one vertex, some with leaves at the side: few sets to search, many ways to interleave."""
    parent = [-1]
    for _ in range(legs):
        last = 0
        for _ in range(rng.randint(1, length)):
            parent.append(last)
            last = len(parent) - 1
            if rng.random() < forks:
                parent.append(last)
    most = rng.choice([6, 12, 40])
    sizes = [rng.randint(0, most) for _ in parent]
    sizes[0] = rng.choice([sizes[0], most, 2 * most])
    return Shape(parent, sizes, [])


def cache_content(shape: Shape, order: Sequence[int]) -> int:
    """C_min from its definition in the paper, by sets: what is needed later is held, and what stays; no more."""
    peak, done, held = 0, set[int](), set[int]()
    for vertex in order:
        done.add(vertex)
        held.add(vertex)  # its parent is still held: it was read for this vertex
        peak = max(peak, sum(shape.size[v] for v in held) + sum(shape.kept[v] for v in done))
        held = {v for v in held if any(p == v and c not in done for c, p in enumerate(shape.parent))}
    return peak


def depth_first_orders(shape: Shape) -> Iterator[list[int]]:
    """All depth-first orders, by trying every order of siblings."""

    def walk(vertices: Sequence[int]) -> Iterator[list[int]]:
        for permutation in itertools.permutations(vertices):
            for parts in itertools.product(*(list(walk(shape.children[v])) for v in permutation)):
                yield [x for v, part in zip(permutation, parts, strict=True) for x in (v, *part)]

    return walk([v for v, p in enumerate(shape.parent) if p == -1])


def all_orders(shape: Shape) -> Iterator[list[int]]:
    """All orders in which parents come before children."""

    def extend(order: list[int]) -> Iterator[list[int]]:
        if len(order) == len(shape.parent):
            yield order
        for v, p in enumerate(shape.parent):
            if v not in order and (p == -1 or p in order):
                yield from extend([*order, v])

    return extend([])


def least_of_all(shape: Shape) -> int:
    """The least peak of all orders, by the sets they lead through: content depends on the set alone."""
    count = len(shape.parent)
    best = {0: 0}
    for _ in range(count):
        following: dict[int, int] = {}
        for done, peak in best.items():
            held = sum(shape.kept[v] for v in range(count) if done >> v & 1)
            for v, children in enumerate(shape.children):
                if done >> v & 1 and any(not done >> c & 1 for c in children):
                    held += shape.size[v]
            for v, p in enumerate(shape.parent):
                if not done >> v & 1 and (p == -1 or done >> p & 1):
                    after = max(peak, held + shape.size[v] + shape.kept[v])
                    with_v = done | 1 << v
                    following[with_v] = min(after, following.get(with_v, after))
        best = following
    return best[(1 << count) - 1]
