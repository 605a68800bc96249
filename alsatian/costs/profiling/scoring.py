"""Time of a proxy, fitted to how its work grows with the training items N and the values D of their features."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from alsatian.costs.hardware import ScoreCost
from alsatian.costs.profiling.timing import fit, timed
from alsatian.proxies.base import Head, Proxy, needs_head, score_each, scores_together
from alsatian.runtime.scorer import TOGETHER_BYTES

# Numbers of steps for a proxy that has them; shares of the training items for others, and of the values for all.
_STEPS = (1, 2, 4)
_ITEMS = (1 / 8, 1 / 4, 1 / 2, 1)
_WIDTHS = (1, 1 / 2, 1 / 4)
# Larger numbers of items are not measured after so many seconds: what is known says enough of how time grows.
_ENOUGH_S = 2.0
# Classes that a model's own classifier is taken to have, as ImageNet.
_SOURCES = 1000
# Models that are scored together at most.
_TOGETHER = 4
# Terms of the cost, that of steps first; a unit of each is a column of the fit.
_STEPPED = ("fixed_s", "step_s", "train_value_s", "least_s")
_GROWING = ("fixed_s", "train_value_s", "pair_s", "pair_value_s", "spectrum_s", "covariance_s")


def score_cost(
    proxy: Proxy,
    dimension: int,
    classes: int,
    train_items: int,
    test_items: int,
    device: torch.device,
    longer: int = 1,
) -> ScoreCost:
    """Time of ``proxy`` on made up features (items, D) of ``classes``, or of numbers if that is 0.

    The time that test items take is in what is fixed and in that of a training item: a search tests on all of them
    in every round.
    """
    step = int(getattr(proxy, "batch_size", 0))
    sizes = [step * n for n in _STEPS] if step else sorted({max(2, round(train_items * share)) for share in _ITEMS})
    widths = sorted(
        {max(1, round(dimension * share)) for share in (_WIDTHS[:2] if step else _WIDTHS)}, reverse=True
    )
    terms = _STEPPED if step else _GROWING
    usual: dict[str, Any] = {
        "step_items": step,
        "pair_items": int(getattr(proxy, "probe", 0)),
        "together": scores_together(proxy),
    }
    units = [ScoreCost(**usual | {term: 1.0}) for term in terms]
    rows: list[list[float]] = []
    seconds: list[float] = []
    begin = time.perf_counter()
    for items in sizes:
        if seconds and not step and time.perf_counter() - begin > longer * _ENOUGH_S:
            break
        for wide in widths:
            work, models = score_work(proxy, items, max(test_items, classes), wide, classes, device)
            seconds.append(timed(work, device, 3 if step else 1, longer) / models)
            rows.append([unit.seconds(items, 0, wide) for unit in units])
    return ScoreCost(**usual | dict(zip(terms, fit(np.array(rows), seconds), strict=True)))


def score_work(
    proxy: Proxy, train: int, test: int, wide: int, classes: int, device: torch.device
) -> tuple[Callable[[], object], int]:
    """Scores, and of how many models: one, or a few where a search scores several together. Classes have centres of
    their own, so that what iterates ends as it would with features of use."""
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(train + test) % max(classes, 1)
    x = torch.randn(max(classes, 1), wide, generator=generator)[y]
    x = (x + torch.randn(train + test, wide, generator=generator)).to(device)
    y = (y if classes else x[:, 0].double()).to(device)
    parts = (x[:train], y[:train], x[train:], y[train:], classes)
    if not needs_head(proxy):
        models = min(_TOGETHER, -(-TOGETHER_BYTES // x.nbytes)) if scores_together(proxy) else 1
        return lambda: score_each(proxy, [parts[0]] * models, parts[1], [parts[2]] * models, *parts[3:]), models
    weight = torch.randn(_SOURCES, wide, generator=generator).to(device)
    head: Head = lambda features: torch.softmax(features @ weight.T, dim=1)  # noqa: E731
    return lambda: proxy.score(*parts, head=head), 1  # type: ignore[call-arg]
