"""Cutting a round's work, against the definition and against all ways to cut tiny trees."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alsatian.errors import ConfigError
from alsatian.planning.distribution.distribute import WAYS, distribute
from alsatian.planning.distribution.distribution import Distribution, Worker
from alsatian.planning.distribution.portions import WORTH
from tests.planning.distribution.chains import (
    BATCHES,
    ITEMS,
    PER_LETTER,
    PREPARE,
    SCORE,
    costs,
    least_makespan,
    seconds,
    tree,
    words,
)

SOME = 1 + WORTH + 1e-6
"""What portions may compute again so that they can move."""
FAMILIES = ["aab", "aac", "aad", "bbb", "bbc", "bbd"]


def workers(count: int, **settings: object) -> list[Worker]:
    return [Worker(f"w{i}", **settings) for i in range(count)]  # type: ignore[arg-type]


def cut(chains: list[str], count: int, **settings: object) -> Distribution:
    chosen = {"costs": costs(), **settings}
    return distribute(tree(chains), chains, BATCHES, workers(count), **chosen)  # type: ignore[arg-type]


@given(words, st.integers(1, 5), st.sampled_from([*WAYS, None]), st.sampled_from([1e18, 20.0]), st.booleans())
def test_every_model_is_computed_once_for_every_batch(chains, count, way, bandwidth, ahead) -> None:
    found = cut(chains, count, way=way, costs=costs(bandwidth=bandwidth, read_ahead=ahead))
    computed = Counter(
        (model, batch) for own in found.portions.values() for p in own for model in p.models for batch in p.batches
    )
    assert computed == Counter((model, batch) for model in chains for batch in BATCHES)
    assert list(found.portions) == [f"w{i}" for i in range(count)]


@given(words, st.integers(1, 3))
def test_subtrees_are_near_the_best_of_all_ways(chains, count) -> None:
    """A range repeats one path at most, and ends one early at most: the mean and twice the longest path. No cut is
    faster than the mean or than the longest path, so three times the best is the bound; here it is less."""
    found, best = cut(chains, count, way="subtrees"), least_makespan(chains, count)
    longest = max(seconds([word]) for word in chains)
    assert best <= found.wall_s * (1 + 1e-9) or any(
        len(p.batches) < ITEMS for w in found.portions.values() for p in w
    )
    assert found.wall_s <= SOME * (seconds(chains) / count + 2 * longest)
    assert found.wall_s <= SOME * 4 / 3 * best


@given(words, st.integers(1, 6), st.sampled_from([1e18, 20.0]))
def test_more_workers_are_never_slower(chains, count, bandwidth) -> None:
    given_costs = costs(bandwidth=bandwidth)
    fewer, more = (cut(chains, n, costs=given_costs) for n in (count, count + 1))
    assert more.wall_s <= SOME * fewer.wall_s


@given(words)
def test_one_worker_has_one_portion(chains) -> None:
    found = cut(chains, 1)
    (portion,) = found.portions["w0"]
    assert set(portion.models) == set(chains)
    assert portion.batches == tuple(BATCHES)
    assert found.wall_s == portion.seconds == found.whole_s == pytest.approx(seconds(chains))
    assert found.duplicated_s == found.duplicated_bytes == found.moved_bytes == 0


@given(words, st.integers(1, 4), st.sampled_from(WAYS))
def test_what_is_told_is_what_portions_take(chains, count, way) -> None:
    found = cut(chains, count, way=way)
    sizes = {f"{i}{letter}": 10 * PER_LETTER[letter] for word in chains for i, letter in enumerate(word)}
    computed = 0.0
    for name, own in found.portions.items():
        computes = sum(len(p.batches) / ITEMS * computing(list(p.models)) for p in own)
        computed += computes
        parts = found.parts_s[name]
        assert parts["inference"] + parts["prepare_data"] == pytest.approx(computes)
        assert parts["prepare_data"] == pytest.approx(sum(len(p.batches) / ITEMS * PREPARE for p in own))
        assert parts["prepare_model"] == pytest.approx(0.0, abs=1e-9)
        assert (
            found.seconds[name] == pytest.approx(sum(p.seconds for p in own)) == pytest.approx(sum(parts.values()))
        )
        blocks = {f"{i}{letter}" for p in own for word in p.models for i, letter in enumerate(word)}
        assert found.read_bytes[name] == sum(sizes[block] for block in blocks)
    assert sum(parts["proxy_scoring"] for parts in found.parts_s.values()) == pytest.approx(SCORE * len(chains))
    assert found.duplicated_s == pytest.approx(computed - computing(chains), abs=1e-9)
    assert found.duplicated_bytes == sum(found.read_bytes.values()) - sum(sizes.values())
    if way == "blocks":
        assert found.duplicated_bytes == 0


def test_families_stay_whole() -> None:
    found = cut(FAMILIES, 2, way="subtrees")
    assert {frozenset(m for p in own for m in p.models) for own in found.portions.values()} == {
        frozenset(FAMILIES[:3]),
        frozenset(FAMILIES[3:]),
    }
    assert found.duplicated_s == PREPARE


def test_few_models_have_their_data_divided_where_blocks_are_cheap_to_read() -> None:
    assert cut(["ab"], 4).wall_s == pytest.approx(computing(["ab"]) / 4 + SCORE)
    assert {len(p.batches) for own in cut(["ab"], 4).portions.values() for p in own} == {1}
    slow = cut(["ab"], 4, costs=costs(bandwidth=0.001, read_ahead=False))
    assert [len(own) for own in slow.portions.values()].count(1) == 1, "every worker would read the blocks"


def test_a_faster_worker_has_more() -> None:
    chains = [f"{a}{b}" for a in "abcd" for b in "abcd"]
    some = [Worker("slow"), Worker("fast", speed=3.0)]
    found = distribute(tree(chains), chains, BATCHES, some, costs(), way="subtrees")
    models = {name: sum(len(p.models) for p in own) for name, own in found.portions.items()}
    assert models["fast"] > 2 * models["slow"] > 0
    even = distribute(tree(chains), chains, BATCHES, workers(2), costs(), way="subtrees")
    assert found.wall_s < even.wall_s


def test_a_worker_with_a_slow_way_to_the_store_reads_less() -> None:
    chains = [f"{a}{b}" for a in "abcd" for b in "abcd"]
    some = [Worker("far", bandwidth=1.0), Worker("near", bandwidth=10.0)]
    found = distribute(tree(chains), chains, BATCHES, some, costs(bandwidth=10.0), way="subtrees")
    assert found.read_bytes["near"] > 2 * found.read_bytes["far"]


def computing(chains: list[str]) -> float:
    return seconds(chains) - SCORE * len(chains)


def homes_of(found: Distribution) -> dict[str, str]:
    return {model: name for name, own in found.portions.items() for p in own for model in p.models}


@pytest.mark.parametrize("survivors", [FAMILIES, FAMILIES[1:5], [*FAMILIES[:1], *FAMILIES[3:]]])
def test_models_stay_where_their_features_are_if_it_pays(survivors) -> None:
    before = homes_of(cut(FAMILIES, 2, way="subtrees"))
    dear = cut(survivors, 2, homes=before, held_items=10**9, costs=costs(bandwidth=1e6), way="subtrees")
    assert homes_of(dear) == {model: before[model] for model in survivors}
    assert not dear.moved_bytes


def test_models_move_if_it_pays() -> None:
    before = dict.fromkeys(FAMILIES, "w0")
    free = cut(FAMILIES, 2, homes=before, held_items=1, way="subtrees")
    assert set(homes_of(free).values()) == {"w0", "w1"}
    moved = [model for model, name in homes_of(free).items() if name == "w1"]
    assert free.moved_bytes == 4 * len(moved)
    assert any("moved here" in p.why for p in free.portions["w1"])


def test_portions_of_a_worker_share_next_to_nothing() -> None:
    chains = [f"{a}{b}{c}" for a in "abcd" for b in "abcd" for c in "ab"]
    found = cut(chains, 2, way="subtrees", costs=costs(prepare_s=lambda kind: 0.0))
    assert max(map(len, found.portions.values())) > 1
    for own in found.portions.values():
        first = [{model[0] for model in p.models} for p in own]
        assert sum(map(len, first)) == len(set().union(*first))


def test_nothing_to_compute_and_bad_words() -> None:
    assert distribute(tree([]), [], BATCHES, workers(2), costs()).portions == {"w0": (), "w1": ()}
    known = distribute(tree(["a", "b"]), ["a", "b"], [], workers(2), costs())
    assert sum(len(p.models) for own in known.portions.values() for p in own) == 2, "they are scored"
    assert known.wall_s == SCORE
    with pytest.raises(ConfigError, match="way=trees: did you mean 'subtrees'"):
        cut(["a"], 2, way="trees")
    for some in ([], [Worker("w"), Worker("w")]):
        with pytest.raises(ConfigError, match="a name of its own"):
            distribute(tree(["a"]), ["a"], BATCHES, some, costs())


def test_notes_tell_the_other_ways() -> None:
    note = cut(FAMILIES, 2).note
    assert all(way in note for way in WAYS)
    assert "predicted" in note
