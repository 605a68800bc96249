"""Sizes as people write them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alsatian.errors import ConfigError
from alsatian.units import format_bytes, parse_bytes


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1", 1),
        ("12 B", 12),
        ("1kB", 1000),
        ("1KB", 1000),
        ("1KiB", 1024),
        ("1.5kib", 1536),
        ("200 MB", 200_000_000),
        ("64MiB", 64 * 1024**2),
        (" 2 GB ", 2 * 10**9),
        ("1GiB", 1024**3),
        ("3TB", 3 * 10**12),
        ("1TiB", 1024**4),
        (7, 7),
        (7.9, 7),
        (None, None),
    ],
)
def test_sizes_are_read(text: str | int | float | None, expected: int | None) -> None:
    assert parse_bytes(text, "size") == expected


@pytest.mark.parametrize(
    "text",
    ["", "abc", "MB", "1XB", "1 M B", "-1", "-1MB", "1e3", "0x10", "1,5MB", "1.MB", ".5MB", "12m", "nan", "inf"],
)
def test_what_is_no_size_is_refused_by_name(text: str) -> None:
    with pytest.raises(ConfigError, match=r"cache\.budget=.*not a size.*64MiB") as error:
        parse_bytes(text, "cache.budget")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("size", [True, [1], {"a": 1}])
def test_what_is_neither_number_nor_text_is_refused(size: Any) -> None:
    with pytest.raises(ConfigError, match=r"cache\.budget=.*not a size"):
        parse_bytes(size, "cache.budget")


@pytest.mark.parametrize("size", [0, -1, 0.5, "0", "0MB", "0.5", float("nan"), float("-inf")])
def test_less_than_a_byte_is_refused(size: float | str) -> None:
    with pytest.raises(ConfigError, match="at least one byte"):
        parse_bytes(size, "cache.budget")


@pytest.mark.parametrize("size", [float("inf"), "9" * 400], ids=["inf", "digits"])
def test_infinity_is_refused(size: float | str) -> None:
    with pytest.raises(ConfigError, match=r"cache\.budget"):
        parse_bytes(size, "cache.budget")


@given(st.integers(1, 2**50))
def test_numbers_of_bytes_are_exact(size: int) -> None:
    assert parse_bytes(size, "size") == parse_bytes(str(size), "size") == parse_bytes(f"{size} B", "size") == size


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (46_800_000, "46.8 MB"),
        (1_226_300_000, "1.2 GB"),
        (2 * 10**12, "2.0 TB"),
        (5 * 10**15, "5000.0 TB"),
        (-1500, "-1.5 kB"),
    ],
)
def test_sizes_are_written_short(size: float, expected: str) -> None:
    assert format_bytes(size) == expected
