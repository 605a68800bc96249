"""Has a launcher carry runs out and hears what becomes of them, in the command's own process."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from types import FrameType
from typing import Any, Self

from alsatian.files import make_folder
from experiments.runs.launchers import process
from experiments.runs.launchers.base import Answer, Launcher, Share, own_cores
from experiments.runs.launchers.life import Life

# For runs to end by themselves once they are to, before the command's end ends their processes.
_GRACE_S = 30.0


class Launch:
    """Runs that ``launcher`` carries out: when it is left, however that is, no process is left on this machine.

    ``runs`` are what :mod:`experiments.job` is to know of each. Where they run elsewhere, files lie below
    ``folder``. SIGTERM counts as an interrupt meanwhile.
    """

    def __init__(self, launcher: Launcher, runs: Sequence[Mapping[str, Any]], share: Share, folder: Path) -> None:
        self._launcher, self._runs, self._share = launcher, runs, share
        if not launcher.here:
            make_folder(folder)
        self._life = Life(None if launcher.here else folder.absolute())
        self._stop = threading.Event()
        self._heard: SimpleQueue[tuple[int, Answer | None] | BaseException | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._launch, daemon=True)

    def __enter__(self) -> Self:
        self._before: Any = None
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGTERM, _interrupt)
        self._thread.start()
        return self

    def __exit__(self, *error: Any) -> None:
        self.stop()
        self._thread.join(self._left())
        self._life.close()
        if self._before is not None:
            signal.signal(signal.SIGTERM, self._before)

    def __iter__(self) -> Iterator[tuple[int, Answer]]:
        """Numbers of runs, from 0, and what became of them, as they end.

        After an interrupt or :meth:`stop` one may go on to hear what is still said, for a while.
        """
        with contextlib.suppress(Empty):
            while (found := self._heard.get(timeout=self._left())) is not None:
                if isinstance(found, BaseException):
                    raise found
                number, answer = found
                if answer is not None:
                    yield number, answer

    def stop(self) -> None:
        """Have all runs end; what is under way is recorded as interrupted."""
        if not self._stop.is_set():
            self._end = time.monotonic() + _GRACE_S
            self._stop.set()
            self._life.stop()

    def _left(self) -> float | None:
        """Seconds to wait for what is said, once runs are to end."""
        return max(0.0, self._end - time.monotonic()) if self._stop.is_set() else None

    def _launch(self) -> None:
        # Processes that are started here do not hear a terminal's interrupt, which the main thread follows.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        common = {
            "life": str(self._life.folder) if self._launcher.here else None,
            "command": os.getpid(),
            "cores": own_cores(),
            "folder": os.getcwd(),
            "environment": process.environment(),
        }
        tasks = [{**run, **common} for run in self._runs]
        try:
            for found in self._launcher.launch(tasks, self._share, self._life.folder, self._stop):
                self._heard.put(found)
        except BaseException as error:
            self._heard.put(error)
        finally:
            self._heard.put(None)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
