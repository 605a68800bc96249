"""The task tree holds every prefix once, whatever is added, pruned and compressed."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alsatian.blocks.candidate import Block, Candidate
from alsatian.data.preprocessing import ImagePreprocessing
from alsatian.errors import ConfigError
from alsatian.tree import NO_VERTEX, TaskTree

PREPROCESSING = (ImagePreprocessing(8), ImagePreprocessing(4))
chains = st.lists(
    st.tuples(st.lists(st.sampled_from("abc"), max_size=6), st.integers(0, 1)), min_size=1, max_size=8
).map(lambda drawn: [model(f"m{i}", names, which) for i, (names, which) in enumerate(drawn)])


def model(model_id: str, names: Sequence[str], preprocessing: int = 0) -> Candidate:
    """A model whose blocks are known by name; a block's output size is decided by its name."""
    blocks = tuple(Block(name, 1, sum(name.encode())) for name in names)
    return Candidate(model_id, blocks, None, PREPROCESSING[preprocessing])


def chain(tree: TaskTree, vertex: int) -> tuple[str, ...]:
    """Identities of all blocks from the data to ``vertex``."""
    return tuple(block.identity for v in reversed(list(tree.path(vertex))) for block in tree.blocks[v])


def structure(tree: TaskTree) -> set[tuple[str, tuple[str, ...], frozenset[str], int]]:
    """Every vertex by what it is: preprocessing, blocks on the way to it, models, and its size."""
    found = {
        (tree.preprocessing[v].fingerprint, chain(tree, v), frozenset(tree.models[v]), tree.output_bytes[v])
        for v in range(len(tree))
    }
    assert len(found) == len(tree)
    return found


def check(tree: TaskTree, models: Sequence[Candidate]) -> None:
    """What holds for every tree of ``models``."""
    assert sorted(tree.all_models()) == sorted(m.id for m in models)
    for candidate in models:
        vertex = tree.vertex_of(candidate.id)
        assert candidate.id in tree.models[vertex]
        assert chain(tree, vertex) == tuple(block.identity for block in candidate.blocks)
        assert all(tree.preprocessing[v] == candidate.preprocessing for v in tree.path(vertex))
    for vertex, parent in enumerate(tree.parent):
        assert parent < vertex
        assert parent == NO_VERTEX or vertex in tree.children[parent]
        assert all(tree.parent[child] == vertex for child in tree.children[vertex])
        last = [block for v in reversed(list(tree.path(vertex))) for block in tree.blocks[v]][-1:]
        expected = last[0].output_bytes if last else tree.preprocessing[vertex].output_bytes
        assert tree.output_bytes[vertex] == expected
        assert tree.cache_bytes(vertex) == (expected if tree.children[vertex] else 0)
    assert tree.roots() == [v for v, parent in enumerate(tree.parent) if parent == NO_VERTEX]


def prefixes(models: Sequence[Candidate]) -> int:
    """Distinct prefixes that end in a block."""
    return len(
        {
            (m.preprocessing.fingerprint, tuple(b.identity for b in m.blocks[: i + 1]))
            for m in models
            for i in range(len(m.blocks))
        }
    )


def test_a_common_prefix_is_one_path() -> None:
    models = [model("one", "abc"), model("two", "abd"), model("three", "aec")]
    tree = TaskTree.of(models)
    check(tree, models)
    assert tree.parent == [-1, 0, 1, 2, 2, 1, 5]
    assert tree.models == [[], [], [], ["one"], ["two"], [], ["three"]]
    assert len(tree.blocks.items) == 6


def test_a_model_that_is_a_prefix_of_another_keeps_its_features() -> None:
    models = [model("long", "abcd"), model("short", "ab")]
    for order in (models, models[::-1]):
        tree = TaskTree.of(order).compress()
        check(tree, models)
        assert tree.models == [["short"], ["long"]]
        assert [len(blocks) for blocks in tree.blocks] == [2, 2]
        assert tree.cache_bytes(tree.vertex_of("short")) > 0
        assert tree.cache_bytes(tree.vertex_of("long")) == 0


def test_identical_models_share_one_vertex() -> None:
    models = [model("one", "ab"), model("twin", "ab")]
    tree = TaskTree.of(models).compress()
    check(tree, models)
    assert tree.models == [["one", "twin"]]
    assert len(tree.blocks.items) == 2


def test_a_single_model_compresses_to_one_vertex() -> None:
    tree = TaskTree.of([model("one", "abc")])
    assert len(tree) == 4
    small = tree.compress()
    check(small, [model("one", "abc")])
    assert len(small) == 1
    assert small.roots() == [0]


def test_a_model_without_blocks_is_the_data() -> None:
    models = [model("data", ""), model("one", "ab")]
    tree = TaskTree.of(models).compress()
    check(tree, models)
    assert tree.models == [["data"], ["one"]]


def test_models_without_a_common_prefix_share_the_data_only() -> None:
    models = [model("one", "ab"), model("two", "cb")]
    tree = TaskTree.of(models).compress()
    check(tree, models)
    assert tree.parent == [-1, 0, 0]
    assert tree.blocks[0] == ()
    assert len(tree.blocks.items) == 4


def test_other_preprocessing_is_another_root() -> None:
    models = [model("one", "ab"), model("two", "ab", 1), model("three", "ab", 1)]
    tree = TaskTree.of(models)
    check(tree, models)
    assert len(tree.roots()) == 2
    assert len(tree.blocks.items) == 4
    check(tree.compress(), models)
    assert tree.compress().models == [["one"], ["two", "three"]]


def test_without_sharing_every_model_has_a_path_of_its_own() -> None:
    models = [model("one", "abc"), model("twin", "abc"), model("two", "abd")]
    tree = TaskTree.of(models, share=False)
    check(tree, models)
    assert len(tree.roots()) == 3
    assert len(tree.blocks.items) == 9
    assert [len(c) for c in tree.compress().children] == [0, 0, 0]


def test_a_second_model_of_the_same_id_is_refused() -> None:
    tree = TaskTree.of([model("one", "abc")])
    with pytest.raises(ConfigError, match="two models have the id 'one'"):
        tree.add(model("one", "xyz"))


def test_models_are_listed_in_the_order_in_which_they_were_added() -> None:
    tree = TaskTree.of([model("long", "abcd"), model("other", "x"), model("short", "ab")])
    assert tree.all_models() == ["long", "other", "short"]
    assert tree.compress().all_models() == ["long", "other", "short"]
    assert tree.prune({"short", "long"}).all_models() == ["long", "short"]


def test_deep_chains_do_not_recurse() -> None:
    deep = [str(i) for i in range(10_000)]
    models = [
        model("deep", deep),
        model("fork", [*deep[:5_000], "fork", *deep[5_001:]]),
        model("half", deep[:7_000]),
    ]
    tree = TaskTree.of(models)
    assert len(tree.blocks.items) == 15_000
    assert len(list(tree.path(tree.vertex_of("deep")))) == 10_001
    small = tree.prune({"deep", "fork"}).compress()
    assert [len(blocks) for blocks in small.blocks] == [5_000, 5_000, 5_000]
    assert len(tree.compress()) == 4


def test_many_models_build() -> None:
    blocks = [[Block(f"{level}-{i}", 1, 1) for i in range(20_000)] for level in range(20)]
    # Model i shares more of its first blocks with more of the others, as a hub's fine-tunes do.
    models = [
        Candidate(str(i), tuple(blocks[level][i % (1 << level)] for level in range(20)), None, PREPROCESSING[0])
        for i in range(20_000)
    ]
    tree = TaskTree.of(models)
    distinct = sum(min(1 << level, 20_000) for level in range(20))
    assert len(tree.blocks.items) == distinct
    assert len(tree) == distinct + 1
    small = tree.prune([str(i) for i in range(10_000)]).compress()
    assert len(small.all_models()) == 10_000
    assert len(small.blocks.items) == sum(min(1 << level, 10_000) for level in range(20))


@given(chains)
def test_building_and_compressing_keep_every_chain(models: list[Candidate]) -> None:
    tree = TaskTree.of(models)
    check(tree, models)
    small = tree.compress()
    check(small, models)
    assert len(tree.blocks.items) == len(small.blocks.items) == prefixes(models)
    assert structure(small) <= structure(tree)
    for vertex in range(len(small)):
        assert small.models[vertex] or len(small.children[vertex]) > 1
    assert structure(small.compress()) == structure(small)


@given(chains, st.data())
def test_pruning_is_building_from_what_is_kept(models: list[Candidate], data: st.DataObject) -> None:
    kept = data.draw(st.lists(st.sampled_from(models), min_size=1, unique_by=lambda m: m.id))
    ids = [m.id for m in kept]
    tree = TaskTree.of(models).prune(ids)
    check(tree, kept)
    assert structure(tree) == structure(TaskTree.of(kept))
    assert structure(tree.compress()) == structure(TaskTree.of(kept).compress())


@given(chains, st.data())
def test_the_order_of_adding_does_not_matter(models: list[Candidate], data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(models))
    assert structure(TaskTree.of(shuffled)) == structure(TaskTree.of(models))
    assert structure(TaskTree.of(shuffled).compress()) == structure(TaskTree.of(models).compress())


@given(chains)
def test_no_model_shares_a_vertex_without_sharing(models: list[Candidate]) -> None:
    tree = TaskTree.of(models, share=False)
    check(tree, models)
    assert len(tree.blocks.items) == sum(len(m.blocks) for m in models)
    assert len(tree.compress()) == len(models)
