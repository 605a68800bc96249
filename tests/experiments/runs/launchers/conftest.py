"""Fixtures of the tests of launchers: one that does in the command's process what a test says."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from experiments.runs.launchers.base import Answer, Found, Share, Task
from experiments.runs.launchers.joblib import Joblib

Play = Callable[[Callable[[int, Task, Event], Answer | None]], list[Task]]


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Play:
    """Have ``launcher=joblib`` call a function for every task, one after the other; the tasks it has had."""
    heard: list[Task] = []

    def say(answer: Callable[[int, Task, Event], Answer | None]) -> list[Task]:
        def launch(self: Joblib, tasks: Sequence[Task], share: Share, folder: Path, stop: Event) -> Iterator[Found]:
            for number, task in enumerate(tasks):
                heard.append(task)
                yield number, answer(number, task, stop)

        monkeypatch.setattr(Joblib, "launch", launch)
        return heard

    return say


def answered(status: str, error: str | None = None, *told: Any) -> Answer:
    return {"status": status, "error": error, "told": list(told)}
