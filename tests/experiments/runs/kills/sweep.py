"""A sweep left alone, and the same under ``kill -9`` at random moments, from training to writing the report."""

import platform
import random
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from alsatian.errors import AlsatianError
from tests.experiments.runs.kills import comparison
from tests.experiments.runs.kills.moments import MOMENTS, Attempt, Moments

SWEEP = ("strategy=base,shift,shared_prefix,alsatian", "cache.budget=4MiB,8MiB,16MiB")
# Small, and with one thread, so that two sweeps do the same arithmetic on a busy machine too.
SMALL = ("name=kills", "scale=ci", "device.threads=1")


@dataclass(frozen=True)
class Kill:
    """A kill: at which moment of the sweep, how many seconds after the start, and how many runs were finished."""

    moment: str
    after_s: float
    finished: int


def command(folder: Path, words: Sequence[str]) -> list[str]:
    """The sweep of ``words``, with store and results of its own in ``folder``."""
    places = [f"results_dir={folder / 'results'}", f"store_dir={folder / 'store'}"]
    return [sys.executable, "-m", "experiments.cli", "run", "-m", *words, *SMALL, *places]


def undisturbed(folder: Path, words: Sequence[str], again: bool) -> Moments:
    """Run the sweep to its end, and ``again`` with everything there; return when what happened."""
    first = Attempt(command(folder, words), folder).watched()
    return Moments.of(first, Attempt(command(folder, words), folder).watched() if again else first)


def disturbed(folder: Path, words: Sequence[str], kills: int, moments: Moments, seed: int) -> Iterator[Kill]:
    """Kill the sweep ``kills`` times, yielding each, then let it end.

    Raises:
        AlsatianError: a finished run was lost or changed, or the last attempt failed.
    """
    rng = random.Random(seed)
    kept: dict[Path, bytes] = {}
    done = 0
    while done < kills:
        moment = _moment(done / kills, rng)
        attempt = Attempt(command(folder, words), folder)
        killed = attempt.kill(moment, moments, rng, *_between(done / kills, moments.runs))
        now = comparison.finished(folder / "results")
        if lost := [str(path) for path, content in kept.items() if now.get(path) != content]:
            raise AlsatianError(f"finished runs were lost or changed: {', '.join(lost)}")
        kept = now
        if killed:
            done += 1
            yield Kill(moment, attempt.seconds, len(now))
        elif moment == "report":  # with all runs there it was faster than its killer, who learns from that
            moments = moments.at_pace(attempt.seconds)
    last = subprocess.run(command(folder, words), capture_output=True, text=True)
    if last.returncode != 0:
        raise AlsatianError(f"the sweep failed after the kills: {last.stderr[-2000:].strip()}")


def _moment(progress: float, rng: random.Random) -> str:
    """The moment to aim at: set-up at first, the report at last, anything between."""
    if progress < 1 / 6:
        return "set-up"
    return "report" if progress >= 5 / 6 else rng.choice(("start", "run", "run"))


def _between(progress: float, runs: int) -> tuple[int, int]:
    """How many runs are finished at least and at most when the next kill comes: none in set-up, all at last."""
    share = min(1.0, max(0.0, (progress - 1 / 6) / (4 / 6)))
    return int(share * (runs - 2)), runs + 1 if share == 1 else int(share * (runs - 2)) + 2


def page(kills: Sequence[Kill], differences: Sequence[str], runs: int, seed: int, words: Sequence[str]) -> str:
    """The result as Markdown."""
    rows = []
    for moment, meaning in MOMENTS.items():
        if some := [kill for kill in kills if kill.moment == moment]:
            times = [kill.after_s for kill in some]
            done = ", ".join(str(kill.finished) for kill in some)
            rows.append(f"| {meaning} | {len(some)} | {min(times):.1f}–{max(times):.1f} | {done} |")
    verdict = "\n".join(f"- {line}" for line in differences) or (
        "No difference: the same runs; scores, fingerprints and rankings of all rounds equal bit for bit; all "
        "columns of `summary.csv` equal that are not times; every record and manifest valid; no finished run "
        "lost or changed by a kill; no temporary file left; the store verified."
    )
    facts = f"{platform.machine()}, Python {platform.python_version()}, {datetime.now(UTC):%Y-%m-%d}"
    return f"""# Kills

A sweep of {runs} runs (`{" ".join((*words, *SMALL))}`), its process ended with SIGKILL {len(kills)} times at
random moments (seed {seed}), the same command started again each time, and compared with an undisturbed sweep.
Made by `python -m pytest tests/experiments/runs/test_kills.py --kills {len(kills)} --seed {seed} --pages
docs/results` ({facts}).

| moment aimed at | kills | seconds after the start | runs finished by then |
|---|---|---|---|
{chr(10).join(rows)}

{verdict}
"""
