"""The manifest of a sweep: the runs that a command asked for, and what became of them so far.

``<experiment>/sweeps/<sweep_id>.json`` is written before anything runs and kept current; ``sweep.schema.json``
beside this file describes it. The same command finds the same manifest.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from alsatian.files import claimed
from alsatian.fingerprint import digest_json
from experiments.runs import record, saving, validation
from experiments.runs.queue import Run

SCHEMA = 1


class Manifest:
    """The manifest in ``folder``, an experiment's, of the ``runs`` that ``command`` asked for."""

    def __init__(self, folder: Path, command: str, runs: Sequence[Run]) -> None:
        identity = digest_json([[list(run.overrides), run.identity] for run in runs])[:16]
        self.path = folder / "sweeps" / f"{identity}.json"
        self._runs = {
            id(run): {
                "label": run.label,
                "overrides": list(run.overrides),
                "run_id": run.identity,
                "status": "pending",
                "error": None,
            }
            for run in runs
        }
        self._facts = {"schema": SCHEMA, "sweep_id": identity, "command": command, "started": record.now()}

    def note(self, run: Run, status: str, error: str | None) -> None:
        """Note what became of ``run``, without writing; see :meth:`save`."""
        self._runs[id(run)] |= {"status": status, "error": error}

    def save(self) -> None:
        """Write the manifest as it is now.

        Raises:
            AlsatianError: it cannot be written.
        """
        runs = list(self._runs.values())
        statuses = [run["status"] for run in runs]
        content: dict[str, Any] = {
            **self._facts,
            "updated": record.now(),
            "done": statuses.count("ok"),
            "failed": len(runs) - sum(map(statuses.count, ("ok", "pending", "running"))),
            "runs": runs,
        }
        validation.check(content, validation.SWEEP)
        try:
            with claimed(self.path.parent, wait=True):
                saving.save(self.path, content)
        except OSError as error:
            raise saving.SavingError(saving.cannot_write(self.path, error)) from None
