"""``alsatian.search`` and ``alsatian.predict``: the same search, carried out here or on a virtual clock."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from alsatian import arguments, assembly
from alsatian.arguments import instance, resolve_device
from alsatian.blocks.candidate import Candidate
from alsatian.blocks.kernels import arithmetic, check_choice
from alsatian.budgets import Budgets, Size
from alsatian.costs.hardware import Hardware
from alsatian.costs.limit import Rates
from alsatian.costs.model import CostModel
from alsatian.costs.profiling.machine import cores
from alsatian.data.preprocessing import Preprocessing
from alsatian.data.reading import read_data
from alsatian.errors import ConfigError
from alsatian.machines.settings import MachineSettings
from alsatian.machines.timed.machine import Scores
from alsatian.models.model_set import CandidateSet, ModelSet
from alsatian.models.modules import preprocessing_of
from alsatian.planning.distribution.distribution import Worker
from alsatian.progress import Tick, unheard
from alsatian.proxies.base import Proxy, import_libraries
from alsatian.ranking.result import Ranking
from alsatian.records.ranking import LayerChoice
from alsatian.runtime.loading.settings import LoaderSettings
from alsatian.runtime.meter.meter import Meter
from alsatian.runtime.storage.regime import Storage
from alsatian.searching.known_costs import Profiled, cost_model, profiled
from alsatian.searching.outlook import outlook
from alsatian.searching.rounds import check_on_bad_model
from alsatian.searching.schedules import Adaptive, Schedule
from alsatian.searching.scores import drawn_scores
from alsatian.searching.search import Batches, Prediction, Search, SearchResult
from alsatian.searching.strategy import Strategy
from alsatian.searching.watcher import Watcher

_LOADER = "LoaderSettings(read_ahead=False)"
__all__ = ["Prediction", "Ranking", "SearchResult", "cost_model", "predict", "resolve_device", "search"]


def search(
    models: ModelSet | Mapping[str, torch.nn.Module] | str | Path | Sequence[str | Path],
    data: Any,
    *,
    proxies: Proxy | str | Sequence[Proxy | str] | None = None,
    strategy: Strategy | str | None = None,
    schedule: Schedule | str | None = None,
    layers: LayerChoice = "last",
    preprocessing: Preprocessing | Mapping[str, Any] | None = None,
    limit: int | None = None,
    batch_size: int = 128,
    memory: Size = None,
    budget: Budgets | Size = None,
    loader: LoaderSettings | None = None,
    storage: Storage | None = None,
    hardware: Hardware | str | None = None,
    device: str | torch.device = "cpu",
    kernels: str = "eager",
    numerics: str = "fp32",
    store: Path | str | None = None,
    reuse: bool = False,
    verify: bool = False,
    on_bad_model: str = "raise",
    checkpoint: Path | str | None = None,
    meter_level: str = "parts",
    timeline: bool = False,
    machine: MachineSettings | None = None,
    progress: Watcher | Tick = unheard,
) -> Ranking:
    """Rank candidate models by how well their features suit labelled data.

    Args:
        models: paths of checkpoints or of folders of them, and the other words of
            :class:`~alsatian.models.sets.listed.ListedSet`; or a model set; or feature extractors by id: modules
            that return features (N, D) or more dimensions, which are flattened. They run in evaluation mode and
            float32, without wrappers of ``torch.compile`` or ``DataParallel``, and are left as they were.
        data: the path of a folder or table and whatever else :func:`alsatian.data.reading.read_data` reads; or a
            dataset, or raw items and labels, of which a fifth will be test items. Items are images
            (N, H, W[, 3]) uint8, or a list of such images, PIL images, texts or paths of image files; labels one
            class an item, or numbers. A dataset of PyTorch that gives pairs of these will do, too.
        proxies: what scores features, or names; the first decides which models stay. By default ``"logistic"``, for
            numbers ``"ridge"``.
        strategy: schedule, sharing, order and cache policy, or a name: base, shift, shared_prefix, alsatian (the
            default) or auto.
        schedule: another one than the strategy's, or its name: exhaustive, halving, confident, ….
        layers: ``"last"`` scores a model's own features. ``"mean"`` scores the mean over its layers' features,
            ``"best"`` the layer with the highest score, which is optimistic, as a maximum of many.
        preprocessing: what prepares the input of ``models`` given as modules: one for all, or one for each by id;
            each is a preprocessing, or settings of images such as ``{"size": 224}``.
        limit: so many items of the data, in the classes' proportions; all by default.
        batch_size: items of a batch, the same for every strategy.
        memory: of blocks and intermediates together, which divides it between them: bytes, ``"8GiB"``, or
            ``"auto"`` for half of what is free.
        budget: in place of ``memory`` all :class:`~alsatian.budgets.Budgets`, or only that of the cache of
            intermediates in the device's memory: bytes, ``"64MiB"``, or ``"25%"`` of the working set; None for no
            limit. By default up to 1 GiB of blocks stay at hand for later use.
        loader: whether blocks stay at hand and are read ahead, if the strategy shares; by default they do and are.
        storage: how store and data are read; at their own speed by default.
        hardware: what a machine needs, for strategies and schedules that decide by predicted time. By default, and
            only if something hangs on it, this machine is measured before the clock starts, until 3% of the
            predicted search are spent, and what was measured is kept beside the store; ``"quick"`` does so also to
            say what the search will take (``expected``). Where it fails plans are the usual ones, and an adaptive
            schedule is halving.
        device: ``"cpu"`` or ``"cuda"``, or such a device of PyTorch.
        kernels: ``"eager"`` runs every block as its module was written, to the bit; ``"layout"``, which is faster,
            makes batch normalisation part of convolutions and has these compute with channels last.
        numerics: ``"fp32"``, ``"bf16"``, or on a GPU ``"tf32"``, which PyTorch itself takes in convolutions.
            Features and scores are bit-identical whatever is shared, cached and ordered, within one choice.
        store: the folder that keeps blocks of models; by default a temporary one for modules, else ``store``.
        reuse: take features of earlier searches in ``store`` where models, items and machine are the same, and
            keep those of this one. Batches of an earlier layout stay as they were where data has grown.
        verify: record a digest of all features with every score.
        on_bad_model: ``"raise"`` ends the search at a model with a damaged block, blocks that do not fit each
            other or features that are not finite, or at models that cannot be read or split or are no function of
            their input; ``"exclude"`` goes on without it and ranks it last.
        checkpoint: a folder that keeps finished rounds; the same search called again goes on behind them.
        meter_level: ``"parts"``, or ``"total"`` to measure no parts of the wall time.
        timeline: collect what every thread does when, in ``measurement.timeline``.
        machine: ``MachineSettings(name="ray", workers=4)`` searches on so many workers, each with these budgets,
            which ``reuse`` features only if they are this machine's; by default this process does.
        progress: called after every step of a plan, or a :class:`~alsatian.searching.watcher.Watcher`.

    Returns:
        Ranking, rounds and measurement. Architectures are exported before the clock starts.

    Raises:
        AlsatianError: a setting, model or file is not usable; the message says which and why.
    """
    given, chosen = arguments.models_of(models), arguments.proxies_of(proxies)
    plan = arguments.strategy_of(strategy) or Strategy()
    if schedule is not None:
        plan = replace(plan, schedule=arguments.schedule_of(schedule))
    choice, batch_size, place = (
        arguments.layers_of(layers, chosen),
        arguments.batch_size_of(batch_size),
        resolve_device(device),
    )
    check_choice(kernels, numerics, place)
    prepares = preprocessing_of(preprocessing, given if isinstance(given, dict) else None)
    loader = instance("loader", loader, LoaderSettings, _LOADER)
    regime = instance("storage", storage, Storage, "Storage(cold=True)") or Storage()
    quick = hardware == "quick"
    known = None if quick else instance("hardware", hardware, Hardware, "'quick' to measure a little")
    runs = instance("machine", machine, MachineSettings, "MachineSettings(name='ray')") or MachineSettings()
    verify, timeline = arguments.flag_of("verify", verify), arguments.flag_of("timeline", timeline)
    check_on_bad_model(on_bad_model)
    watcher = Watcher.of(progress if isinstance(progress, Watcher) else arguments.function_of("progress", progress))
    folder, root = arguments.folder_of("checkpoint", checkpoint), arguments.folder_of("store", store)
    asked = Budgets.of(budget)
    asked.check_device(place.type)
    if memory is not None and budget is not None:
        raise ConfigError("memory and budget are both given; memory is for blocks and intermediates together")
    dataset = read_data(data, limit=limit)
    scorers = assembly.ready(chosen, dataset.classes)
    meter = Meter(place, meter_level, timeline, dataset.in_files)
    whole = assembly.opened(given, prepares, root, regime, place, on_bad_model, dataset.modality, watcher.reading)
    fitting = whole.models.verifying(regime.verify_blocks).taking(dataset.modality, on_bad_model)
    import_libraries(scorers)  # which takes a second: what is wrong with models is said before
    models, _, groups = scope = assembly.scope_of(choice, fitting, on_bad_model, place)
    tuned, candidates, _ = computing = scope.computed_by(kernels, numerics)
    bits, taken = (kernels, numerics), arguments.flag_of("reuse", reuse) and runs.own
    earlier = assembly.earlier_features(taken, scope, dataset, batch_size, place, bits, runs)
    dataset = earlier.dataset
    budgets = asked if memory is None else assembly.divided(memory, models, place)
    planned = Search.of(candidates.candidates, dataset.batches(batch_size), plan, loader, budgets, groups)
    expected, costs = None, None
    if quick or runs.on_workers or planned.hangs_on_costs:
        timed = scorers if quick or isinstance(plan.schedule, Adaptive) else ()
        about = (planned, tuned, dataset, timed, batch_size, meter, earlier.reused)
        with arithmetic(numerics):
            found = Profiled(known) if known else profiled(*about)
        if found.hardware is not None:
            what = (candidates.candidates, dataset, regime, candidates.segments)
            costs = cost_model(computing.costs_on(found.hardware), *what, parts=candidates.parts)
            planned = planned.with_costs(costs)
            alike = runs.each_alike() if runs.on_workers else ()
            expected = outlook(planned, costs, earlier.features, found.seconds, alike) if quick else None
    watcher.starts(models, dataset, planned, expected, earlier.reused)
    with arithmetic(numerics), assembly.machine_of(
        runs, planned, costs, candidates, dataset, scorers, meter, bits, earlier.keep, storage=regime,
        verify=verify, progress=watcher.step_ended, heads=assembly.heads_for(scorers, models),
    ) as runs_on:  # fmt: skip
        runs_on.restore(earlier.features)
        facts = [candidates.digest, dataset.digest, dataset.ends, repr(scorers), repr(planned.strategy.schedule)]
        kept = assembly.checkpoint_in(folder, *facts, place.type, verify, choice, *bits)
        result = planned.run(runs_on, on_bad_model, kept, watcher)
        rate = regime.bytes_per_second or meter.best_read
        rates = Rates.here(meter.best_s, rate, place, cores(), dataset.in_files, candidates.parts)
        result = planned.limited(result, runs_on, rates, earlier.features).without(models.refused)
    return Ranking(
        **vars(replace(result, data=dataset.summary)),
        models=models,
        dataset=dataset,
        proxies=scorers,
        batch_size=batch_size,
        strategy=planned.strategy,
        layers=groups,
        expected=expected,
        device=place,
        kernels=kernels,
        numerics=numerics,
        known={model: set(batches) for model, batches in earlier.features.items()},
        opened=whole,
        again=search,
    )


def predict(
    candidates: CandidateSet | Sequence[Candidate],
    batches: Batches,
    costs: CostModel,
    *,
    strategy: Strategy | str | None = None,
    budget: Budgets | Size = None,
    loader: LoaderSettings | None = None,
    scores: Scores | None = None,
    seed: int = 0,
    file_bytes: Mapping[str, int] | None = None,
    workers: Sequence[Worker] = (),
) -> Prediction:
    """Predict the search of ``candidates`` over test and training ``batches``; nothing is read or computed.

    Args:
        candidates: chains of blocks, or a set of them; neither parameters nor code are needed.
        batches: of the test items and of the training items.
        costs: what everything takes; see :func:`cost_model`.
        strategy, budget, loader: as for :func:`search`.
        scores: which models survive; by default a ranking drawn from ``seed``.
        file_bytes: sizes of block files by identity, where they differ from those of the parameters.
        workers: that carry it out, each with budgets and a way to the store of its own; by default this process.

    Raises:
        AlsatianError: an argument is not usable; the message says which and why.
    """
    candidates, batches = arguments.candidates_of(candidates), arguments.batches_of(batches)
    if instance("costs", costs, CostModel, "what alsatian.api.cost_model returns") is None:
        raise ConfigError("costs: None is given; alsatian.api.cost_model(…) makes what is expected")
    loader = instance("loader", loader, LoaderSettings, _LOADER)
    seed = arguments.whole_number_of("seed", seed)
    draws = drawn_scores(seed) if scores is None else arguments.function_of("scores", scores)
    planned = Search.of(candidates, batches, arguments.strategy_of(strategy), loader, budget).with_costs(costs)
    sizes = instance("file_bytes", file_bytes, dict, "None")
    return planned.predict(costs, draws, sizes, workers=workers)
