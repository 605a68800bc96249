"""From words to configurations."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import hydra
import pytest
from hydra._internal.config_repository import ConfigRepository
from omegaconf import OmegaConf
from PIL import Image

from alsatian.errors import ConfigError
from alsatian.searching.auto import Auto
from alsatian.searching.strategy import Strategy
from baselines.greedy import Greedy
from baselines.materialise import Materialise
from baselines.size_order import SizeOrder
from experiments.configuration import composer
from experiments.configuration.composer import compose
from experiments.configuration.composition import Cell, cells
from experiments.configuration.menu import CONF, choices, description
from experiments.configuration.setup import Parts, Setup, strategy_named


def _setup(cell: Cell) -> Setup:
    return Parts().setup(cell.config)


def test_quickstart_is_four_runs() -> None:
    found = cells(["experiment=quickstart"])
    assert [cell.config.strategy.name for cell in found] == ["base", "shift", "shared_prefix", "alsatian"]
    assert len({cell.config.batch_size for cell in found}) == 1


def test_a_chosen_key_is_not_swept() -> None:
    (cell,) = cells(["experiment=quickstart", "strategy=shift"])
    assert cell.config.strategy.name == "shift"


def test_multirun_multiplies() -> None:
    found = cells(["experiment=quickstart", "cache.budget=1MiB,2MiB"], multirun=True)
    assert len(found) == 8
    assert {cell.config.cache.budget for cell in found} == {"1MiB", "2MiB"}


def test_parts_of_a_strategy_can_be_replaced() -> None:
    (cell,) = cells(["strategy=alsatian", "schedule=exhaustive", "order=random", "seed=7"])
    strategy = _setup(cell).strategy
    assert (strategy.schedule.name, strategy.order.name, strategy.cache.name) == ("exhaustive", "random", "planned")
    assert getattr(strategy.order, "seed", None) == 7


# What decides about composition in other ways than a strategy's or an experiment's own file.
WORDS = {
    "order_sweep": ["batch_size=7", "cache.block_budget='${cache.budget}'"],
    "fig10": ["scale=ci", "strategy=auto", "dataset.items=40"],
    "cache_sweep": ["scale=paper", "device=cpu", "++figure.where.cache.budget=[25%]", "+strategy.more=1"],
    "quickstart": ["tracker=wandb", "proxy=logme", "strategy.name=null"],
}


def by_hydra(words: Sequence[str]) -> Any:
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        return OmegaConf.to_container(hydra.compose("config", list(words)), resolve=True)


def covering(found: Sequence[Cell], strategies: bool) -> Iterator[Cell]:
    """Runs in which everything that is chosen for any of ``found`` occurs; of strategies only if these count."""
    seen: set[str] = set()
    for i, cell in enumerate(found):
        chosen = {word for word in cell.overrides if strategies or not word.startswith("strategy=")}
        if not i or not seen.issuperset(chosen):
            yield cell
        seen |= chosen


@pytest.mark.parametrize("name", choices("experiment"))
def test_runs_are_what_hydra_composes_one_by_one(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Sequence[str]] = []

    def left_to_hydra(words: Sequence[str]) -> Any:
        asked.append(words)
        return compose(words)

    monkeypatch.setattr(composer, "compose", left_to_hydra)
    words = WORDS.get(name, ["scale=ci"])
    found = cells([f"experiment={name}", *words])
    assert not asked
    for cell in covering(found, strategies=name in ("quickstart", "baselines")):  # the latter has all of them
        whole = by_hydra([f"experiment={name}", *words, *cell.overrides])
        assert cell.plain == whole
        assert str(cell.plain) == str(whole)  # also in the order of keys and the kinds of numbers
        assert OmegaConf.to_container(cell.config) == whole


def test_files_are_read_and_merged_once_for_all_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    listed: list[object] = []
    load, create = ConfigRepository.load_config, composer.create_defaults_list

    def loaded(self: ConfigRepository, config_path: str) -> Any:
        read.append(config_path)
        return load(self, config_path)

    def created(*given: Any) -> Any:
        listed.append(given)
        return create(*given)

    monkeypatch.setattr(ConfigRepository, "load_config", loaded)
    monkeypatch.setattr(composer, "create_defaults_list", created)
    assert len(cells(["experiment=fig10"])) == 96
    assert len(read) == len(set(read)) < 50
    assert len(listed) == 1 + 4 * 4  # once before the sweep is known; then for every network with every strategy


@pytest.mark.parametrize(
    "word", ["cache.budget=${.block_budget}", "title=${oc.env:HOME}", "meter={level:total}", "+dataset.x={y:[1]}"]
)
def test_what_is_unusual_is_left_to_hydra(word: str) -> None:
    (cell,) = cells(["strategy=base", word])
    assert cell.plain == by_hydra(["strategy=base", word])


EVICTING = ("fifo", "lfu", "gdsf", "belady")
SELECTING = {"keystone_like": Greedy, "mistique_like": Greedy, "materialise": Materialise}
CLASSES = SELECTING | {"auto": Auto, "size_order": SizeOrder}
COMBINATIONS = {
    "base": ("base", "exhaustive", "none", "given", "none"),
    "shift": ("shift", "halving", "none", "given", "none"),
    "shared_prefix": ("shared_prefix", "halving", "prefix", "given", "lru"),
    "alsatian": ("alsatian", "halving", "prefix", "dfs_plus", "planned"),
    "alsatian_published": ("alsatian_published", "paper_halving", "prefix", "dfs_plus", "planned"),
    "auto": ("auto", "halving", "prefix", "dfs_plus", "planned"),
    "shift_adaptive": ("shift_adaptive", "adaptive", "none", "given", "none"),
    "per_model_cache": ("per_model_cache", "halving", "prefix", "given", "none"),
    "random_order": ("random_order", "halving", "prefix", "random", "planned"),
    "size_order": ("size_order", "exhaustive", "none", "given", "none"),
    **{f"shared_prefix_{p}": (f"shared_prefix_{p}", "halving", "prefix", "given", p) for p in EVICTING},
    **{name: (name, "halving", "prefix", "given", "planned") for name in SELECTING},
}
"""Name, schedule, sharing, order and cache policy of every strategy."""


@pytest.mark.parametrize("name", choices("strategy"))
def test_a_strategy_is_the_combination_that_it_stands_for(name: str) -> None:
    found = strategy_named(name)
    parts = (found.name, found.schedule.name, found.sharing, found.order.name, found.cache.name)
    assert parts == COMBINATIONS[name]
    assert type(found) is CLASSES.get(name, Strategy)


def test_alsatian_is_what_a_search_does_by_default() -> None:
    usual = Strategy()
    assert replace(strategy_named("alsatian"), cache=usual.cache) == usual
    assert usual.cache.name == "planned"


GROUPS = [
    "schedule",
    "sharing",
    "order",
    "cache",
    "loader",
    "storage",
    "proxy",
    "dataset",
    "tracker",
    "launcher",
    "scale",
]


@pytest.mark.parametrize("group", GROUPS)
def test_every_choice_of_every_group_composes_and_builds(group: str, tmp_path: Path) -> None:
    names = choices(group)
    assert names
    own = tmp_path / "own"
    for kind in ("a", "b"):
        (own / kind).mkdir(parents=True)
        for i in (1, 2):
            Image.new("RGB", (4, 4)).save(own / kind / f"{i}.png")
            (own / kind / f"{i}.txt").write_text("text")
    (own / "own.csv").write_text("path,label\na/1.png,0\na/2.png,0\nb/1.png,1\n")
    needed = {
        "image_files": [f"dataset.source={own}"],
        "image_table": [f"dataset.source={own}/own.csv"],
        "text_files": [f"dataset.source={own}"],
        "saved_dataset": [f"dataset.source={own}"],
        "paper": ["device=cpu"],
    }
    for name in names:
        (cell,) = cells([f"{group}={name}", f"store_dir={tmp_path}", *needed.get(name, [])])
        if name == "saved_dataset":  # needs a package, without which a line says so
            with pytest.raises(ConfigError, match=f"{own}"):
                _setup(cell)
        else:
            _setup(cell)


def test_sweeps_cover_every_policy_and_every_order() -> None:
    for experiment, axis in (("cache_sweep", "cache"), ("order_sweep", "order")):
        found = cells([f"experiment={experiment}"])
        names = [cell.config.strategy.name for cell in found]
        budgets = [cell.config.cache.budget for cell in found]
        assert set(names) == set(choices(axis))
        assert set(budgets) == {"2%", "5%", "10%", "25%", "50%", "100%"}
        assert len(set(zip(names, budgets, strict=True))) == len(found) == len(choices(axis)) * 6
        assert {cell.config.schedule._target_.split(".")[-1] for cell in found} == {"Halving"}
        assert {cell.config.sharing for cell in found} == {"prefix"}
        small = cells([f"experiment={experiment}", "scale=ci"])
        assert {cell.config.cache.budget for cell in small} == {"25%", "100%"}
        assert {cell.config.strategy.name for cell in small} == set(choices(axis))


@pytest.mark.parametrize("group", ["cache", "order"])
def test_a_component_is_called_after_its_file(group: str) -> None:
    for name in choices(group):
        (cell,) = cells([f"{group}={name}"])
        node = cell.config[group].policy if group == "cache" else cell.config[group]
        (named,) = cells([f"{group}={name}", f"strategy.name=${{name_of:{node._target_}}}"])
        assert named.config.strategy.name == name


@pytest.mark.parametrize("name", choices("cache"))
def test_a_cache_policy_is_called_as_its_yaml(name: str) -> None:
    (cell,) = cells([f"cache={name}"])
    assert _setup(cell).strategy.cache.name == name
    assert description(choices("cache")[name])


def test_a_value_that_has_to_be_given_is_asked_for() -> None:
    with pytest.raises(ConfigError, match=r"dataset\.source: needs a value here; write dataset\.source="):
        cells(["dataset=image_files"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["experiment=quikstart"], "experiment=quikstart: there is no such experiment; did you mean 'quickstart'?"),
        (["strategy=alsation"], "strategy=alsation: there is no such strategy; did you mean 'alsatian'?"),
        (["-m", "strategy=base,alsation"], "strategy=alsation"),
        (["cache.bugdet=3"], "cache.bugdet: there is no such key; did you mean 'cache.budget'?"),
        (["cache.read_ahead=false"], "cache.read_ahead: there is no such key; did you mean 'loader.read_ahead'?"),
        (["loader=sequentially"], "loader=sequentially: there is no such loader; did you mean 'sequential'?"),
        (["experiment=cache_sweep", "sweep.cache=[none]", "sweep.cache.budget=[1%]"], "sets a key of a list"),
        (["batchsize=3"], "batchsize: there is no such key; did you mean 'batch_size'?"),
        (["strategy=base,shift"], "several values need -m"),
        (["quickstart"], "did you mean 'experiment=quickstart'?"),
        (["slowstart"], "write key=value"),
        (["order="], "order=: there is no such order"),
    ],
)
def test_bad_words_end_in_one_line(words: list[str], message: str) -> None:
    multirun = words[0] == "-m"
    with pytest.raises(ConfigError) as caught:
        cells(words[multirun:], multirun)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["cache.budget=0"], "cache.budget=0: must be at least one byte"),
        (["cache.budget=-5"], "cache.budget=-5"),
        (["cache.budget=many"], "cache.budget=many: not a size"),
        (["cache.block_budget=-1"], "cache.block_budget=-1"),
        (["cache.block_host_budget=1GiB"], "cache.block_host_budget=1GiB: pinned copies serve a GPU"),
        (["cache.block_ssd_budget=x"], "cache.block_ssd_budget=x: not a size"),
        (["loader.keep=false"], "write loader=read_ahead or loader=sequential"),
        (["batch_size=0"], "batch_size=0"),
        (["repeats=0"], "repeats=0"),
        (["repeats=two"], "repeats=two"),
        (["fail_fast=maybe"], "fail_fast=maybe: true or false is expected"),
        (["fresh_process=1"], "fresh_process=1: true or false is expected"),
        (["timeout_s=0"], "timeout_s=0: must be a positive number of seconds"),
        (["timeout_s=soon"], "timeout_s=soon"),
        (["tracker=wandb", "tracker.mode=onlin"], "tracker.mode=onlin: did you mean 'online'?"),
        (["dataset.items=5"], "fewer items than the 10 classes"),
        (["dataset.items=99999"], "dataset.items=99999"),
        (["storage.bandwidth=0"], "storage.bandwidth=0"),
        (["storage.data_bandwidth=slow"], "storage.data_bandwidth=slow"),
        (["schedule.eta=1"], "eta=1"),
        (["proxy.epochs=0"], "proxy"),
        (["device.name=tpu"], "device=tpu"),
    ],
)
def test_bad_settings_end_in_one_line(words: list[str], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        _setup(cells(words)[0])
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
