"""The searches that a strategy is checked by."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from experiments.checking.models import DEPTH

BATCH = 4
"""Items of a batch."""
_TAIL = 3 * BATCH + 1  # items: three batches, and one of a single item


@dataclass(frozen=True)
class Case:
    """A search.

    Attributes:
        models: by their letters; see :class:`~experiments.checking.models.Family`.
        train, test: items.
        budget: of intermediates, as a share of the working set; blocks get half of what there is.
        text: whether the items are texts.
    """

    models: tuple[str, ...]
    train: int = _TAIL
    test: int = BATCH
    budget: str | None = None
    text: bool = False

    def __str__(self) -> str:
        count = len(self.models)
        names = ", ".join(self.models[:6]) + ", …" * (count > 6)
        return (
            f"{count} model{'s' * (count != 1)} of {'texts' if self.text else 'images'} ({names}); {self.train} + "
            f"{self.test} items in batches of {BATCH}; "
            + ("no budget" if self.budget is None else f"cache.budget={self.budget}")
        )


def related(count: int) -> tuple[str, ...]:
    """So many models that share beginnings of all lengths: every one changes the end of an earlier one."""
    names = ["a" * DEPTH]
    for i in range(1, count):
        origin, kept = names[i // 3], i % DEPTH
        names.append(origin[:kept] + chr(ord("a") + i % 26) * (DEPTH - kept))
    return tuple(names)


CASES = (
    Case(related(1)),
    Case(related(1), train=BATCH),
    Case(("aaaa", "aaab")),
    Case(("aaaa", "bbbb"), budget="100%"),
    Case(("aaaa",) * 3),
    Case(("aa", "aaaa", "aaab", "a"), budget="60%"),
    *(Case(related(3), budget=budget) for budget in (None, "100%", "40%")),
    Case(related(3), text=True),
    Case(("aabb", "aacc", "aabb", "ddaa", "ddab", "aa", "aabd"), test=BATCH + 1, budget="50%"),
    *(Case(related(7), train=5 * BATCH, budget=budget) for budget in (None, "100%", "50%", "15%")),
    Case(related(7), text=True, budget="50%"),
    Case(related(35)),
    Case(related(35), train=2 * BATCH + 1, budget="30%"),
)
FEW = (CASES[0], CASES[5], CASES[8], CASES[9])
"""A few cases of all kinds."""


def smaller(case: Case) -> Iterator[Case]:
    models, half = case.models, len(case.models) // 2
    if half > 1:
        yield replace(case, models=models[:half])
        yield replace(case, models=models[half:])
    if len(models) > 1:
        for i in range(len(models)):
            yield replace(case, models=models[:i] + models[i + 1 :])
    if case.budget is not None:
        yield replace(case, budget=None)
    if case.test > BATCH:
        yield replace(case, test=BATCH)
    for train in (BATCH, 2 * BATCH, case.train - BATCH):
        if BATCH <= train < case.train:
            yield replace(case, train=train)
