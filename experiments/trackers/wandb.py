"""Weights & Biases: one W&B run for every run, grouped by experiment, and one with the report's figures."""

import contextlib
import netrc
import os
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alsatian.errors import ConfigError, nearest
from experiments.trackers.base import Tracker, Values

if TYPE_CHECKING:
    import wandb

MODES = ("online", "offline")
_HOST = "api.wandb.ai"


class WandbTracker(Tracker):
    """Logs to ``project`` of ``entity``.

    Offline runs lie in ``<results>/<experiment>/wandb``; ``wandb sync`` uploads them later. What W&B gathers
    by itself (command line, environment, machine, console, code) is turned off: run records say it better,
    and command lines may hold secrets.

    Attributes:
        project: the W&B project.
        entity: user or team; None for the account's own.
        mode: ``"online"``, ``"offline"``, or None: the variable WANDB_MODE if it is set, else online with an
            API key and offline without.
    """

    def __init__(self, project: str, entity: str | None = None, mode: str | None = None) -> None:
        if mode is not None and mode not in MODES:
            raise ConfigError(f"tracker.mode={mode}: {nearest(str(mode), MODES)}")
        if find_spec("wandb") is None:
            raise ConfigError("tracker=wandb: the package wandb is not installed; pip install 'alsatian[wandb]'")
        self.project = project
        self.entity = entity
        self.mode = mode
        self._run: wandb.Run | None = None

    def started(self, label: str, folder: Path, record: Values) -> None:
        facts = {key: record[key] for key in ("run_id", "model_set", "dataset", "environment", "storage")}
        self._run = self._init(folder, label, "search", {**facts, "config": record["config"]})

    def repeat(self, index: int, repeat: Values) -> None:
        assert self._run is not None
        values: dict[str, Any] = {"repeat": index, "wall_s": repeat["wall_s"]}
        for group in ("parts_s", "busy_s", "stalled_s", "counters", "peaks"):
            values |= {f"{group}/{name}": value for name, value in repeat.get(group, {}).items()}
        self._run.log(values)

    def round(self, index: int, round_: Values) -> None:
        import wandb

        assert self._run is not None
        scores = sorted(round_["scores"].items(), key=lambda item: (-item[1], item[0]))
        self._run.log(
            {
                "round": index,
                "round/models": len(scores),
                "round/train_items": round_["train_items"],
                "round/best_score": scores[0][1] if scores else None,
                f"round {index}/scores": wandb.Table(["model", "score"], [list(item) for item in scores]),
            }
        )

    def ranking(self, models: Sequence[str]) -> None:
        import wandb

        assert self._run is not None
        rows: list[Iterable[Any]] = [[place, model] for place, model in enumerate(models, start=1)]
        self._run.log({"ranking": wandb.Table(["place", "model"], rows)})
        self._run.summary["winner"] = models[0]

    def ended(self, status: str, error: str | None) -> None:
        if self._run is None:
            return
        run, self._run = self._run, None
        run.summary["status"] = status
        if error is not None:
            run.summary["error"] = error
        run.finish(exit_code=0 if status == "ok" else 1)

    def figures(self, folder: Path, files: Sequence[Path]) -> None:
        import pandas as pd
        import wandb

        run = self._init(folder, f"{folder.name} report", "report", {})
        try:
            for path in files:
                if path.suffix == ".png":
                    run.log({f"figures/{path.stem}": wandb.Image(str(path))})
                elif path.name == "summary.csv":
                    run.log({"summary": wandb.Table(dataframe=pd.read_csv(path))})
        finally:
            run.finish()

    def _init(self, folder: Path, name: str, kind: str, config: dict[str, Any]) -> "wandb.Run":
        # Nothing leaves the machine unasked. The variable is read when the package is imported.
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        import wandb

        folder.mkdir(parents=True, exist_ok=True)
        return wandb.init(
            project=self.project,
            entity=self.entity,
            group=folder.name,
            name=name,
            job_type=kind,
            config=config,
            dir=str(folder.resolve()),  # W&B's own process may have been started elsewhere
            mode=self._mode(),
            settings=wandb.Settings(
                silent=True,
                console="off",
                save_code=False,
                disable_code=True,
                disable_git=True,
                init_timeout=30,
                x_disable_meta=True,
                x_disable_stats=True,
            ),
        )

    def _mode(self) -> Any:
        if self.mode is not None:
            return self.mode
        return os.environ.get("WANDB_MODE") or ("online" if _has_key() else "offline")


def _has_key() -> bool:
    """Whether this user has configured an API key."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    with contextlib.suppress(OSError, netrc.NetrcParseError):
        return netrc.netrc().authenticators(_HOST) is not None
    return False
