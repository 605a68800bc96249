"""Models are called by the shortest end of their path that tells them apart."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alsatian.models.names import distinct, endings

CASES = [
    pytest.param(["runs/a/m.pt"], ["m"], id="alone"),
    pytest.param(["run1/m.pt", "run2/m.pt"], ["run1/m", "run2/m"], id="folder"),
    pytest.param(["a/x/m.pt", "b/x/m.pt", "b/y/n.pt"], ["a/x/m", "b/x/m", "n"], id="nested"),
    pytest.param(["x/m.pt", "x/m.safetensors"], ["x/m.pt", "x/m.safetensors"], id="suffix"),
    pytest.param(["a/x/m.pt", "b/x/m.pt", "c/m.pt"], ["a/x/m", "b/x/m", "c/m"], id="depths"),
]


def called(paths: list[str]) -> list[str]:
    return distinct([endings(Path("/data") / path, Path(path).stem) for path in paths])


@pytest.mark.parametrize(("paths", "names"), CASES)
def test_names_are_as_short_as_possible_in_any_order(paths: list[str], names: list[str]) -> None:
    assert called(paths) == names
    assert called(paths[::-1]) == names[::-1]


def test_a_name_that_is_fixed_makes_paths_longer() -> None:
    assert distinct([["m"], endings(Path("/data/x/m"), "m")]) == ["m", "x/m"]


def test_what_was_found_in_a_folder_keeps_its_place_there() -> None:
    paths = [(Path("/old/team/m"), "team/m"), (Path("/new/team/m"), "team/m"), (Path("/new/team/n"), "team/n")]
    assert distinct([endings(*each) for each in paths]) == ["old/team/m", "new/team/m", "team/n"]


@given(st.lists(st.lists(st.sampled_from("ab"), min_size=1, max_size=4).map("/".join), unique=True, min_size=1))
def test_names_are_ends_of_their_paths_and_all_different(paths: list[str]) -> None:
    names = called([f"{path}.pt" for path in paths])
    assert len(set(names)) == len(names)
    for path, name in zip(paths, names, strict=True):
        assert f"/data/{path}".endswith(name) or f"/data/{path}.pt".endswith(name)
