"""A repeat in a Python process of its own: ``python -m experiments.runs.worker``, told what to do on stdin.

One line of JSON comes in, the run's
configuration and where finished rounds are kept; one goes out, what was measured or what went wrong. Nothing
lies on disk meanwhile, so nothing is left behind and no secret is written. The process ends when its stdin
does, since whoever asked is gone then.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import IO, Any

from alsatian.errors import FOREIGN
from alsatian.progress import unheard
from experiments.configuration import plugins
from experiments.configuration.setup import Parts, use_threads
from experiments.runs.launchers import process
from experiments.runs.repeat import Measured, RunFailed, failure, measure, timed_out


def measure_apart(config: dict[str, Any], checkpoint: Path | None = None, timeline: bool = False) -> Measured:
    """As :func:`~experiments.runs.repeat.measure`, in a fresh process.

    Raises:
        RunFailed: anything went wrong there, or a signal ended the process.
    """
    limit: float | None = config["timeout_s"]
    expired = threading.Event()
    with tempfile.TemporaryFile() as words, _start(words) as worker:

        def expire() -> None:
            expired.set()
            worker.kill()

        # A timeout of subprocess would look every 50 ms.
        timer = threading.Timer(limit, expire) if limit is not None else None
        try:
            if timer is not None:
                timer.start()
            job = {"config": config, "checkpoint": str(checkpoint) if checkpoint else None, "timeline": timeline}
            answer = process.ask(worker, job)
        finally:
            if timer is not None:
                timer.cancel()
        worker.wait()
        if expired.is_set() and limit is not None:
            raise timed_out(limit)
        return _understood(answer, worker.returncode, words)


def _start(words: IO[bytes]) -> "subprocess.Popen[bytes]":
    """The worker, which says on ``words`` what nobody asked for."""
    return process.start("experiments.runs.worker", stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=words)


def _understood(answer: bytes, status: int, words: IO[bytes]) -> Measured:
    """What the worker said, or why it said nothing."""
    try:
        said = json.loads(answer) if status >= 0 else None
    except ValueError:
        said = None
    if said is None:
        raise RunFailed(*process.end(status, words, "a repeat"))
    if "status" in said:
        raise RunFailed(said["status"], said["error"], said.get("trace", ""))
    return Measured.of(said)


def main() -> int:
    """The worker's side."""
    out = process.taken_output()
    job = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    answer: dict[str, Any]
    try:
        with plugins.used():
            checkpoint = Path(job["checkpoint"]) if job["checkpoint"] else None
            answer = _measure(job["config"], checkpoint, job["timeline"]).plain()
    except RunFailed as error:
        answer = {"status": error.status, "error": error.error, "trace": error.trace}
    except KeyboardInterrupt:
        return 130
    out.write(json.dumps(answer, allow_nan=False).encode())
    out.close()
    return 0


def _measure(config: dict[str, Any], checkpoint: Path | None, timeline: bool) -> Measured:
    try:
        use_threads(config)
        parts = Parts()
        setup = parts.setup(config)
        models = parts.model_set(config, unheard)
    except FOREIGN as error:
        raise failure(error) from error
    return measure(setup, models, unheard, checkpoint, timeline)


def _end_with_the_parent() -> None:
    # Blocks until whoever started this process closes its end, by dying if need be. Not through sys.stdin,
    # whose lock the interpreter wants when it ends.
    while os.read(0, 1024):
        pass
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
