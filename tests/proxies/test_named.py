"""Proxies by name: registry, configuration, modules and arguments agree."""

import dataclasses
import importlib
import pkgutil
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

import alsatian.proxies
from alsatian.arguments import proxies_of, proxy_of
from alsatian.errors import ConfigError
from alsatian.proxies.linear import Linear
from alsatian.proxies.logistic import Logistic
from alsatian.proxies.named import PROXIES, check_labels, named, usual
from alsatian.proxies.neighbours import Knn

CONF = Path(__file__).parents[2] / "conf" / "proxy"


def test_configurations_modules_and_names_are_the_same() -> None:
    modules = [
        importlib.import_module(f"alsatian.proxies.{m.name}")
        for m in pkgutil.iter_modules(alsatian.proxies.__path__)
    ]
    written = {
        kind.name
        for module in modules
        for kind in vars(module).values()
        if dataclasses.is_dataclass(kind) and kind.__module__ == module.__name__ and hasattr(kind, "name")
    }
    assert written == set(PROXIES) == {path.stem for path in CONF.glob("*.yaml")}


@pytest.mark.parametrize("name", PROXIES)
def test_a_configuration_has_every_setting_with_its_usual_value(name: str) -> None:
    settings = OmegaConf.to_container(OmegaConf.load(CONF / f"{name}.yaml"), resolve=False)
    proxy = named(name)
    assert settings.pop("_target_") == f"{type(proxy).__module__}.{type(proxy).__qualname__}"
    usual = dataclasses.asdict(proxy)
    at_scale = {key for key, value in settings.items() if "at_scale" in str(value)}
    assert settings.keys() == usual.keys()
    assert {k: v for k, v in settings.items() if k not in at_scale} == {
        k: v for k, v in usual.items() if k not in at_scale
    }
    assert type(proxy)(**{k: v for k, v in settings.items() if k not in at_scale}) == proxy


@pytest.mark.parametrize("name", PROXIES)
def test_proxies_are_frozen_and_called_what_they_are_called(name: str) -> None:
    assert named(name).name == name
    assert named(name) == named(name)
    with pytest.raises(dataclasses.FrozenInstanceError):
        named(name).name = "other"


def test_needing_a_head_and_taking_numbers_is_said() -> None:
    assert {name for name, kind in PROXIES.items() if getattr(kind, "needs_head", False)} == {"leep", "nce"}
    assert {name for name, kind in PROXIES.items() if getattr(kind, "regression", False)} == {"ridge", "logme"}


@pytest.mark.parametrize("name", PROXIES)
def test_numbers_are_refused_where_classes_are_needed(name: str) -> None:
    check_labels(named(name), 2)
    if name in ("ridge", "logme"):
        check_labels(named(name), 0)
        return
    with pytest.raises(ConfigError, match=f"proxy={name}: the labels are numbers.*logme, ridge"):
        check_labels(named(name), 0)


@pytest.mark.parametrize(
    ("value", "names"),
    [
        (None, []),
        ("knn", ["knn"]),
        ("logistic,knn", ["logistic", "knn"]),
        (" logme , gbc ", ["logme", "gbc"]),
        (["hscore", "parc"], ["hscore", "parc"]),
        (("hscore", Knn(k=1)), ["hscore", "knn"]),
        (Linear(epochs=1), ["linear"]),
    ],
)
def test_several_proxies_are_given_as_people_write_them(value: Any, names: list[str]) -> None:
    assert [proxy.name for proxy in proxies_of(value)] == names


def test_objects_are_taken_as_they_are() -> None:
    assert proxies_of([Knn(k=3), "logistic"]) == (Knn(k=3), Logistic())
    assert proxy_of("logistic") == Logistic()
    assert [usual(classes).name for classes in (3, 0)] == ["logistic", "ridge"]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("logistik", "proxy=logistik: there is no such proxy; did you mean 'logistic'"),
        ("knn,logm", "proxy=logm: there is no such proxy; did you mean 'logme'"),
        ("", "proxy=: there is no such proxy; valid are: gbc, hscore, knn"),
        ("knn,", "proxy=: there is no such proxy"),
        ([], "proxies: none is given"),
        ("knn,logme,knn", "proxies: knn is given more than once"),
        ([Knn(), Knn(k=1)], "proxies: knn is given more than once"),
        ([Knn], "proxy: the class Knn is given"),
        (3, "proxy: a value of type int is given"),
    ],
)
def test_what_is_no_proxy_is_refused_in_one_line(value: Any, reason: str) -> None:
    with pytest.raises(ConfigError) as refused:
        proxies_of(value)
    assert reason in str(refused.value)
    assert "\n" not in str(refused.value)
