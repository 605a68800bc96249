"""One run of a launcher, in a process of its own: ``python -m experiments.job``, told what to do on stdin.

One line of JSON comes in (:data:`.launchers.base.Task`), one goes out (:data:`.launchers.base.Answer`). The run is
measured and recorded as any other. It is interrupted, and the process ends, when stdin does or the command wants no
runs any more.
"""

import io
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from alsatian.errors import AlsatianError
from alsatian.units import parse_bytes
from experiments.configuration import plugins
from experiments.configuration.composition import Cell
from experiments.configuration.redaction import Redaction
from experiments.runs.launchers import life, process
from experiments.runs.launchers.base import Answer
from experiments.runs.progress import Progress
from experiments.runs.record import SavingError

# For a run to be recorded as interrupted, which waits for the block that is computed.
_GRACE_S = 5.0
_TOLD = ("note", "warn", "done", "skip", "trace")


class _Heard(Progress):
    """Keeps what is told of a run, for the command to tell it; ``status`` is how the run failed, or ``"ok"``."""

    def __init__(self) -> None:
        super().__init__(Console(file=io.StringIO()))
        self.told: list[tuple[str, Sequence[Any]]] = []
        self.status = "ok"
        for name in _TOLD:
            setattr(self, name, partial(self._hear, name))

    def _hear(self, name: str, *arguments: Any) -> None:
        self.told.append((name, arguments))

    def failed(self, label: str, status: str) -> None:
        self.status = status


def main() -> int:
    """Measure the run that stdin asks for and say what became of it."""
    out = process.taken_output()
    task = json.loads(sys.stdin.buffer.readline())
    # What a launcher's processes ignore is not for this one; Slurm ends jobs by SIGTERM.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})
    ends: list[Callable[[], Any]] = [_wait_for_stdin]
    if task["life"] is not None:
        _take_share(Path(task["life"]), task["cores"], task["config"]["launcher"])
        ends.append(partial(life.wait_while_wanted, Path(task["life"])))
    once = threading.Lock()
    for end in ends:
        threading.Thread(target=_end_after, args=(end, once), daemon=True).start()
    answer: Answer
    try:
        with plugins.used():
            answer = _measure(task)
    except KeyboardInterrupt:
        answer = {"status": "interrupted", "error": None, "told": []}
    out.write(json.dumps(answer, allow_nan=False).encode())
    out.close()
    return 0


def _measure(task: Mapping[str, Any]) -> Answer:
    heard, hide = _Heard(), Redaction([task["config"]])
    try:
        from experiments.runs import sweep  # imports PyTorch, which looks at the share of the machine then

        outcome = sweep.measure(Cell(tuple(task["overrides"]), task["config"]), task["words"], heard)
    except AlsatianError as reason:
        status = "unsaved" if isinstance(reason, SavingError) else "failed"
        return {"status": status, "error": hide.text(str(reason)), "told": heard.told}
    status = "skipped" if outcome.skipped else heard.status
    error = outcome.failed[0].removeprefix(f"{task['label']}: ") if outcome.failed else None
    return {"status": status, "error": error, "told": heard.told}


def _take_share(folder: Path, cores: Sequence[int], settings: Mapping[str, Any]) -> None:
    """Have this process use no more of the machine's ``cores`` and memory than the launcher's ``settings`` give."""
    slot, count = life.take_slot(folder, settings["workers"]), settings["cores"]
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {cores[(slot * count + i) % len(cores)] for i in range(count)})
    if int(os.environ.get("OMP_NUM_THREADS") or count) >= count:
        os.environ["OMP_NUM_THREADS"] = str(count)
    if sys.platform == "linux":  # elsewhere the limit does not count what is mapped
        import resource

        limit = parse_bytes(settings["memory"], "launcher.memory")
        assert limit is not None
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def _wait_for_stdin() -> None:
    # Not through sys.stdin, whose lock the interpreter wants when it ends.
    while os.read(0, 1024):
        pass


def _end_after(wait: Callable[[], Any], once: threading.Lock) -> None:
    wait()
    if not once.acquire(blocking=False):
        return  # a second interrupt would meet the run being recorded
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
    time.sleep(_GRACE_S)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
