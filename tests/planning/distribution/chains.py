"""Tiny models as words: a letter is a block, and equal beginnings are shared. Costs from the definition."""

from collections.abc import Mapping, Sequence
from itertools import product

from hypothesis import strategies as st

from alsatian.blocks.candidate import Block, Candidate
from alsatian.data.dataset import Batch
from alsatian.data.preprocessing import ImagePreprocessing
from alsatian.planning.distribution.costs import Costs
from alsatian.tree import TaskTree

ITEMS = 4
BATCHES = [Batch(i, i, i + 1, i == 0) for i in range(ITEMS)]
PER_LETTER = {"a": 5, "b": 1, "c": 3, "d": 2}
SCORE, PREPARE = 2.0, 0.5
words = st.lists(st.text("abcd", min_size=1, max_size=4), min_size=1, max_size=6, unique=True)


def tree(chains: Sequence[str]) -> TaskTree:
    """Block ``i`` of a word is its letter there: models have it in common wherever that letter stands there."""
    return TaskTree.of(
        Candidate(
            word,
            tuple(Block(f"{i}{c}", PER_LETTER[c] * 10, 4) for i, c in enumerate(word)),
            None,
            ImagePreprocessing(8),
        )
        for word in chains
    )


def costs(**changes: object) -> Costs:
    """A block takes its letter's seconds for all items, and nothing to load; reading is free unless changed."""
    usual = {
        "infer_s": lambda block: PER_LETTER[block.identity[-1]] / ITEMS,
        "load_s": lambda block: 0.0,
        "prepare_s": lambda kind: PREPARE / ITEMS,
        "score_s": lambda size: SCORE,
        "bandwidth": 1e18,
        "read_ahead": False,
    }
    return Costs(**{**usual, **changes})  # type: ignore[arg-type]


def seconds(chains: Sequence[str]) -> float:
    """What one worker needs for these words: each distinct beginning once, a score each, and the data."""
    beginnings = {word[:end] for word in chains for end in range(1, len(word) + 1)}
    return sum(PER_LETTER[b[-1]] for b in beginnings) + SCORE * len(chains) + PREPARE if chains else 0.0


def least_makespan(chains: Sequence[str], workers: int) -> float:
    """Of all ways to give each word to one of ``workers``."""
    best = float("inf")
    for choice in product(range(workers), repeat=len(chains)):
        parts: Mapping[int, list[str]] = {w: [] for w in range(workers)}
        for word, worker in zip(chains, choice, strict=True):
            parts[worker].append(word)
        best = min(best, max(map(seconds, parts.values())))
    return best
