"""Sizes as people write them."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alsatian.errors import ConfigError
from alsatian.units import factor_text, format_bytes, parse_bytes, wall_text


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
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.00 kB"),
        (46_800_000, "46.8 MB"),
        (720_000_000, "720 MB"),
        (999_960_000, "1.00 GB"),
        (-1500, "-1.50 kB"),
        (5.3e9, "5.30 GB"),
        (4.2e16, "42,000 TB"),
    ],
)
def test_bytes(size: float, text: str) -> None:
    assert format_bytes(size) == text


@pytest.mark.parametrize(
    ("walls", "text"),
    [
        ((4.1, 4.0, 4.3, 3), "4.1 s (4.0–4.3, N=3)"),
        ((0.0432, 0.04, 0.05, 2), "0.043 s (0.040–0.050, N=2)"),
        ((1234.5, 1000, 2000, 5), "1,234 s (1,000–2,000, N=5)"),
        ((0.5, 0.5, 0.5, 1), "0.50 s (N=1)"),
    ],
)
def test_wall_time(walls: tuple[float, float, float, int], text: str) -> None:
    assert wall_text(*walls) == text


@pytest.mark.parametrize(
    ("factor", "text"), [(3.94, "3.9×"), (1.0, "1.0×"), (0.5, "0.50×"), (1234.0, "1,234×"), (math.nan, "–")]
)
def test_factor(factor: float, text: str) -> None:
    assert factor_text(factor) == text
