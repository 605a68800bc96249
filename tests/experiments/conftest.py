"""A command line in a folder of its own, with a model store that all tests of a session share."""

import io
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from analysis.figures import picture
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


@cache
def blank(kind: str) -> bytes:
    content = io.BytesIO()
    Figure((1, 1)).savefig(content, format=kind)
    return content.getvalue()


def drawn_once(own: picture.Picture, title: str, caption: str) -> Figure:
    """Without texts, which take as long as all else; for its file and for its page."""
    if "drawn" not in vars(own):
        vars(own)["drawn"] = own.draw("", "")
    figure: Figure = vars(own)["drawn"]
    return figure


def render_nothing(patch: pytest.MonkeyPatch) -> None:
    """Figures are drawn, but neither laid out nor rendered, which takes longer than the runs of a test: their files
    are blank."""
    patch.setattr(picture.Picture, "_settled", drawn_once)
    patch.setattr(picture, "_bytes", lambda figure, kind: blank(kind))


@pytest.fixture(autouse=True)
def quick_pictures(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What figures look like is tested in ``tests/analysis``; here tests marked ``pictures`` render theirs."""
    if request.node.get_closest_marker("pictures") is None:
        render_nothing(monkeypatch)


def results_of(folder: Path, store: Path, word: str) -> Path:
    """The results of a run of ``word`` at the smallest scale."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        render_nothing(patch)
        assert main(["run", word, "scale=ci", f"store_dir={store}"]) == 0
    return folder / "results"


@pytest.fixture(scope="session")
def finished(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of ``strategy=alsatian``, finished before, to copy: a run and its report take seconds."""
    return results_of(tmp_path_factory.mktemp("finished"), store, "strategy=alsatian")


@pytest.fixture(scope="session")
def quickstart(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of the quickstart, to copy."""
    return results_of(tmp_path_factory.mktemp("quickstart"), store, "experiment=quickstart")
