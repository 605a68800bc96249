"""Settings that are of the wrong kind or mean nothing end in one line, before anything is made."""

import math
from pathlib import Path
from typing import Any

import pytest

from alsatian.errors import ConfigError
from experiments.configuration.composition import cells
from experiments.configuration.settings import check_kind
from experiments.configuration.setup import Parts


@pytest.mark.parametrize(
    ("value", "usual"),
    [
        (True, False),
        (3, 4),
        (None, 4),
        (3, 0.5),
        (0.1, 0.5),
        (None, 0.5),
        ("64MiB", "16MiB"),
        (1024, "16MiB"),
        (None, "16MiB"),
        ([1], [2, 3]),
        ({"a": 1}, {}),
        ("anything", None),
        ([1], None),
    ],
)
def test_values_of_the_usual_kind_pass(value: Any, usual: Any) -> None:
    check_kind("key", value, usual)


@pytest.mark.parametrize(
    ("value", "usual", "message"),
    [
        ("maybe", True, "key=maybe: true or false is expected, e.g. key=true"),
        (1, True, "true or false"),
        (None, False, "true or false"),
        ("abc", 4, "key=abc: a whole number is expected, e.g. key=4"),
        (1.5, 4, "a whole number"),
        (True, 4, "a whole number"),
        ([4], 4, "a whole number"),
        ("abc", 0.5, "a finite number"),
        (math.nan, 0.5, "a finite number"),
        (math.inf, 0.5, "a finite number"),
        (True, 0.5, "a finite number"),
        ([1], "16MiB", "a text"),
        ({"a": 1}, "16MiB", "a text"),
        (5, {"a": 1}, "key=5: a group of settings"),
        (5, [1], "a list"),
    ],
)
def test_values_of_another_kind_are_refused_by_name(value: Any, usual: Any, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_kind("key", value, usual)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["verify=maybe"], "verify=maybe: true or false"),
        (["storage.cold=5"], "storage.cold=5: true or false"),
        (["storage.deltas=much"], "storage.deltas=much: not a size"),
        (["storage.mirror_size=0"], "storage.mirror_size=0: must be at least one byte"),
        (["storage.mirrors=5"], "storage.mirrors=5: the path of a folder is expected"),
        (["storage.mirrors=/dev/null/m", "store_dir=file:///a"], "no mirror of file:///a can be made there"),
        (["storage.verify_blocks=alway"], "storage.verify_blocks=alway: did you mean 'always'?"),
        (["batch_size=true"], "batch_size=True: a whole number"),
        (["dataset.items=abc"], "dataset.items=abc: a whole number is expected, e.g. dataset.items=1200"),
        (["dataset.items=12.5"], "dataset.items=12.5"),
        (["dataset.items=null"], "dataset.items=None: the target pool"),
        (["dataset.test_share=abc"], "dataset.test_share=abc: a finite number"),
        (["proxy.learning_rate=nan"], "proxy.learning_rate=nan"),
        (["schedule.eta=abc"], "schedule.eta=abc: a whole number"),
        (["model_set.count=1.5"], "model_set.count=1.5: a whole number"),
        (["model_set.start=5"], "model_set.start=5: a group of settings"),
        (["-m", "dataset.items=100,abc"], "dataset.items=abc: a whole number"),
        (["cache.budget=[1]"], "cache.budget=[1]"),
        (["cache.budget=true"], "cache.budget=True: not a size"),
        (["~cache.budget"], "~cache.budget: nothing can be left out"),
        (["~strategy"], "~strategy: nothing can be left out"),
        (["seed=null"], "seed=None: must be a whole number"),
        (["seed=-1"], "seed=-1: must be a whole number of at least 0"),
        (["device.threads=0"], "device.threads=0: must be a whole number of at least 1"),
        (["device.threads=many"], "device.threads=many"),
        (["machine.workers=2"], "machine.workers=2: machine=local is one process; write machine=ray"),
        (["machine=ray", "machine.workers=0"], "machine.workers=0: must be a whole number of at least 1"),
        (["machine=ray", "machine.workers=null"], "machine.workers=None: must be a whole number of at least 1"),
        (["machine=ray", "machine.threads=0"], "machine.threads=0: must be a whole number of at least 1"),
        (["machine=ray", "machine.name=spark"], "machine.name=spark: valid are: local, ray"),
        (["machine=ray", "machine.address=''"], "machine.address=: must be auto"),
        (["machine=ray", "machine.resources.cpu=0"], "machine.resources.cpu=0: must be a number, more than 0"),
        (["machine=ray", "machine.resources.gpu=-1"], "machine.resources.gpu=-1: must be a number, at least 0"),
        (["machine=ray", "machine.resources.memory=much"], "machine.resources.memory=much: not a size"),
        (
            ["machine=ray", "+machine.resources.labels.disk=-1"],
            "machine.resources.labels.disk=-1: must be a number",
        ),
        (["machine=ray", "+machine.resources.gpus=1"], "machine.resources.gpus: there is no such key"),
        (["results_dir=null"], "results_dir=None: must name a folder"),
        (["store_dir="], "store_dir=: must name a folder"),
        (["name=null"], "name=None: must be the name of a folder"),
        (["name="], "name=: must be the name of a folder"),
        (["name=../elsewhere"], "name=../elsewhere: must be the name of a folder"),
        (["name=.."], "name=..: must be the name of a folder"),
        (["layers=first"], "layers=first: valid are: best, last, mean"),
        (["layers=null"], "layers=None: valid are: best, last, mean"),
        (
            ["layers=best", "measure=overlap"],
            "layers=best: only for searches of whole models, so not with measure=overlap",
        ),
        (["layers=mean", "last_layers=2"], "not with last_layers=2"),
    ],
)
def test_settings_that_mean_nothing_are_refused(words: list[str], message: str) -> None:
    multirun = words[0] == "-m"
    with pytest.raises(ConfigError) as caught:
        [Parts().setup(cell.config) for cell in cells(words[multirun:], multirun)]
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_results_that_cannot_be_written_are_refused_first(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"results_dir=.*file/below: .*/file is not a folder"):
        Parts().setup(cells([f"results_dir={tmp_path}/file/below"])[0].config)
    Parts().setup(cells([f"results_dir={tmp_path}/new/below"])[0].config)
    assert not (tmp_path / "new").exists()
