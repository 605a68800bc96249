"""Choices from any folder and from packages: they join the menu, and what is wrong with them is one line."""

import json
import os
import re
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from alsatian.errors import ConfigError
from alsatian.machines.cluster import session
from experiments.cli import main
from experiments.configuration import menu, plugins
from experiments.configuration.composition import cells
from experiments.configuration.identity import sources
from experiments.configuration.setup import Parts, of_plugin

# One worker trains the shared models, once.
pytestmark = pytest.mark.xdist_group("cli")

YAML = """# @package _global_
# One round on the first batches.
strategy:
  _target_: {name}.{title}
  name: {name}
"""
CODE = """from dataclasses import dataclass

from alsatian.searching.schedules import Round
from alsatian.searching.strategy import Strategy


@dataclass(frozen=True, kw_only=True)
class {title}(Strategy):
    def rounds(self, models, train_items):
        yield Round(tuple(models), 2)
"""


# Data that need not be made.
QUICK = ("dataset=counted", "scale=ci")


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def plugin(folder: Path, name: str = "mine") -> Path:
    """A folder with the strategy ``name``."""
    write(folder / "conf" / "strategy" / f"{name}.yaml", YAML.format(name=name, title=name.title()))
    write(folder / f"{name}.py", CODE.format(title=name.title()))
    return folder


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, a plugin."""
    monkeypatch.chdir(tmp_path)
    return plugin(tmp_path)


def set_up(*words: str) -> Any:
    """The parts of the one run that ``words`` ask for, up to its strategy."""
    folders, rest = plugins.taken(words)
    with plugins.used(folders):
        (cell,) = cells(rest)
        return Parts().setup(cell.config)


def test_choices_of_every_group_join_the_menu(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = {
        "order": "# Mine.\n_target_: alsatian.planning.orders.dfs.Dfs\n",
        "schedule": "# Mine.\n_target_: alsatian.searching.schedules.Halving\nk: 3\n",
        "cache": "# Mine.\npolicy: {_target_: alsatian.runtime.cache.policies.lru.Lru}\n",
        "proxy": "# Mine.\n_target_: alsatian.proxies.ridge.Ridge\n",
        "dataset": "# Mine.\n_target_: alsatian.data.digits.digits\nitems: 20\n",
        "model_set": "# Mine.\n_target_: alsatian.models.sets.fingerprint_set.GeneratedSet\nname: own\ncount: 3\n",
    }
    for group, text in words.items():
        write(own / "conf" / group / "mine.yaml", text)
    write(
        own / "conf" / "experiment" / "mine.yaml",
        "# @package _global_\n# Mine.\nname: mine\nsweep: {strategy: [base, mine], order: [mine, bfs]}\n",
    )
    with plugins.used(["."]):
        found = cells(["experiment=mine", *(f"{group}=mine" for group in words if group != "order")])
        assert [cell.overrides for cell in found] == [
            (f"strategy={strategy}", f"order={order}") for strategy in ("base", "mine") for order in ("mine", "bfs")
        ]
        assert found[0].config.schedule.k == 3
        assert found[0].config.order._target_.endswith("Dfs")
        assert len(cells(["strategy=base,mine,alsatian"], multirun=True)) == 3
    assert main(["list", "plugins=."]) == 0
    assert capsys.readouterr().out.count("(plugins=.)") == len(words) + 2
    assert "mine" not in menu.choices("order")
    assert find_spec("mine") is None


def test_folders_may_be_several_and_come_from_the_environment(
    own: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("one", "two"):
        plugin(own / name, name)
    monkeypatch.setenv("ALSATIAN_PLUGINS", os.pathsep.join(["two", str(own)]))
    assert main(["list", "strategies", "plugins=.", "plugins=one"]) == 0
    text = capsys.readouterr().out
    assert all(f"(plugins={name})" in text for name in (".", "one", "two"))
    assert main(["list", "strategies"]) == 0
    assert "(plugins=one)" not in capsys.readouterr().out


def test_an_installed_package_is_found_by_its_entry_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    package = tmp_path / "my_baselines"
    write(package / "__init__.py", "")
    write(package / "conf" / "strategy" / "mine.yaml", YAML.format(name="my_baselines.mine", title="Mine"))
    write(package / "mine.py", f"from .helper import COUNT\n{CODE.format(title='Mine')}")
    write(package / "helper.py", "COUNT = 2\n")
    about = tmp_path / "my_baselines-1.0.dist-info"
    write(about / "METADATA", "Metadata-Version: 2.1\nName: my-baselines\nVersion: 1.0\n")
    write(about / "entry_points.txt", "[alsatian.plugins]\nmine = my_baselines\n")
    monkeypatch.syspath_prepend(str(tmp_path))

    assert main(["list", "strategies"]) == 0
    assert "(my-baselines 1.0)" in capsys.readouterr().out
    assert type(set_up("strategy=mine", *QUICK).strategy).__name__ == "Mine"
    config = {"strategy": {"_target_": "my_baselines.mine.Mine"}}
    with plugins.used():
        before = sources(config)
        write(package / "helper.py", "COUNT = 3\n")
        assert sources(config) != before
    shutil.rmtree(package / "conf")
    assert main(["list"]) == 1
    assert "alsatian.plugins: mine = my_baselines: holds no folder conf" in capsys.readouterr().err


def test_what_a_component_imports_from_its_folder_is_part_of_what_a_run_is(own: Path) -> None:
    write(own / "mine.py", f"import helper\n{CODE.format(title='Mine')}")
    write(own / "helper.py", "from parts.inner import value\n")
    inner = write(own / "parts" / "inner.py", "value = 1\n")
    other = write(own / "other.py", "value = 1\n")

    def digest() -> dict[str, str]:
        with plugins.used(["."]):
            return sources({"strategy": {"_target_": "mine.Mine"}})

    before = digest()
    other.write_text("value = 2\n")
    assert digest() == before
    inner.write_text("value = 2\n")
    assert digest() != before
    moved = own.rename(own.with_name("moved"))
    os.chdir(moved)
    inner = moved / "parts" / "inner.py"
    inner.write_text("value = 1\n")
    assert digest() == before


def test_a_strategy_of_a_folder_is_run_recorded_and_found_again(
    own: Path, store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["run", "strategy=mine", "scale=ci", "warm_up=false", "fresh_process=true", f"store_dir={store}"]
    assert main([*words, "plugins=."]) == 0
    (record,) = (json.loads(path.read_text()) for path in Path("results").rglob("run.json"))
    assert len(record["rounds"]) == 1
    assert record["environment"]["plugins"] == ["plugins=."]
    assert record["command"].endswith(" plugins=.")
    assert record["sources"].keys() == {"strategy"}
    assert "plugins" not in record["config"]
    capsys.readouterr()
    # The folder's path is no part of what a run is, and neither is how it was named.
    (own / "elsewhere").mkdir()
    for part in ("conf", "mine.py"):
        shutil.move(own / part, own / "elsewhere" / part)
    monkeypatch.setenv("ALSATIAN_PLUGINS", str(own / "elsewhere"))
    assert main(words) == 0
    assert "finished before, skipped" in capsys.readouterr().out


TARGET = r"conf/strategy/mine\.yaml:4: _target_="
YAML_FILE = Path("conf/strategy/mine.yaml")
FAULTS: dict[str, tuple[dict[str, str], str]] = {
    "syntax error": ({"mine.py": "\ndef f(:\n"}, rf"{TARGET}mine\.Mine: mine\.py:2: invalid syntax"),
    "raises": ({"mine.py": "\n\n1 / 0\n"}, rf"{TARGET}mine\.Mine: mine\.py:3: ZeroDivisionError: division"),
    "exits": ({"mine.py": "raise SystemExit(3)\n"}, rf"{TARGET}mine\.Mine: mine\.py:1: SystemExit: 3"),
    "imports nothing": (
        {"mine.py": "import nothing_of_the_kind\n"},
        r"mine\.py:1: ModuleNotFoundError: No module named 'nothing_of_the_kind'",
    ),
    "in a helper": (
        {"mine.py": "import helper\n", "helper.py": "\nimport os\nos.nothing\n"},
        r"helper\.py:3: AttributeError: module 'os' has no attribute 'nothing'",
    ),
    "class": (
        {"mine.py": "class Mien: ...\n"},
        rf"{TARGET}mine\.Mine: mine\.py has no 'Mine'; did you mean 'Mien'",
    ),
    "module": ({str(YAML_FILE): YAML.format(name="mien", title="Mine")}, r"there is no module 'mien'"),
    "no class": ({"mine.py": "Mine = 3\n"}, r"is a value of type int; a class or a function is expected"),
    "kind": ({"mine.py": "def Mine(**parts): return 3\n"}, r"a Strategy is expected, not a value of type int"),
    "constructor": ({"mine.py": "def Mine(**parts): raise KeyError('x')\n"}, r"mine\.py:1: KeyError: 'x'"),
    "no yaml": (
        {str(YAML_FILE): "a: b\n c: : d\n"},
        r"conf/strategy/mine\.yaml:2: is no YAML: mapping values",
    ),
    "twice": (
        {str(YAML_FILE): "a: 1\na: 2\n"},
        r"conf/strategy/mine\.yaml:2: is no YAML: found duplicate key",
    ),
    "list": ({str(YAML_FILE): "- a\n"}, r"conf/strategy/mine\.yaml: holds no settings"),
    "package": (
        {str(YAML_FILE): "strategy: {name: a}\n"},
        r"has to be '# @package _global_', since it sets 'strategy'",
    ),
    "group": ({"conf/strategi/a.yaml": ""}, r"conf/strategi/a\.yaml: there is no group 'strategi'; did you mean"),
    "no group": ({"conf/a.yaml": ""}, r"conf/a\.yaml: is no choice"),
    "suffix": ({"conf/order/a.yml": ""}, r"conf/order/a\.yml: is no choice"),
    "name of the menu": ({"conf/order/dfs.yaml": ""}, r"order=dfs is one of the project's own choices"),
    "name of Python": ({"random.py": ""}, r"random\.py: there is a module 'random' already \(Python's own\)"),
    "name of a library": (
        {"torch.py": ""},
        r"torch\.py: there is a module 'torch' already \(.*torch/__init__\.py\)",
    ),
    "name of ours": ({"baselines/__init__.py": ""}, r"baselines: there is a module 'baselines' already"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_wrong_is_one_line(own: Path, capsys: pytest.CaptureFixture[str], fault: str) -> None:
    files, expected = FAULTS[fault]
    for path, text in files.items():
        write(own / path, text)
    assert main(["run", "plugins=.", "strategy=mine", *QUICK]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert re.search(expected, line), line
    assert not (own / "results").exists()


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("plugins=nowhere", r"plugins=nowhere: there is no such folder"),
        ("plugins=", r"plugins=: there is no such folder"),
        ("plugins=mine.py", r"plugins=mine\.py: is a file; name the folder"),
        ("plugins=conf", r"plugins=conf: holds no folder conf"),
        ("plugins=again", r"again/conf/strategy/mine\.yaml: strategy=mine lies in conf/strategy/mine\.yaml, too"),
        ("plugins=module", r"module/mine\.py: there is a module 'mine' already \(mine\.py\)"),
        ("plugin=.", r"plugin: there is no such key; did you mean 'plugins'"),
        ("strategy=mime", r"strategy=mime: there is no such strategy; did you mean 'mine'"),
        (
            "hydra.searchpath=[file:///tmp]",
            r"hydra\.searchpath=.*: settings of Hydra itself have no effect here; plug",
        ),
    ],
)
def test_a_word_that_cannot_be_followed_is_one_line(
    own: Path, capsys: pytest.CaptureFixture[str], word: str, expected: str
) -> None:
    plugin(own / "again")
    (own / "module" / "conf").mkdir(parents=True)
    shutil.copy(own / "mine.py", own / "module" / "mine.py")
    assert main(["run", "plugins=.", word, "scale=ci"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert re.search(expected, line), line


def test_a_wrong_folder_of_the_environment_is_named(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALSATIAN_PLUGINS", "nowhere")
    with pytest.raises(ConfigError, match=r"^ALSATIAN_PLUGINS: nowhere: there"), plugins.used():
        pytest.fail("it was followed")


def test_a_search_of_ones_own_data_knows_their_names(own: Path) -> None:
    write(own / "conf" / "proxy" / "ours.yaml", "_target_: alsatian.proxies.neighbours.Knn\nk: 3\n")
    write(own / "conf" / "schedule" / "ours.yaml", "_target_: alsatian.searching.schedules.Halving\nk: 3\n")
    assert of_plugin("proxy", "nothing") == "nothing"  # which the package refuses
    with plugins.used(["."]):
        assert (of_plugin("proxy", "ours").k, of_plugin("schedule", "ours").k) == (3, 3)
        assert of_plugin("strategy", "mine").name == "mine"
        assert of_plugin("proxy", "knn") == "knn"
        with pytest.raises(ConfigError, match=r"^proxy=our: there is no such proxy; did you mean 'ours'\?$"):
            of_plugin("proxy", "our")


def test_a_folder_is_forgotten_behind_its_command(own: Path) -> None:
    plugin(own / "other")
    write(own / "other" / "mine.py", f"{CODE.format(title='Mine')}\n    another = True\n")
    found = [type(set_up("strategy=mine", f"plugins={name}", *QUICK).strategy) for name in (".", "other", ".")]
    assert [hasattr(kind, "another") for kind in found] == [False, True, False]


def test_a_folder_of_the_command_line_travels_to_workers_on_other_machines(
    own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ALSATIAN_PLUGINS", raising=False)
    with plugins.used(["."]):
        assert str(own.resolve() / "mine.py") in session._code()
    assert str(own.resolve() / "mine.py") not in session._code()
    assert "ALSATIAN_PLUGINS" not in os.environ
