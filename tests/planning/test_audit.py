"""What is wrong with a plan is told from the plan alone."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from alsatian.blocks.candidate import Block, Candidate
from alsatian.data.dataset import batches_of
from alsatian.data.preprocessing import ImagePreprocessing
from alsatian.planning.audit import faults
from alsatian.planning.limits import Limits
from alsatian.planning.orders.dfs_plus import DfsPlus
from alsatian.planning.orders.given import Given
from alsatian.planning.plan import Infer, Plan, Release, Score, Step
from alsatian.planning.planner import make_plan
from alsatian.tree import TaskTree

MODELS = ("aab", "aac", "ad", "aa")
TEST, TRAIN = batches_of(4, 9, 4)
BATCHES = (*TEST, *TRAIN)


def tree() -> TaskTree:
    def chain(name: str) -> tuple[Block, ...]:
        return tuple(Block(name[: i + 1], 8, 16) for i in range(len(name)))

    return TaskTree.of(Candidate(name, chain(name), None, ImagePreprocessing(8)) for name in MODELS).compress()


def plan(planned: bool = True, chunk_batches: int | None = 2) -> Plan:
    limits = Limits(chunk_batches=chunk_batches)
    return make_plan(tree(), MODELS, BATCHES, DfsPlus(), planned_releases=planned, limits=limits)


def found(changed: Plan, planned: bool = True) -> list[str]:
    return list(faults(changed, MODELS, BATCHES, planned))


@pytest.mark.parametrize("planned", [True, False])
@pytest.mark.parametrize("chunk", [None, 1, 2])
def test_nothing_is_wrong_with_plans_of_the_planner(planned: bool, chunk: int | None) -> None:
    assert found(plan(planned, chunk), planned) == []


def test_nothing_is_wrong_with_fused_and_recomputed_vertices() -> None:
    inner = [v for v in range(len(tree())) if tree().children[v]]
    for ways in ({"fused": frozenset(inner)}, {"recomputed": frozenset(inner[1:])}):
        given = make_plan(tree(), MODELS, BATCHES, Given(), planned_releases=True, limits=Limits(), **ways)
        assert found(given) == []


def without(kind: type, last: bool = True) -> Callable[[Sequence[Step]], list[Step]]:
    def change(steps: Sequence[Step]) -> list[Step]:
        at = [i for i, step in enumerate(steps) if isinstance(step, kind)][-1 if last else 0]
        return [step for i, step in enumerate(steps) if i != at]

    return change


def early(steps: Sequence[Step]) -> list[Step]:
    """The first release right behind its inference."""
    at = next(i for i, step in enumerate(steps) if isinstance(step, Release))
    release = steps[at]
    rest = [*steps[:at], *steps[at + 1 :]]
    rest.insert(rest.index(Infer(release.vertex, 0)) + 1, release)
    return rest


WRONG: dict[str, tuple[Callable[[Sequence[Step]], list[Step]], str]] = {
    "no score": (without(Score), "never scores the model"),
    "not released": (without(Release), "never releases vertex 1 of chunk 1"),
    "not computed": (without(Infer), "before its features are computed for chunk 1"),
    "too early": (early, "is released too early"),
    "twice": (lambda s: [*s, s[-1]], "releases vertex 1 of chunk 1 twice"),
    "scored twice": (lambda s: [*s, next(x for x in s if isinstance(x, Score))], "2 times"),
    "released first": (lambda s: [Release(1, 0), *s], "releases vertex 1 of chunk 0 before it is computed"),
    "back": (lambda s: [*s, Infer(1, 0)], "where chunk 1 of 2 is under way"),
    "no such chunk": (lambda s: [*s, Infer(1, 2)], "where chunk 1 of 2 is under way"),
    "no such vertex": (lambda s: [*s, Infer(-1, 1)], "has Infer(vertex=-1, chunk=1) as step"),
    "no features": (lambda s: [*s, Score(0)], "scores vertex 0, which is no model's features"),
    "no step": (lambda s: [None, *s], "has None as step 1"),  # type: ignore[list-item]
}


@pytest.mark.parametrize("what", WRONG)
def test_a_fault_is_told(what: str) -> None:
    given, (change, fault) = plan(), WRONG[what]
    assert given.steps[-1] == Release(1, 1)
    assert any(fault in line for line in found(replace(given, steps=change(list(given.steps)))))


def test_releases_are_for_planned_policies() -> None:
    given = plan(planned=False)
    assert "decides at run time" in found(replace(given, steps=[*given.steps, Release(0, 1)]), planned=False)[0]


def test_batches_are_those_that_were_given() -> None:
    given = plan()
    first, second = given.chunks
    cut = replace(first[0], stop=first[0].stop - 1)
    assert "leaves 2 of 4 batches out" in found(replace(given, chunks=(first, ())))[0]
    assert "cuts one" in found(replace(given, chunks=((cut, *first[1:]), second)))[0]
    assert "twice" in found(replace(given, chunks=(first, (*second, first[0]))))[0]


def test_models_are_those_that_were_asked_for() -> None:
    given = plan()
    assert list(faults(given, MODELS[:-1], BATCHES, True)) == ["scores the model 'aa', which it was not asked for"]
    assert list(faults(given, (*MODELS, "x"), BATCHES, True)) == ["never scores the model 'x'"]
