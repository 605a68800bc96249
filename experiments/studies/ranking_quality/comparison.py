"""What orders and schedules are worth on one target, given what its candidates reach when they are fine-tuned."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from alsatian.data.dataset import Dataset
from alsatian.models.model_set import ModelSet
from alsatian.proxies.base import Head, Proxy
from alsatian.records import FineTune
from alsatian.searching.confident import Confident
from alsatian.searching.schedules import Exhaustive, Halving, Schedule
from experiments.studies.ranking_quality.measures import drawn_orders, order, pearson, regret, weighted_tau
from experiments.studies.ranking_quality.page import RANDOM, REPEATED, SIZE, TOP
from experiments.studies.ranking_quality.scoring import Bench, Split, features, play, train_batches

SCHEDULES: tuple[Schedule, ...] = (Exhaustive(), Halving(), Confident())
BATCH_SIZE = 16
"""Of searches: small, so that rounds on few items differ."""
Rows = list[dict[str, Any]]


def compare(
    models: ModelSet,
    dataset: Dataset,
    tuned: Sequence[FineTune],
    proxies: Sequence[Proxy],
    splits: int,
    heads: Mapping[str, Head],
) -> dict[str, Rows]:
    """Rows about every candidate, about every order on every split, and about every schedule there.

    ``tuned`` are fine-tunes with as many seeds for every candidate, ``heads`` the candidates' own classifiers if a
    proxy needs them.
    """
    ids = [candidate.id for candidate in models.candidates]
    by_seed = np.array([[one.accuracy for one in tuned if one.model == name] for name in ids])
    sizes = {one.model: one.parameters for one in tuned}
    truth = by_seed.mean(axis=1)
    labels = dataset.train_labels
    known = {name: features(models, name, dataset.train_items, BATCH_SIZE) for name in ids}
    rankings, schedules = controls(by_seed, np.array([sizes[name] for name in ids])), Rows()
    for proxy in proxies:
        for number in range(splits):
            split = Split.of(labels, number)
            bench = Bench(proxy, split, known, labels, dataset.classes, heads)
            scores = np.array([bench(name, len(split.train)).score for name in ids])
            rankings.append({"order": proxy.name, "split": number, **quality(truth, scores)})
            rows = _schedules(truth, ids, bench)
            schedules += [{"proxy": proxy.name, "split": number, **row} for row in rows]
    shared = {"train_items": len(labels), "test_items": len(dataset.test_items), "classes": dataset.classes}
    candidates = [
        {
            "model": name,
            "parameters": sizes[name],
            "accuracy": float(accuracies.mean()),
            "lowest": float(accuracies.min()),
            "highest": float(accuracies.max()),
            "seeds": len(accuracies),
            "source_classes": heads[name](known[name][:1]).shape[1] if name in heads else None,
            **shared,
        }
        for name, accuracies in zip(ids, by_seed, strict=True)
    ]
    return {"candidates": candidates, "rankings": rankings, "schedules": schedules}


def quality(truth: np.ndarray, scores: np.ndarray) -> dict[str, float]:
    """How good the order by ``scores`` (M,) is, if ``truth`` (M,) is what candidates reach."""
    regrets = {f"regret_{count}": regret(truth, order(scores), count) for count in (1, TOP)}
    return {"tau": weighted_tau(truth, scores), "pearson": pearson(truth, scores), **regrets}


def controls(by_seed: np.ndarray, sizes: np.ndarray) -> Rows:
    """Orders that ask no proxy, from accuracies ``by_seed`` (M, S) and numbers of parameters ``sizes`` (M,): by
    each seed, where the mean of the others is the truth (none with a single seed); the largest first; any."""
    rows, truth = Rows(), by_seed.mean(axis=1)
    seeds = by_seed.shape[1]
    for seed in range(seeds) if seeds > 1 else ():
        others = np.delete(by_seed, seed, axis=1).mean(axis=1)
        rows.append({"order": REPEATED, "split": seed, **quality(others, by_seed[:, seed])})
    for name, scores in ((SIZE, sizes), (RANDOM, np.zeros(len(truth)))):
        drawn = drawn_orders(scores, seed=0)
        # Candidates of one size are tied; a random order has no ties.
        said = [scores] if name == SIZE else [-np.argsort(one).astype(float) for one in drawn]
        means = {
            key: float(np.mean([function(truth, one) for one in said])) for key, function in _CORRELATIONS.items()
        }
        for count in (1, TOP):
            means[f"regret_{count}"] = float(np.mean([regret(truth, one, count) for one in drawn]))
        rows.append({"order": name, "split": 0, **means})
    return rows


_CORRELATIONS = {"tau": weighted_tau, "pearson": pearson}


def _schedules(truth: np.ndarray, ids: Sequence[str], bench: Bench) -> Rows:
    """What the winner of each schedule reaches, and what finding it costs, over the exhaustive search's."""
    train = train_batches(bench.split, BATCH_SIZE, len(ids))
    played = {schedule.name: play(schedule, ids, train, bench) for schedule in SCHEDULES}
    reached = {name: float(truth[ids.index(one.ranking[0])]) for name, one in played.items()}
    whole = played[Exhaustive.name]
    return [
        {
            "schedule": name,
            "regret": 100 * (float(truth.max()) - reached[name]),
            "lost": 100 * (reached[Exhaustive.name] - reached[name]),
            "extracted": one.extracted / whole.extracted,
            "scored": one.scored / whole.scored,
        }
        for name, one in played.items()
    ]
