"""What is installed: the wheel alone, in an environment without the checkout, beside packages of the same names."""

import ast
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from collections.abc import Callable
from importlib.metadata import packages_distributions, version
from pathlib import Path

import pytest
import yaml

import alsatian
from alsatian.__main__ import home

ROOT = Path(__file__).parents[1]
ROOMS = ("alsatian", "analysis", "baselines", "experiments")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
# Packages that others load for us.
LOADED_BY_OTHERS = {"tabulate": "DataFrame.to_markdown", "pyarrow": "read_parquet", "s3fs": "fsspec"}

Installed = Callable[..., subprocess.CompletedProcess[str]]


def canonical(requirement: str) -> str:
    return re.split(r"[\s<>=!~;\[]", requirement)[0].lower().replace("_", "-")


def imported() -> set[str]:
    """Names of the distributions that the source imports."""
    found = set()
    for path in (path for room in ROOMS for path in (ROOT / room).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module or ""]
            found |= {name.split(".")[0] for name in names}
    distributions = packages_distributions()
    foreign = found - set(sys.stdlib_module_names) - set(ROOMS)
    return {canonical(distributions.get(name, [name])[0]) for name in foreign}  # extras need not be installed


def test_what_is_imported_is_declared_and_the_other_way_round() -> None:
    declared = {canonical(requirement) for requirement in PROJECT["dependencies"]}
    loaded = ("wandb", "data", "timm", "completion", "remote", "ray")
    extras = [one for extra in loaded for one in PROJECT["optional-dependencies"][extra]]
    optional = {canonical(requirement) for requirement in extras}
    assert imported() - declared == optional - LOADED_BY_OTHERS.keys()
    assert declared - imported() == declared & LOADED_BY_OTHERS.keys()


def test_everything_declared_is_pinned() -> None:
    pinned = {canonical(line) for line in (ROOT / "constraints.txt").read_text().splitlines()}
    extras = [requirement for group in PROJECT["optional-dependencies"].values() for requirement in group]
    assert {canonical(requirement) for requirement in (*PROJECT["dependencies"], *extras)} <= pinned


def test_the_version_is_that_of_the_distribution() -> None:
    assert alsatian.__version__ == version("alsatian") == PROJECT["version"]


def test_the_citation_names_the_paper() -> None:
    found = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert found["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= found.keys()
    paper = found["preferred-citation"]
    assert paper["doi"] == "10.1145/3725264"
    assert [author["family-names"] for author in paper["authors"]] == ["Strassenburg", "Glavic", "Rabl"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    leave = shutil.ignore_patterns(".*", "build", "tests", "*.egg-info", "__pycache__")
    made = {"store", "results"}  # at the top

    def left(folder: str, names: list[str]) -> set[str]:
        return leave(folder, names) | (made.intersection(names) if Path(folder) == ROOT else set())

    shutil.copytree(ROOT, source, ignore=left)
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(source)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    (path,) = folder.glob("*.whl")
    return path


def test_the_wheel_has_every_file_and_one_name_at_the_top(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"alsatian"}
    for room in (*ROOMS, "conf"):
        inside = "" if room == "alsatian" else "alsatian/_harness/"
        files = [path for path in (ROOT / room).rglob("*") if path.is_file() and "__pycache__" not in path.parts]
        assert files
        assert {f"{inside}{path.relative_to(ROOT)}" for path in files} <= names


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The command of a new environment that has the wheel and, of this one, the dependencies but not the checkout.

    It is called in a folder with packages of the same names as the harness's, which are on the path as well.
    """
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder / "env", symlinks=True)
    (site,) = (folder / "env" / "lib").glob("python*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    pip = [sys.executable, "-m", "pip", "--python", str(folder / "env"), "install", "--quiet", "--no-deps"]
    done = subprocess.run([*pip, "--no-index", "--force-reinstall", str(wheel)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    here = folder / "here"
    for name in ("analysis", "baselines", "conf", "experiments"):
        (here / name).mkdir(parents=True)
        (here / name / "__init__.py").write_text("raise ImportError('somebody else s package')\n")

    def call(*words: str, module: bool = False) -> subprocess.CompletedProcess[str]:
        bin_ = folder / "env" / "bin"
        command = [str(bin_ / "python"), "-m", "alsatian"] if module else [str(bin_ / "alsatian")]
        environment = {**os.environ, "PYTHONPATH": str(here)}
        return subprocess.run([*command, *words], cwd=here, env=environment, capture_output=True, text=True)

    return call


@pytest.mark.parametrize("module", [False, True])
def test_the_installed_command_says_its_version(installed: Installed, module: bool) -> None:
    done = installed("--version", module=module)
    assert (done.returncode, done.stdout) == (0, f"alsatian {PROJECT['version']}\n"), done.stderr


@pytest.mark.slow
def test_the_installed_command_searches_predicts_and_draws(installed: Installed) -> None:
    for words in (
        ("run", "experiment=quickstart", "scale=ci"),
        ("run", "strategy=alsatian", "fresh_process=true", "scale=ci"),
        ("figures", "results/quickstart"),
        ("simulate", "experiment=quickstart", "hardware=a5000", "model_set=synthetic_vit_l_32"),
    ):
        done = installed(*words)
        assert done.returncode == 0, f"{words}: {done.stdout[-1000:]}{done.stderr[-2000:]}"


def test_packages_of_the_same_names_do_not_disturb_a_checkout(tmp_path: Path) -> None:
    for name in ("analysis", "baselines", "conf", "experiments"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise ImportError('somebody else s package')\n")
    assert home() == ROOT
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}
    command = [sys.executable, "-m", "alsatian", "list", "strategies"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "shared_prefix" in done.stdout
