"""A repeat in a Python process of its own: ``python -m experiments.runs.worker``, told what to do on stdin.

One line of JSON comes in, the run's
configuration and where finished rounds are kept; one goes out, what was measured or what went wrong. Nothing
lies on disk meanwhile, so nothing is left behind and no secret is written. The process ends when its stdin
does, since whoever asked is gone then.
"""

import json
import os
import signal
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
from experiments.runs import process
from experiments.runs.repeat import Measured, RunFailed, failure, measure, timed_out

_TAIL = 2000  # characters of a dead process's last words


def measure_apart(config: dict[str, Any], checkpoint: Path | None = None, timeline: bool = False) -> Measured:
    """As :func:`~experiments.runs.repeat.measure`, in a fresh process.

    Raises:
        RunFailed: anything went wrong there, or a signal ended the process.
    """
    limit: float | None = config["timeout_s"]
    expired = threading.Event()
    with tempfile.TemporaryFile() as words, _start(words) as worker:
        assert worker.stdin is not None
        assert worker.stdout is not None

        def expire() -> None:
            expired.set()
            worker.kill()

        # Waiting for the answer costs nothing meanwhile; a timeout of subprocess would look every 50 ms.
        timer = threading.Timer(limit, expire) if limit is not None else None
        try:
            if timer is not None:
                timer.start()
            job = {"config": config, "checkpoint": str(checkpoint) if checkpoint else None, "timeline": timeline}
            worker.stdin.write(json.dumps(job).encode() + b"\n")
            worker.stdin.flush()
            answer = worker.stdout.read()
        except BrokenPipeError:  # it died at once; the exit status says how
            answer = b""
        except BaseException:
            worker.kill()
            raise
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
    if status < 0:
        name = signal.Signals(-status).name if -status in set(signal.Signals) else f"signal {-status}"
        if -status == signal.SIGKILL:
            raise RunFailed("oom", f"the process of a repeat was ended by {name}, most likely for lack of memory")
        raise RunFailed("failed", f"the process of a repeat was ended by {name}")
    try:
        said = json.loads(answer)
    except ValueError:
        words.seek(0)
        last = words.read().decode(errors="replace").strip()[-_TAIL:]
        raise RunFailed("failed", f"the process of a repeat ended with status {status}\n{last}".strip()) from None
    if "status" in said:
        raise RunFailed(said["status"], said["error"], said.get("trace", ""))
    return Measured.of(said)


def main() -> int:
    """The worker's side."""
    # Libraries may print; what goes out belongs to the answer alone.
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
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
