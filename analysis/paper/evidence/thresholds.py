"""What counts as the same, as even and as reached: what the paper's own numbers say, in whole percent.

None was chosen by what is measured here. Where the paper calls times the same, its own differ by so much; where it
shows one cell in two figures, the two differ by so much. A bound lies at the next whole percent beyond, so that the
paper's numbers keep to it.
"""

import math
from collections.abc import Iterable, Mapping
from functools import cache
from itertools import pairwise

import numpy as np

from analysis.paper.evidence import published

# Of a cell and its strategy.
LABELS = ["workload", "items", "distribution", "approach"]
Times = Mapping[tuple[str, int, str, str], float]


@cache
def flat() -> float:
    """Times are the same whatever the overlap if they differ by no more than this share.

    Base and SHiFT differ by up to 4.6% over the distributions of Figs 10 and 17, ResNet-18 at 2,000 items the most.
    """
    found: dict[tuple[str, str, int, str], list[float]] = {}
    for figure in ("10", "17"):
        for (workload, items, _, approach), seconds in times(figure).items():
            if approach != "alsatian":
                found.setdefault((figure, workload, items, approach), []).append(seconds)
    return _up(max(own) / min(own) - 1 for own in found.values())


@cache
def scored_alike() -> float:
    """Two strategies score models as long as each other if they differ by no more than this share.

    Alsatian and SHiFT differ by up to 3.0% in Fig 11.
    """
    own = times("11", "proxy_scoring")
    return _up(
        abs(own[workload, items, distribution, "alsatian"] / seconds - 1)
        for (workload, items, distribution, approach), seconds in own.items()
        if approach == "shift"
    )


@cache
def trained_alike() -> float:
    """Trained models gain what synthetic ones do if the speed-ups differ by no more than this share.

    The paper calls Figs 13 and 10c the same; they differ by up to 29.0%, for ResNet-18.
    """
    trained, synthetic = _gains("13"), _gains("10")
    return _up(abs(gain / synthetic[place] - 1) for place, gain in trained.items())


@cache
def reached() -> float:
    """A published speed-up counts as reached from this share of it on.

    Figs 10, 11 and 16 show some cells twice. Between them Alsatian's speed-up over base differs by up to 15.3%, for
    ResNet-152, Top Layers, 8,000 items: 8.6 and 10.2 times.
    """
    first, again = _gains("10"), _gains("11")
    for (workload, items, distribution), gain in _gains("16").items():
        if workload.endswith("@64GB"):  # as much memory as elsewhere
            again[workload.partition("@")[0], items, distribution] = gain
    both = [(first[place], gain) for place, gain in again.items()]
    return 1 - _up(1 - min(gains) / max(gains) for gains in both)


@cache
def even() -> float:
    """A quarter of the depth of a flat model holds a quarter of what there is, but for this share of all.

    The paper calls ViT-L-32 flat in Fig 12; its quarters hold 22.4 to 26.8% of the inference time.
    """
    profiles = [depth("ViT-L-32", kind) for kind in ("params", "inference")]
    return _up(abs(share - 1 / 4) for own in profiles for share in shares(own, 4))


@cache
def skewed(kind: str) -> float:
    """Share of a ResNet-152 in the half of its depth that has more of it, as published in Fig 12.

    That is 58.7% of the inference time in the first half, and 68.9% of the parameters in the second.
    """
    return math.floor(100 * max(shares(depth("ResNet-152", kind), 2))) / 100


@cache
def family_apart() -> float:
    """Points by which a share of models may be off the published one.

    The families of DETR, all of one kind, have 87, 90 and 94%: half of the smallest step between two of them, so
    that a share is nearer to its own family's than to another's.
    """
    rows = published.values("overlap")
    known = sorted(rows.loc[rows["component"] == "models_sharing", "value"])
    return min(b - a for a, b in pairwise(known)) / 2


def depth(model: str, kind: str) -> np.ndarray:
    """The published heights of Fig 12 for a ``model``, (blocks,): ``"params"`` or ``"inference"``."""
    rows = published.values("12")
    own = rows[(rows["workload"].str.partition("/")[0] == model) & (rows["component"] == kind)]
    return own["value"].to_numpy(float)


def shares(values: np.ndarray, stretches: int) -> np.ndarray:
    """Shares, 0 to 1, of so many stretches of equal depth; a block over a border counts for both, (stretches,)."""
    reached = np.concatenate([[0.0], np.cumsum(values)])
    sums = np.diff(np.interp(np.linspace(0, len(values), stretches + 1), np.arange(len(reached)), reached))
    total = float(sums.sum())
    return sums / total if total > 0 else np.full(stretches, 1 / stretches)


def times(figure: str, component: str = "total") -> Times:
    """Published seconds by workload, items, distribution and strategy."""
    rows = published.values(figure)
    rows = rows[rows["component"] == component].drop_duplicates(LABELS)
    return dict(zip(rows[LABELS].itertuples(index=False, name=None), rows["value"], strict=True))


def _gains(figure: str) -> dict[tuple[str, int, str], float]:
    """Alsatian's published speed-ups over base by cell."""
    own = times(figure)
    return {
        (workload, items, distribution): own[workload, items, distribution, "base"] / seconds
        for (workload, items, distribution, approach), seconds in own.items()
        if approach == "alsatian" and (workload, items, distribution, "base") in own
    }


def _up(differences: Iterable[float]) -> float:
    """The largest one, at the next whole percent."""
    return math.ceil(100 * max(differences)) / 100
