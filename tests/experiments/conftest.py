"""A command line in a folder of its own, with a model store that all tests of a session share."""

import io
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from alsatian.store.store import BlockStore
from analysis.figures import picture
from experiments.checking import worker
from experiments.checking.models import Family
from experiments.checking.subjects import suites
from experiments.checking.suite import judge
from experiments.cli import main
from experiments.configuration.composition import cells

Alsatian = Callable[..., int]
Families = Callable[[bool], Family]


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
def families(tmp_path_factory: pytest.TempPathFactory) -> Families:
    """The models that ``alsatian check`` checks with."""
    return cache(partial(Family, BlockStore(tmp_path_factory.mktemp("families"))))


@pytest.fixture
def checked_here(monkeypatch: pytest.MonkeyPatch, families: Families) -> None:
    """``alsatian check`` examines its cases in this process, which has imported what that takes and exported the
    models; the process of its own is tested in ``checking/test_check.py``."""

    def check(words: Sequence[str], multirun: bool, limit: float) -> Iterator[worker.Checked]:
        for one in suites(cells(words, multirun), words, families):
            yield worker.Checked(one.subject, judge(one))

    monkeypatch.setattr(worker, "check", check)


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


@pytest.fixture(autouse=True)
def quick_profiles(quick_measuring: None) -> None:
    """Commands that measure this machine are not about its numbers here."""


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
