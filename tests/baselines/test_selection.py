"""What is chosen to be kept, against brute force and against definitions, on small trees."""

import itertools
import random
from collections.abc import Collection

import pytest

from alsatian.blocks.candidate import Block, Candidate
from alsatian.costs.hardware import Hardware
from alsatian.costs.model import CostModel
from alsatian.errors import ConfigError
from alsatian.planning.limits import Limits
from alsatian.tree import TaskTree
from baselines.greedy import Greedy, savings
from baselines.materialise import Materialise, materialised
from baselines.selection import Work
from tests.stores import TINY

TIERS = ("device", "ssd")
SEEDS = range(12)


def chain(name: str, letters: str) -> Candidate:
    """A model of a block for each letter, which shares a prefix with models whose letters begin alike."""
    blocks = (Block(letters[: i + 1], 1, 1 + (7 * i) % 5) for i in range(len(letters)))
    return Candidate(name, tuple(blocks), None, TINY)


def random_work(seed: int, costs: CostModel | None = None) -> Work:
    """A tree of seven models, some of which end where others go on, with seconds and sizes at random."""
    rng = random.Random(seed)
    models = ["".join(rng.choice("ab") for _ in range(rng.randint(2, 5))) for _ in range(7)]
    tree = TaskTree.of([chain(f"{i}", letters) for i, letters in enumerate(models)]).compress()
    size = [rng.randint(1, 9) if tree.children[v] else 0 for v in range(len(tree))]
    return Work(tree, [rng.uniform(0.1, 3) for _ in range(len(tree))], size, costs)


def inner(work: Work) -> list[int]:
    return [v for v in range(len(work.tree)) if work.tree.children[v]]


def simulated_s(work: Work, kept: Collection[int], read_s: dict[int, float] | None = None) -> float:
    """Seconds of a round by doing it: models and what is kept are computed from the nearest vertex that is kept."""
    total = 0.0
    targets = [v for v in range(len(work.tree)) if v in kept or not work.tree.children[v]]
    for target in targets:
        for vertex in work.tree.path(target):
            if vertex in kept and vertex != target:
                total += (read_s or {}).get(vertex, 0.0)
                break
            total += work.seconds[vertex]
    return total


def two_tiers() -> CostModel:
    return CostModel(Hardware("tiers", "made up", {}, tier_bytes_per_s={"ssd": (20.0, 4.0)}), {}, 1.0)


@pytest.mark.parametrize("seed", SEEDS)
def test_seconds_are_those_of_doing_it(seed: int) -> None:
    work = random_work(seed)
    for count in range(len(inner(work)) + 1):
        for kept in itertools.combinations(inner(work), count):
            assert work.total_s(kept) == pytest.approx(simulated_s(work, kept))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("share", [0.0, 0.3, 0.7, None])
def test_no_choice_within_the_budget_is_better_than_the_programmes(seed: int, share: float | None) -> None:
    work = random_work(seed)
    budget = None if share is None else int(share * sum(work.nbytes))
    choice = materialised(work, Limits((budget,)), 10)
    best = min(
        simulated_s(work, kept)
        for count in range(len(inner(work)) + 1)
        for kept in itertools.combinations(inner(work), count)
        if budget is None or sum(work.nbytes[v] for v in kept) <= budget
    )
    assert simulated_s(work, choice.kept) == pytest.approx(best)
    assert budget is None or sum(work.nbytes[v] for v in choice.kept) <= budget
    assert choice.note is None
    assert not choice.spilled


@pytest.mark.parametrize("seed", SEEDS[:6])
def test_a_lower_tier_is_used_where_reading_it_takes_less_than_computing(seed: int) -> None:
    work = random_work(seed, two_tiers())
    budgets = (int(0.3 * sum(work.nbytes)), int(0.4 * sum(work.nbytes)))

    def seconds(place: dict[int, int]) -> float:
        """Of keeping each vertex in a tier; what lies in the second one is written and read."""
        low = [v for v, tier in place.items() if tier]
        write_s, read_s = ({v: work.nbytes[v] / rate for v in low} for rate in (20.0, 4.0))
        return simulated_s(work, place, read_s) + sum(write_s.values())

    def fits(place: dict[int, int]) -> bool:
        return all(sum(work.nbytes[v] for v, t in place.items() if t == tier) <= budgets[tier] for tier in (0, 1))

    places = (
        {v: tier for v, tier in zip(inner(work), chosen, strict=True) if tier is not None}
        for chosen in itertools.product((None, 0, 1), repeat=len(inner(work)))
    )
    best = min(seconds(place) for place in places if fits(place))
    choice = materialised(work, Limits(budgets, tiers=TIERS), 10)
    found = {v: int(v in choice.spilled) for v in choice.kept}
    assert fits(found)
    assert seconds(found) == pytest.approx(best)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("per_byte", [False, True])
def test_greedy_takes_at_each_step_what_its_definition_says(seed: int, per_byte: bool) -> None:
    work = random_work(seed)
    budget = int(0.5 * sum(work.nbytes))
    kept, left = set[int](), budget
    while True:
        worth = {
            v: (simulated_s(work, kept) - simulated_s(work, {*kept, v})) / (work.nbytes[v] if per_byte else 1)
            for v in inner(work)
            if v not in kept and work.nbytes[v] <= left
        }
        best = max(worth, key=lambda v: (round(worth[v], 9), -v), default=None)
        if best is None or worth[best] < 1e-9:
            break
        kept.add(best)
        left -= work.nbytes[best]
    assert Greedy(per_byte=per_byte).choose(work, Limits((budget,))).kept == kept


@pytest.mark.parametrize("seed", SEEDS)
def test_savings_are_differences_of_the_whole(seed: int) -> None:
    work, rng = random_work(seed), random.Random(seed)
    kept = {v for v in inner(work) if rng.random() < 0.3}
    for vertex, saved in savings(work, kept).items():
        assert saved == pytest.approx(work.total_s(kept) - work.total_s({*kept, vertex}), abs=1e-9)


def test_a_programme_out_of_time_says_so() -> None:
    rng = random.Random(0)
    models = ["".join(rng.choice("ab") for _ in range(12)) for _ in range(600)]
    tree = TaskTree.of([chain(f"{i}", letters) for i, letters in enumerate(models)]).compress()
    size = [rng.randint(1, 99) if tree.children[v] else 0 for v in range(len(tree))]
    work = Work(tree, [rng.uniform(0.1, 3) for _ in range(len(tree))], size)
    choice = materialised(work, Limits((sum(size) // 3,)), 1e-3)
    assert choice.note == "the best within 0.001 s, not proved to be the least"
    assert sum(size[v] for v in choice.kept) <= sum(size) // 3


@pytest.mark.parametrize("limit", [0, -1, float("nan")])
def test_no_time_is_refused(limit: float) -> None:
    with pytest.raises(ConfigError, match=r"strategy.time_limit=.*: must be more than 0 seconds"):
        Materialise(time_limit=limit)
