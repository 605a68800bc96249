"""A command line in a folder of its own, with a model store that all tests of a session share."""

from collections.abc import Callable
from pathlib import Path

import pytest

from experiments.cli import main

Alsatian = Callable[..., int]


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store")


@pytest.fixture
def alsatian(tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch) -> Alsatian:
    """Call with words as on the command line; ``run`` gets the shared store and the smallest scale."""
    monkeypatch.chdir(tmp_path)

    def call(*words: str) -> int:
        chosen = {word.partition("=")[0] for word in words}
        usual = {"scale": "ci", "store_dir": store} if words[0] == "run" else {}
        return main([*words, *(f"{key}={value}" for key, value in usual.items() if key not in chosen)])

    return call


@pytest.fixture(scope="session")
def finished(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of ``strategy=alsatian``, finished before, to copy: a run and its report take seconds."""
    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(["run", "strategy=alsatian", "scale=ci", f"store_dir={store}"]) == 0
    return folder / "results"
