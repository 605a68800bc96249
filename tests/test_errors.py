"""Errors help to find the right name."""

import pytest

from alsatian import errors


def test_every_error_is_caught_as_one() -> None:
    kinds = [errors.ConfigError, errors.StoreError, errors.BudgetError, errors.SplitError]
    assert all(issubclass(kind, errors.AlsatianError) for kind in kinds)
    assert not any(issubclass(a, b) for a in kinds for b in kinds if a is not b)


@pytest.mark.parametrize(
    ("name", "valid", "expected"),
    [
        ("alsatain", ["base", "alsatian"], "did you mean 'alsatian'?"),
        ("dfs+", ["given", "dfs_plus", "dfs"], "did you mean 'dfs'?"),
        ("xyz", ["shift", "base"], "valid are: base, shift"),
        ("anything", [], "valid are: none"),
        (
            ".",
            [f"n{i:03}" for i in range(99)],
            f"valid are: {', '.join(f'n{i:03}' for i in range(60))}, … (99 in all)",
        ),
    ],
)
def test_the_nearest_name_is_offered_or_all_names(name: str, valid: list[str], expected: str) -> None:
    assert errors.nearest(name, valid) == expected
    assert errors.nearest(name, dict.fromkeys(reversed(valid))) == expected
