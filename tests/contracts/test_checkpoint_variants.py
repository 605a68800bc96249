"""Checkpoints as training tools write them give the parameters of the model that was trained, bit by bit."""

import argparse
import collections
import datetime
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from torch import nn
from torch.distributed.algorithms._checkpoint.checkpoint_wrapper import checkpoint_wrapper
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from alsatian.errors import AlsatianError, ConfigError
from alsatian.models.reading.parameters.checkpoints import read_checkpoint
from alsatian.models.reading.parameters.state_dicts import fitted
from tests.models.reading.checkpoint_files import Malicious

State = dict[str, torch.Tensor]


def model(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(
        collections.OrderedDict(stem=nn.Conv2d(3, 4, 3), norm=nn.BatchNorm2d(4), head=nn.Linear(4, 2))
    )


class Trainer(nn.Module):
    """What a framework keeps a model in."""

    def __init__(self, **parts: nn.Module) -> None:
        super().__init__()
        for name, part in parts.items():
            self.add_module(name, part)


def averaged() -> AveragedModel:
    made = AveragedModel(model(1), multi_avg_fn=get_ema_multi_avg_fn(0.9))
    made.update_parameters(model(0))
    return made


def part_compiled() -> nn.Module:
    made = model()
    made.stem = torch.compile(made.stem)  # type: ignore[assignment]
    return made


def part_recomputed() -> nn.Module:
    made = model()
    made.norm = checkpoint_wrapper(made.norm)
    return made


# What a tool writes of model(0).
WRITTEN: dict[str, Callable[[], Any]] = {
    "plain": lambda: model().state_dict(),
    "DataParallel": lambda: nn.DataParallel(model()).state_dict(),
    "torch.compile": lambda: torch.compile(model()).state_dict(),
    "torch.compile of DataParallel": lambda: torch.compile(nn.DataParallel(model())).state_dict(),
    "DataParallel of torch.compile": lambda: nn.DataParallel(torch.compile(model())).state_dict(),
    "DataParallel twice": lambda: nn.DataParallel(nn.DataParallel(model())).state_dict(),
    "torch.compile of a part": lambda: part_compiled().state_dict(),
    "recomputed part": lambda: {
        name.replace("norm.", "norm._checkpoint_wrapped_module."): t
        for name, t in part_recomputed().state_dict().items()
    },
    "Trainer with optimizer": lambda: {
        "model_state_dict": model().state_dict(),
        "optimizer_state_dict": torch.optim.AdamW(model().parameters()).state_dict(),
        "epoch": 3,
        "loss": torch.tensor(0.5),
    },
    "optimizer with steps": lambda: {"model": model().state_dict(), "optimizer": stepped().state_dict()},
    "Lightning": lambda: lightning(Trainer(model=model()), {}),
    "Lightning with a loss": lambda: lightning(Trainer(net=model(), loss=nn.CrossEntropyLoss(torch.ones(2))), {}),
    "Lightning, compiled": lambda: lightning(Trainer(model=torch.compile(model())), {}),
    "Lightning with Namespace": lambda: lightning(
        Trainer(backbone=model()), argparse.Namespace(lr=1, sizes=[1, 2])
    ),
    "Lightning with OmegaConf": lambda: lightning(
        Trainer(encoder=model()), OmegaConf.create({"lr": 0.1, "data": {"sizes": [1, 2], "name": None}})
    ),
    "settings of all kinds": lambda: {
        "model": model().state_dict(),
        "args": argparse.Namespace(path=Path("a"), when=datetime.datetime(2024, 1, 1)),
        "best": np.float64(0.5),
        "curve": np.arange(3.0),
        "history": collections.defaultdict(list, a=[1]),
    },
    "DeepSpeed": lambda: {"module": model().state_dict(), "dp_world_size": 2, "lr_scheduler": {"last": 1}},
    "DETR": lambda: {"model": model().state_dict(), "args": argparse.Namespace(lr=1), "epoch": 1},
    "one unknown word": lambda: {"my_network": model().state_dict(), "step": 3},
    "two words": lambda: {"state": {"network": {"state_dict": model().state_dict()}}},
    "EMA by itself": lambda: {"ema_state_dict": model().state_dict()},
    "negated views": lambda: {name: torch._neg_view(-t) for name, t in model().state_dict().items()},
    "weights by name": lambda: {"weights": dict(model().named_parameters()) | dict(model().named_buffers())},
}


def stepped() -> torch.optim.Optimizer:
    made = model()
    optimizer = torch.optim.AdamW(made.parameters())
    for parameter in made.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    return optimizer


def lightning(module: nn.Module, hyper_parameters: Any) -> dict[str, Any]:
    return {
        "epoch": 1, "global_step": 10, "pytorch-lightning_version": "2.5.0", "state_dict": module.state_dict(),
        "loops": {"fit_loop": {"state_dict": {}}}, "callbacks": {"ModelCheckpoint{}": {"best_model_score": None}},
        "optimizer_states": [stepped().state_dict()], "lr_schedulers": [], "hyper_parameters": hyper_parameters,
    }  # fmt: skip


def read(path: Path, weights: str = "ema", prefix: str | None = None) -> tuple[State, list[str]]:
    found = read_checkpoint(path, weights)
    notes = list(found.notes)
    return fitted(found.tensors, model().state_dict(), weights, path, notes, prefix), notes


def assert_is(found: State, module: nn.Module) -> None:
    wanted = module.state_dict()
    assert wanted.keys() <= found.keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in wanted.items())


@pytest.mark.parametrize("suffix", [".pt", ".ckpt"])
@pytest.mark.parametrize("name", WRITTEN)
def test_what_tools_write(tmp_path: Path, name: str, suffix: str) -> None:
    torch.save(WRITTEN[name](), tmp_path / f"m{suffix}")
    assert_is(read(tmp_path / f"m{suffix}")[0], model())


PAIRS: dict[str, Callable[[State, State], dict[str, Any]]] = {
    "timm": lambda raw, ema: {"state_dict": raw, "state_dict_ema": ema, "epoch": 3},
    "DETR": lambda raw, ema: {"model": raw, "model_ema": {"module": ema}},
    "stochastic averages": lambda raw, ema: {"state_dict": raw, "swa_state_dict": ema},
    "BasicSR": lambda raw, ema: {"params": raw, "params_ema": ema},
    "DINO": lambda raw, ema: {"student": raw, "teacher": ema},
    "Lightning": lambda raw, ema: {
        "state_dict": {f"model.{n}": t for n, t in raw.items()} | {f"ema_model.{n}": t for n, t in ema.items()}
    },
    "AveragedModel beside the model": lambda raw, ema: {
        "model": raw, "ema": {"n_averaged": torch.tensor(1), **{f"module.{n}": t for n, t in ema.items()}}
    },
}  # fmt: skip


@pytest.mark.parametrize("weights", ["ema", "raw"])
@pytest.mark.parametrize("name", PAIRS)
def test_of_averaged_and_raw_weights_the_asked_ones_are_taken_and_named(
    tmp_path: Path, name: str, weights: str
) -> None:
    torch.save(PAIRS[name](model(0).state_dict(), model(1).state_dict()), tmp_path / "m.pt")
    found, notes = read(tmp_path / "m.pt", weights)
    assert_is(found, model(0 if weights == "raw" else 1))
    assert notes[0].startswith("the averaged weights" if weights == "ema" else "the raw weights")


def test_other_sets_of_parameters_beside_the_model_are_named(tmp_path: Path) -> None:
    torch.save({"model": model().state_dict(), "best": model(1).state_dict(), "epoch": 1}, tmp_path / "m.pt")
    found, notes = read(tmp_path / "m.pt")
    assert_is(found, model())
    assert notes == ["the parameters below 'model'; those below best are left out"]


def test_averages_of_pytorch(tmp_path: Path) -> None:
    torch.save(averaged().state_dict(), tmp_path / "m.pt")
    assert_is(read(tmp_path / "m.pt")[0], averaged().module)


@pytest.mark.parametrize(
    "value",
    [
        lambda: {"generator": model().state_dict(), "discriminator": model(1).state_dict()},
        lambda: {"state_dict": {f"{p}.{n}": t for p in ("query", "key") for n, t in model().state_dict().items()}},
    ],
    ids=["two models", "two prefixes"],
)
def test_of_several_models_none_is_guessed(tmp_path: Path, value: Callable[[], Any]) -> None:
    torch.save(value(), tmp_path / "m.pt")
    with pytest.raises(ConfigError, match=r"holds (2 sets of parameters|the model below)") as caught:
        read(tmp_path / "m.pt")
    assert "\n" not in str(caught.value)


def test_a_stated_prefix_says_which(tmp_path: Path) -> None:
    both = {f"{p}.{n}": t for p, m in (("q", model(0)), ("k", model(1))) for n, t in m.state_dict().items()}
    torch.save(both, tmp_path / "m.pt")
    for prefix, seed in (("q", 0), ("k.", 1)):
        assert_is(read(tmp_path / "m.pt", prefix=prefix)[0], model(seed))


def meta() -> State:
    return {"stem.weight": torch.empty(2, 2, device="meta")}


def expanded() -> State:
    return {"stem.weight": torch.ones(1).expand(2**40)}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (meta, "'stem.weight' has no values"),
        (lambda: {"model": meta()}, "'stem.weight' has no values"),
        (lambda: {"stem.weight": torch.eye(4).to_sparse()}, "'stem.weight' is no dense tensor (sparse_coo)"),
        (lambda: {"stem.weight": torch.eye(4).to_sparse_csr()}, "'stem.weight' is no dense tensor (sparse_csr)"),
        (lambda: {"a.weight": torch.quantize_per_tensor(torch.ones(2), 1.0, 0, torch.qint8)}, "quantized (qint8)"),
        (lambda: {"a.weight": torch.ones(2).to(torch.float8_e4m3fn)}, "quantized (float8_e4m3fn)"),
        (lambda: {"a.bias": torch.ones(2) * 1j}, "'a.bias' is complex (complex64)"),
        (expanded, f"claims {2**42} bytes in a file of"),
        (
            lambda: {"stem.weight": torch.nested.nested_tensor([torch.ones(1), torch.ones(2)])},
            "is not a file of tensors",
        ),
        (lambda: {"a._orig_mod.w": torch.ones(1), "a.w": torch.ones(1)}, "two parameters have one name"),
        (lambda: [1, 2], "holds no parameters by name"),
        (lambda: {"lr": 0.1}, "holds no parameters by name"),
    ],
)
def test_absurd_tensors_end_in_a_line(tmp_path: Path, value: Callable[[], Any], message: str) -> None:
    torch.save(value(), tmp_path / "m.pt")
    with pytest.raises(AlsatianError) as caught:
        read(tmp_path / "m.pt")
    assert message in str(caught.value)
    assert str(caught.value).startswith(str(tmp_path / "m.pt"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("place", ["args", "hyper_parameters", "optimizer"])
def test_code_among_settings_is_refused_and_not_run(tmp_path: Path, place: str) -> None:
    torch.save({"model": model().state_dict(), place: Malicious(tmp_path / "marker")}, tmp_path / "m.ckpt")
    with pytest.raises(ConfigError, match="holds pickled code"):
        read(tmp_path / "m.ckpt")
    assert not (tmp_path / "marker").exists()
