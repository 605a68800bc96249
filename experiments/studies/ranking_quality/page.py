"""The page about rankings: how far each can be trusted, and what each schedule loses and saves."""

from collections.abc import Mapping

import pandas as pd

from alsatian.records import Tuning
from alsatian.searching.confident import Confident
from alsatian.searching.schedules import Exhaustive, Halving
from experiments.studies.study import Page, spread, table

REPEATED, SIZE, RANDOM = "*fine-tuning once*", "*largest first*", "*random order*"
"""Orders that no proxy makes, to compare with."""
TOP = 3
"""Candidates that somebody fine-tunes who does not trust the winner alone."""
REPEATABLE = 0.5
"""Weighted τ between one seed and the mean of the others below which the truth itself is in doubt."""
_CHEAPER = (Halving.name, Confident.name)


def page(frames: Mapping[str, pd.DataFrame], tunings: Mapping[str, Tuning], without: Mapping[str, str]) -> Page:
    """``frames`` are candidates, rankings and schedules, a row each; ``without`` says for targets why proxies that
    need the candidates' classifiers were left out."""
    candidates, rankings, schedules = (frames[name] for name in ("candidates", "rankings", "schedules"))
    blocks = [
        "Every candidate is fine-tuned on the training items of a target: all parameters, below a new linear "
        "layer, by Adam, with the learning rate that is best on held-out training items, or the only one. Its "
        "accuracy on the test items, the mean over seeds, is the truth. Proxies see features of the training items "
        "alone, of which a quarter is for testing them, on splits drawn anew; numbers are the median over splits, "
        "with the range.",
        "Weighted τ: Kendall's, candidates weighted by 1 / (r + 1) for their rank r from 0 by the truth. Regret: "
        f"what the winner, or the best of the first {TOP}, loses against the best candidate, in percentage points "
        f"of accuracy. Three orders ask no proxy: {REPEATED} ranks by one seed, where the mean of the others is "
        f"the truth, so it shows how far the truth can be trusted; {SIZE} is by the number of parameters, ties "
        f"drawn; {RANDOM} stands for whatever knows nothing of the target, such as popularity. The last two are "
        "means over draws.",
        *_classifiers(candidates, without),
        "## All targets",
        _overview(schedules),
        _proxies(rankings),
    ]
    for target, own in candidates.groupby("target", sort=False):
        tuning, first = tunings[str(target)], own.iloc[0]
        rates = ", ".join(f"{rate:g}" for rate in tuning.learning_rates)
        noise = (own["highest"] - own["lowest"]).median()
        blocks += [
            f"## {str(target).capitalize()}",
            f"{len(own)} candidates of {_millions(own)} parameters; {first.classes} classes, {first.train_items} "
            f"training items and {first.test_items} test items. {first.seeds} fine-tunes of each: {tuning.epochs} "
            f"epochs in batches of {tuning.batch_size}, learning rate {rates}. Accuracies from "
            f"{own['accuracy'].min():.1%} to {own['accuracy'].max():.1%}; the seeds of one candidate differ by "
            f"{100 * noise:.1f} points (median).",
            *_doubts(rankings[rankings["target"] == target]),
            _rankings(rankings[rankings["target"] == target]),
            _schedules(schedules[schedules["target"] == target]),
        ]
    whole = pd.concat([frame.assign(kind=name) for name, frame in frames.items()])
    columns = ["kind", "target", *(name for name in whole if name not in ("kind", "target"))]
    return Page("Whether rankings find the best model to fine-tune", blocks, whole[columns].round(6))


def _millions(candidates: pd.DataFrame) -> str:
    found = sorted({f"{count / 1e6:.1f}" for count in candidates["parameters"]}, key=float)
    return f"{' or '.join(found)} million"


def _classifiers(candidates: pd.DataFrame, without: Mapping[str, str]) -> list[str]:
    """Where proxies that need classifiers are, and where not."""
    known = candidates.dropna(subset="source_classes").groupby("target", sort=False)["source_classes"]
    kept = [f"{target} ({own.min():.0f} to {own.max():.0f} classes)" for target, own in known]
    about = (
        "`leep` and `nce` are given the classifier that a candidate was trained with, on a task of its own: for "
        f"the candidates of {', '.join(kept)}."
    )
    missing = [f"Without proxies that need a classifier: {target}. {why}." for target, why in without.items()]
    return [about, *missing] if kept else missing


def _overview(schedules: pd.DataFrame) -> str:
    """A row for every schedule, over all targets, proxies and splits."""
    rows = [
        {
            "schedule": f"`{name}`",
            "searches": len(own),
            "regret, mean": own["regret"].mean(),
            "lost against exhaustive, mean": own["lost"].mean(),
            "at worst": own["lost"].max(),
            "winner at least as good": f"{(own['lost'] <= 0).mean():.0%}",
            "items extracted": f"{own['extracted'].mean():.0%}",
            "items scored": f"{own['scored'].mean():.0%}",
        }
        for name, own in schedules.groupby("schedule", sort=False)
    ]
    points = ("regret, mean", "lost against exhaustive, mean", "at worst")
    about = (
        "Schedules, over all targets, proxies and splits. *Lost*: accuracy of the exhaustive search's winner minus "
        "that of the schedule's, in points. *Extracted*: model × training items whose features are computed, and "
        "*scored*: model × training items that the proxy is trained on, both over those of the exhaustive search; "
        f"test items come on top, the same for all. `{Confident.name}` has level {Confident().level:g}."
    )
    return f"{about}\n\n{table(rows, **dict.fromkeys(points, '{:.2f}'))}"


def _proxies(rankings: pd.DataFrame) -> str:
    """A row for every order, with its mean over all targets."""
    means = rankings.groupby(["order", "target"], sort=False)[
        ["tau", "pearson", "regret_1", f"regret_{TOP}"]
    ].mean()
    count = rankings["target"].nunique()
    rows = means.groupby("order", sort=False).agg(_mean_of_all, count=count).reset_index()
    titles = ["order", "weighted τ", "Pearson", "regret of the winner", f"regret of the top {TOP}"]
    rows.columns = pd.Index(titles)
    rows["order"] = rows["order"].map(_name)
    rows = rows.sort_values(titles[3], kind="stable")
    return "Orders by the mean over all targets.\n\n" + table(rows, **dict.fromkeys(titles[1:], "{:.2f}"))


def _mean_of_all(targets: "pd.Series[float]", count: int) -> float:
    """NaN where one of ``count`` targets has no number, as where candidates of one size are in no order by size, or
    where they have no classifiers for a proxy that needs them."""
    return float(targets.mean(skipna=False)) if len(targets) == count else float("nan")


def _name(order: str) -> str:
    return order if order in (REPEATED, SIZE, RANDOM) else f"`{order}`"


def _doubts(rankings: pd.DataFrame) -> list[str]:
    """What is to be said where candidates differ by little more than chance."""
    repeated = rankings.loc[rankings["order"] == REPEATED, "tau"].median()
    if pd.isna(repeated) or repeated >= REPEATABLE:
        return []
    return [
        f"**Seeds disagree on which candidate is best here** (weighted τ {repeated:.2f}, below {REPEATABLE}): what "
        "candidates reach differs by little more than chance, so this target says little about any order."
    ]


def _rankings(rankings: pd.DataFrame) -> str:
    titles = {
        "tau": "weighted τ",
        "pearson": "Pearson",
        "regret_1": "regret of the winner",
        f"regret_{TOP}": f"regret of the top {TOP}",
    }
    rows = [
        {"order": _name(str(name)), **{title: spread(own[key].dropna()) for key, title in titles.items()}}
        for name, own in rankings.groupby("order", sort=False)
    ]
    return table(rows, **dict.fromkeys(titles.values(), "{}"))


def _schedules(schedules: pd.DataFrame) -> str:
    rows = []
    for name, own in schedules.groupby("proxy", sort=False):
        row = {"proxy": _name(str(name))}
        by_schedule = dict(iter(own.groupby("schedule", sort=False)))
        for schedule in _CHEAPER:
            row[f"`{schedule}`: lost"] = spread(by_schedule[schedule]["lost"])
            row[f"`{schedule}`: extracted"] = spread(100 * by_schedule[schedule]["extracted"], "{:.0f}")
        rows.append(row)
    about = (
        f"What the schedules lose against `{Exhaustive.name}`, in points, and what they extract of its items, in %."
    )
    return f"{about}\n\n{table(rows, **dict.fromkeys(list(rows[0])[1:], '{}'))}"
