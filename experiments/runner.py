"""Carries out the runs of an experiment and writes their records."""

import shlex
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hydra
import torch
from omegaconf import DictConfig, OmegaConf

from alsatian.blocks.store import BlockStore
from alsatian.data.dataset import Dataset
from alsatian.errors import AlsatianError, ConfigError
from alsatian.models.model_set import ModelSet
from alsatian.proxies.base import Proxy
from alsatian.runtime.loading import LoaderSettings
from alsatian.runtime.storage import Storage
from alsatian.searching.api import SearchResult, resolve_device, search
from alsatian.searching.strategy import Strategy
from experiments import record
from experiments.config import Cell
from experiments.environment import environment
from experiments.progress import Progress
from experiments.settings import check_run


@dataclass
class Outcome:
    """What became of the runs of one command.

    Attributes:
        folders: results folders of the experiments, for the analysis.
        failed: one line for each failed run.
        skipped: number of runs that were finished before.
    """

    folders: set[Path] = field(default_factory=set)
    failed: list[str] = field(default_factory=list)
    skipped: int = 0


@dataclass(frozen=True)
class Setup:
    """A run's parts, built from its configuration before anything is measured."""

    label: str
    config: dict[str, Any]
    strategy: Strategy
    proxy: Proxy
    storage: Storage
    loader: LoaderSettings
    dataset: Dataset


def run(cells: Sequence[Cell], words: Sequence[str], progress: Progress) -> Outcome:
    """Carry out ``cells``; one that fails is recorded and does not stop the others.

    Raises:
        AlsatianError: a configuration is not valid or the model set cannot be had. Nothing was measured.
    """
    setups = [_setup(cell) for cell in cells]
    command = shlex.join(["alsatian", "run", *words])
    outcome = Outcome()
    progress.total(sum(setup.config["repeats"] for setup in setups))
    for setup in setups:
        models = _open(setup.config, progress)
        identity = record.run_id(setup.config, models, setup.dataset)
        path = record.path_of(Path(setup.config["results_dir"]), setup.config["name"], identity)
        outcome.folders.add(path.parent.parent)
        if record.finished(path) and not setup.config["force"]:
            outcome.skipped += 1
            progress.skip(setup.label, setup.config["repeats"])
            continue
        _carry_out(setup, models, path, command, progress, outcome)
    return outcome


def _setup(cell: Cell) -> Setup:
    config = OmegaConf.to_container(cell.config, resolve=True)
    assert isinstance(config, dict)
    check_run({str(key): value for key, value in config.items()})
    resolve_device(config["device"]["name"])
    strategy = _build(
        cell.config.strategy,
        schedule=_build(cell.config.schedule),
        sharing=cell.config.sharing,
        order=_build(cell.config.order),
        cache=_build(cell.config.cache.policy),
    )
    copies = ("block_budget", "block_host_budget", "block_ssd_budget", "ssd_dir")
    loader = _build(cell.config.loader, **{key: config["cache"][key] for key in copies})
    loader.check_device(config["device"]["name"])
    label = " ".join(cell.overrides) or strategy.name
    return Setup(
        label, {str(k): v for k, v in config.items()}, strategy,
        _build(cell.config.proxy), _build(cell.config.storage), loader, _build(cell.config.dataset),
    )  # fmt: skip


def _build(config: DictConfig, **parts: Any) -> Any:
    """Instantiate a component; errors in its settings become one line."""
    try:
        # Parts are handed over in a call of their own: Hydra would turn dataclasses back into configuration.
        return hydra.utils.instantiate(config, _partial_=True, _convert_="all")(**parts)
    except (hydra.errors.InstantiationException, TypeError, ValueError) as error:
        reason = str(error.__cause__ or error).strip().splitlines()[0]
        raise ConfigError(f"{config.get('_target_')}: {reason}") from None


def _open(config: dict[str, Any], progress: Progress) -> ModelSet:
    """The model set, made on first use."""
    if config["device"]["threads"]:
        torch.set_num_threads(config["device"]["threads"])
    generator = _build(OmegaConf.create(config["model_set"]))
    # Every read is verified, so that no strategy pays for what another has checked before.
    store = BlockStore(config["store_dir"], verify="always")
    models: ModelSet = generator.open(store, config["device"]["name"], progress.step)
    return models


def _carry_out(
    setup: Setup, models: ModelSet, path: Path, command: str, progress: Progress, outcome: Outcome
) -> None:
    """Measure one run and keep its record up to date."""
    config = setup.config
    identity = path.parent.name
    run_record = record.opening(identity, config, command, models, setup.dataset, environment())
    run_record["storage"] = {"bandwidth": setup.storage.bytes_per_second, "cold": setup.storage.cold}
    record.save(path, run_record)
    try:
        results = [_measure(setup, models, progress, i) for i in range(config["repeats"])]
        if any(result.rounds != results[0].rounds for result in results):
            raise AlsatianError("repeats of one run differ in their scores; the device is not deterministic")
        run_record |= record.findings(results[0])
        run_record["repeats"] = [record.repeat(result.measurement) for result in results]
        run_record["status"] = "ok" if all(r.measurement.valid for r in results) else "invalid"
        if run_record["status"] == "invalid":
            run_record["error"] = "the parts of a repeat do not add up to its wall time"
    except KeyboardInterrupt:
        run_record |= {"status": "failed", "error": "interrupted"}
        raise
    except Exception as error:
        run_record["status"] = "oom" if _out_of_memory(error) else "failed"
        # What a user can act on is one line; of anything else the end of the traceback is kept.
        known = isinstance(error, AlsatianError)
        run_record["error"] = str(error) if known else "".join(traceback.format_exception(error)[-3:])
    finally:
        run_record["finished"] = record.now()
        record.save(path, run_record)
    if run_record["status"] != "ok":
        last = str(run_record["error"]).strip().splitlines()[-1]
        outcome.failed.append(f"{setup.label}: {last}")
    progress.done(setup.label, run_record)


def _measure(setup: Setup, models: ModelSet, progress: Progress, repeat: int) -> SearchResult:
    tick: Callable[[], None] = progress.repeat(setup.label, repeat, setup.config["repeats"])
    result = search(
        models,
        setup.dataset,
        strategy=setup.strategy,
        proxy=setup.proxy,
        batch_size=setup.config["batch_size"],
        budget=setup.config["cache"]["budget"],
        loader=setup.loader,
        storage=setup.storage,
        device=setup.config["device"]["name"],
        verify=setup.config["verify"],
        progress=tick,
    )
    progress.advance()
    return result


def _out_of_memory(error: Exception) -> bool:
    return isinstance(error, MemoryError | torch.OutOfMemoryError)
