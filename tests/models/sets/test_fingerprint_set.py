"""Generated sets overlap as the paper's do, and are the same whenever they are made."""

import numpy as np
import pytest

from alsatian.errors import ConfigError
from alsatian.fingerprint import DIGEST_LENGTH
from alsatian.models.sets.fingerprint_set import GeneratedSet
from alsatian.tree import TaskTree


def test_a_set_is_the_same_every_time_and_another_with_another_seed() -> None:
    models = GeneratedSet(count=50)
    assert list(models) == list(models)
    assert list(models) != list(GeneratedSet(count=50, seed=1))


def test_chains_have_their_length_and_identities_look_like_digests() -> None:
    models = list(GeneratedSet(count=20, blocks=7))
    assert len({model.id for model in models}) == 20
    assert {len(model.blocks) for model in models} == {7}
    assert {len(block.identity) for model in models for block in model.blocks} == {DIGEST_LENGTH}
    assert all(block.output_bytes > 0 and block.parameter_bytes > 0 for m in models for block in m.blocks)


def test_families_share_blocks_among_themselves_only() -> None:
    models = GeneratedSet(count=300, models_per_family=100)
    owners: dict[str, set[str]] = {}
    for model in models:
        for block in model.blocks:
            owners.setdefault(block.identity, set()).add(model.id.split("/")[0])
    assert models.families == 3
    assert {len(families) for families in owners.values()} == {1}


@pytest.mark.parametrize("unshared", [0.0, 0.25, 1.0])
def test_the_share_of_models_without_shared_blocks(unshared: float) -> None:
    models = GeneratedSet(count=2000, models_per_family=2000, unshared=unshared)
    firsts = {model.blocks[0].identity for model in models}
    # Models that start anew and are copied later share their first block, too: count starts.
    assert (len(firsts) - 1) / 2000 == pytest.approx(unshared, abs=0.03)


def test_new_blocks_follow_the_papers_distributions() -> None:
    """Means of 10, 25 and 50 %: of the shared models' blocks about 28 % are new, in a mixture of thirds."""
    models = GeneratedSet(count=6000, models_per_family=100, unshared=0)
    new = len(TaskTree.of(models).blocks.items) / (6000 * 40)
    assert np.isclose(new, 0.28, atol=0.05)


@pytest.mark.parametrize("wrong", [{"count": 0}, {"blocks": 0}, {"models_per_family": 0}, {"unshared": 1.5}])
def test_impossible_sets_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="generated set"):
        GeneratedSet(**{"count": 1, **wrong})  # type: ignore[arg-type]
