"""Checks in a process of their own, so that one that hangs can be ended: ``python -m experiments.checking.worker``.

One line of JSON comes in, what to check. Lines go out about every suite when it begins, about every case before it
is examined, and with the judgements when a suite is done. Where one hangs, Python itself says and ends the process.
"""

import faulthandler
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cache, partial
from typing import IO, Any

from alsatian.errors import AlsatianError, installed, place
from experiments.checking.suite import TRACE, Failure, Judgement
from experiments.runs.launchers import process

ENDS = "comes to an end"
_FRAME = re.compile(r'  File "(?P<file>.+)", line (?P<line>\d+)')


@dataclass(frozen=True)
class Checked:
    """A subject with what was found of it, and the last traceback on the way, if there was one."""

    subject: str
    judgements: Sequence[Judgement]
    traceback: str = ""

    @property
    def passed(self) -> bool:
        """Whether every property holds."""
        return all(judgement.failure is None for judgement in self.judgements)


def check(words: Sequence[str], multirun: bool, limit: float) -> Iterator[Checked | str]:
    """Check what ``words`` choose, one subject after another; every case's text comes before it is examined.

    A case may take ``limit`` seconds.

    Raises:
        AlsatianError: a part cannot be made, or the process ended without a word.
    """
    skip = 0
    while True:
        job = {"words": list(words), "multirun": multirun, "limit": limit, "skip": skip}
        subject = case = ""
        with tempfile.TemporaryFile() as errors:
            worker = process.start(
                "experiments.checking.worker",
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
            assert worker.stdin is not None
            assert worker.stdout is not None
            try:
                worker.stdin.write(json.dumps(job) + "\n")
                worker.stdin.close()
                for line in worker.stdout:
                    said: dict[str, Any] = json.loads(line)
                    if "error" in said:
                        raise AlsatianError(said["error"])
                    subject, case = said.get("subject", subject), said.get("case", case)
                    if "case" in said:
                        yield case
                    if "judgements" in said:
                        skip += 1
                        judgements = [_judgement(one) for one in said["judgements"]]
                        yield Checked(subject, judgements, _words(errors).partition(TRACE)[2])
                        case = ""
                worker.wait()
            finally:
                worker.kill()
                worker.wait()
            if worker.returncode == 0:
                return
            last = _words(errors)
        if "Timeout (" not in last:
            raise AlsatianError(
                f"the process of the check ended with status {worker.returncode}: {last[-500:].strip()}"
            )
        skip += 1
        hung = Failure(case or "before the first case", f"it takes longer than {limit:g} s: it was at {_at(last)}")
        yield Checked(subject, [Judgement(ENDS, 1, 1, hung)], last)


def _words(errors: IO[bytes]) -> str:
    """The last traceback on the error output of the worker, or all that stands there."""
    errors.seek(0)
    whole = errors.read().decode(errors="replace")
    return TRACE + whole.rpartition(TRACE)[2] if TRACE in whole else whole


def _judgement(said: dict[str, Any]) -> Judgement:
    failure = said.pop("failure")
    return Judgement(**said, failure=Failure(**failure) if failure else None)


def _at(dump: str) -> str:
    """The innermost line of a user's own code in what Python said of a process that hung."""
    main = dump.rpartition("Thread ")[2]  # it stands last, its innermost line first
    frames = [(m["file"], int(m["line"])) for m in map(_FRAME.match, main.splitlines()) if m]
    own = [frame for frame in frames if not installed(frame[0])]
    return place(*(own or frames)[0])


def main() -> int:
    """The worker's side."""
    # Subjects may print; what goes out belongs to the answers alone.
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    job = json.loads(sys.stdin.readline())

    def say(**what: Any) -> None:
        out.write(json.dumps(what) + "\n")

    def begins(case: str) -> None:
        say(case=case)
        faulthandler.dump_traceback_later(job["limit"], exit=True)

    import torch  # here, so that the side that asks starts at once

    from alsatian.store.store import BlockStore
    from experiments.checking.models import Family
    from experiments.checking.subjects import suites
    from experiments.checking.suite import judge
    from experiments.configuration import plugins
    from experiments.configuration.composition import cells

    torch.set_num_threads(1)  # of small work, threads only take from each other
    with tempfile.TemporaryDirectory() as folder, plugins.used():
        try:
            families = cache(partial(Family, BlockStore(folder)))
            found = cells(job["words"], job["multirun"])
            for suite in list(suites(found, job["words"], families))[job["skip"] :]:
                say(subject=suite.subject)
                judgements = judge(suite, begins)
                faulthandler.cancel_dump_traceback_later()
                say(judgements=[asdict(judgement) for judgement in judgements])
        except AlsatianError as error:
            say(error=str(error))
    return 0


if __name__ == "__main__":
    sys.exit(main())
