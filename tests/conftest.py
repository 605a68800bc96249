"""What the tests of several folders share: hypothesis settings and a family of tiny models.

A quick test asks for ``tiny`` or :mod:`tests.stores` instead of a real network, calls ``experiments.cli.main``
instead of starting a process, makes what several tests of its file read in a fixture of scope ``module``, and marks
a case that is much like another ``thorough``. :mod:`tests.exports` says what is exported once.
"""

import atexit
import gc
import re
import shlex
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch
from hypothesis import settings

settings.register_profile("repository", deadline=None, derandomize=True, database=None, max_examples=100)
settings.load_profile("repository")


def pytest_addoption(parser: pytest.Parser) -> None:
    """What tests that have a page take from the command line."""
    parser.addoption("--thorough", action="store_true", help="also what is much like another test: see the marker")
    parser.addoption("--kills", type=int, default=2, help="how often tests of kills kill what they test")
    parser.addoption("--seed", type=int, default=3, help="of the moments at which it does")
    parser.addoption("--pages", type=Path, help="where tests that have a page write it, e.g. docs/results")
    parser.addoption("--words", default="", help="what such a test is to measure for its page, as its module says")


def pytest_configure() -> None:
    """What a shell started in the background ignores Ctrl-C, and so would all that tests start and interrupt."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The tests of a file run on one worker, so that what they share is made once. Groups, which take longest, come
    first, then files with slow tests, so that no worker is left with a long one at the end."""
    if not config.getoption("--thorough"):
        config.hook.pytest_deselected(items=[item for item in items if item.get_closest_marker("thorough")])
        items[:] = [item for item in items if not item.get_closest_marker("thorough")]
    grouped = {item: item.get_closest_marker("xdist_group") is not None for item in items}
    files = {item: item.nodeid.partition("::")[0] for item in items}
    slow = {files[item] for item in items if item.get_closest_marker("slow")}
    for item, is_grouped in grouped.items():
        if not is_grouped:
            item.add_marker(pytest.mark.xdist_group(files[item]))
    items.sort(key=lambda item: (not grouped[item], files[item] not in slow))


def pytest_collection_finish(session: pytest.Session) -> None:
    """What is alive by now is code of libraries: never garbage, and a fifth of the time of every export to look
    through. What was exported before is exported no more; see :mod:`tests.exports`."""
    if "alsatian.models.model_set" in sys.modules:
        from tests import exports  # other tests need not wait for it

        cache = getattr(session.config, "cache", None)
        exports.share(None if cache is None else cache.mkdir("exports"))
    gc.collect()
    gc.freeze()
    atexit.register(gc.unfreeze)


STAGES = ((3, 4, 1), (4, 4, 1), (4, 8, 2), (8, 8, 1))
"""Input channels, output channels and stride of the stages of a tiny model."""


def tiny_model(letters: str) -> torch.nn.Module:
    """A convolutional feature extractor of one block a stage, for inputs (N, 3, 8, 8).

    Stage ``i`` is decided by letter ``i`` alone, so models share blocks as their names share letters.
    """
    stages: list[torch.nn.Module] = []
    for i, (letter, (inputs, outputs, stride)) in enumerate(zip(letters, STAGES, strict=True)):
        generator = torch.Generator().manual_seed(1000 * i + ord(letter))
        stage = torch.nn.Sequential(
            torch.nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1),
            torch.nn.BatchNorm2d(outputs),
            torch.nn.ReLU(inplace=True),
        )
        scramble(stage, generator)
        stages.append(stage)
    return torch.nn.Sequential(*stages).eval()


def quick_body() -> torch.nn.Module:
    """A feature extractor that is exported in half the time of a tiny model: (N, 3, 8, 8) -> (N, 8, 4, 4)."""
    module = torch.nn.Conv2d(3, 8, 3, stride=2, padding=1)
    scramble(module, torch.Generator().manual_seed(0))
    return module.eval()


def scramble(module: torch.nn.Module, generator: torch.Generator) -> None:
    """Draw all parameters and buffers anew, so that no bias is zero and no scale is one."""
    with torch.no_grad():
        for name, tensor in (*module.named_parameters(), *module.named_buffers()):
            if not tensor.is_floating_point():
                continue
            fan_in = tensor[0].numel() if tensor.dim() > 1 else 16
            low, high = (0.5, 1.5) if name.endswith("running_var") else (-(fan_in**-0.5), fan_in**-0.5)
            tensor.uniform_(2 * low, 2 * high, generator=generator)


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Tests run beside each other, and threads that wait for each other on busy cores take very long."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def whatever_is_small_is_read_ahead() -> None:
    """As in use, where models are larger: those of tests come at once."""
    from alsatian.runtime.loading import settings

    settings.AT_ONCE_BYTES = 0


@pytest.fixture(scope="session")
def tiny() -> Callable[[str], torch.nn.Module]:
    """See :func:`tiny_model`."""
    return tiny_model


@pytest.fixture(scope="session")
def scrambled() -> Callable[[torch.nn.Module], torch.nn.Module]:
    """Gives a module parameters and buffers that are all different, and returns it in evaluation mode."""

    def apply(module: torch.nn.Module) -> torch.nn.Module:
        scramble(module, torch.Generator().manual_seed(3))
        return module.eval()

    return apply


@pytest.fixture
def quick_measuring(monkeypatch: pytest.MonkeyPatch) -> None:
    """Machines are measured with few repeats and once. Beside other tests one counts as busy: it would be measured
    longer, and again by every command."""
    from alsatian.costs.profiling import loading, timing  # other tests need not wait for it
    from alsatian.costs.profiling.busy import Watch

    monkeypatch.setattr(Watch, "load", 0.0)
    monkeypatch.setattr(loading, "_PACE_S", 0.02)
    monkeypatch.setattr(timing, "TURNS", 3)


@pytest.fixture
def measured(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., str]:
    """Call with a module that is measured as studies are, its page's name, and a few words for a quick answer.

    Returns the page's text. Under ``--pages`` the page goes there, and ``--words`` say what is measured instead, by
    default all that the module knows.
    """
    from experiments.studies.study import parse, write  # other tests need not wait for it

    pages, words = (request.config.getoption(option) for option in ("--pages", "--words"))
    path = request.path.relative_to(request.config.rootpath)
    command = [
        "python",
        "-m",
        "pytest",
        str(path),
        "--pages",
        "docs/results",
        *(["--words", words] if words else []),
    ]

    def measure(module: ModuleType, name: str, *few: object) -> str:
        folder = pages or tmp_path
        chosen = shlex.split(words) if pages else list(map(str, few))
        options = parse(module, "--words", [*chosen, "--out", str(folder)])
        assert write(name, shlex.join(command), module, options, print) == 0
        return re.sub(" +", " ", (folder / f"{name}.md").read_text("utf-8"))

    return measure
