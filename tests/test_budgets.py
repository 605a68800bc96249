"""Budgets: parsed once, resolved once, and read from the configuration in one place."""

import ast
from pathlib import Path
from typing import Any

import pytest

from alsatian import budgets
from alsatian.budgets import Budgets
from alsatian.errors import ConfigError
from alsatian.models.model_set import ModelSet
from alsatian.planning.limits import Limits
from alsatian.units import Budget
from tests.searching.conftest import family, modules
from tests.searching.tiny_search import search

__all__ = ["family", "modules"]
ROOT = Path(__file__).parents[1]


def reads_budget(node: ast.AST) -> bool:
    """Whether it is ``….cache.budget``, ``…["cache"]["budget"]`` or a mixture of both."""

    def last(value: ast.AST) -> tuple[str | None, ast.AST | None]:
        if isinstance(value, ast.Attribute):
            return value.attr, value.value
        if isinstance(value, ast.Subscript) and isinstance(value.slice, ast.Constant):
            return value.slice.value, value.value
        return getattr(value, "id", None), None

    name, inner = last(node)
    return name == "budget" and inner is not None and last(inner)[0] == "cache"


def test_what_reads_the_budget_is_recognised() -> None:
    read = ("config.cache.budget", 'config["cache"]["budget"]', 'config.cache["budget"]', 'cache["budget"]')
    assert all(reads_budget(ast.parse(text, mode="eval").body) for text in read)
    others = ("self.cache.policy", 'budgets["budget"]', '"cache.budget"', "found.budget")
    assert not any(reads_budget(ast.parse(text, mode="eval").body) for text in others)


def test_the_configuration_is_read_in_one_place() -> None:
    sources = [path for room in ("alsatian", "baselines", "experiments") for path in (ROOT / room).rglob("*.py")]
    reading = [
        path.relative_to(ROOT)
        for path in sources
        if any(reads_budget(node) for node in ast.walk(ast.parse(path.read_text())))
    ]
    assert reading == []  # but by Budgets.read, which takes all settings of the group by their names
    calls = [path.relative_to(ROOT).as_posix() for path in sources if "Budgets.read(" in path.read_text()]
    assert [path for path in calls if "studies" not in path] == ["experiments/configuration/setup.py"]


def test_every_budget_is_parsed_once_for_a_search(family: ModelSet, monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[str] = []
    resolved: list[Budgets] = []
    parse, resolve = budgets.parse_budget, Budgets.resolve

    def noting_parse(size: Any, name: str) -> Any:
        parsed.append(name)
        return parse(size, name)

    def noting_resolve(self: Budgets, *arguments: Any) -> Any:
        resolved.append(self)
        return resolve(self, *arguments)

    monkeypatch.setattr(budgets, "parse_budget", noting_parse)
    monkeypatch.setattr(Budgets, "resolve", noting_resolve)
    result = search(family, budget="50%")
    assert sorted(parsed) == sorted(result.resolved)
    assert len(set(parsed)) == len(parsed) == 6
    assert len(resolved) == 1


def test_shares_and_sizes_come_to_bytes() -> None:
    asked = Budgets(budget="25%", ssd_budget="1kB", block_budget="50%", block_host_budget=0, ssd_dir="/fast")
    found = asked.resolve(lambda: 1001, 500)
    assert found.as_dict() == {
        "cache.budget": Budget("25%", 251),
        "cache.host_budget": Budget(None, None),
        "cache.ssd_budget": Budget("1kB", 1000),
        "cache.block_budget": Budget("50%", 250),
        "cache.block_host_budget": Budget(0, None),
        "cache.block_ssd_budget": Budget(None, None),
    }
    for divides in (False, True):  # blocks may need all that they have
        assert found.limits(keeps=True, divides=divides) == Limits((251, 1000), blocks=250, tiers=("device", "ssd"))
        assert found.limits(keeps=False, divides=divides).memory is None
    assert found.for_blocks(shares=True, keeps=True) == (250, 0, 0)
    assert found.for_blocks(shares=True, keeps=False) == (0, 0, 0)


@pytest.mark.parametrize(
    ("budget", "blocks", "divided"),
    [(7, 99, (7, 99)), (7, 100, (7, 100)), (7, 101, (8, 100)), (None, 101, (None, 101)), (7, None, (7, None))],
)
def test_who_divides_the_memory_has_for_intermediates_what_blocks_never_need(
    budget: int | None, blocks: int | None, divided: tuple[int | None, int | None]
) -> None:
    found = Budgets(budget=budget, block_budget=blocks).resolve(lambda: 0, 100)
    assert found.limits(keeps=True, divides=False) == Limits((budget,), blocks=blocks)
    assert found.limits(keeps=True, divides=True) == Limits(divided[:1], blocks=divided[1])


def test_the_working_set_is_only_asked_for_by_shares() -> None:
    def never() -> int:
        raise AssertionError

    assert Budgets(budget=7, block_budget=None).resolve(never, 1).budget == 7


def test_pinned_memory_needs_a_gpu() -> None:
    for setting in ("host_budget", "block_host_budget"):
        asked = Budgets(**{setting: "1MiB"})
        asked.check_device("cuda")
        with pytest.raises(ConfigError, match=rf"^cache\.{setting}"):
            asked.check_device("cpu")
