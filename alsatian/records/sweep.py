"""The manifest of a sweep: the runs that one command asked for, and what became of them."""

from typing import Annotated, Literal

from pydantic import Field

from alsatian.records.base import Count, Record, Text


class SweepRun(Record):
    """A run of a sweep. ``run_id`` is None if its model set cannot be had."""

    label: Text
    overrides: tuple[str, ...]
    run_id: Text | None
    status: Literal["pending", "running", "ok", "failed", "oom", "timeout", "invalid"] = "pending"
    error: str | None = None


class Sweep(Record):
    """Written before the first run starts and kept current. ``done`` ended well, now or before."""

    version: Literal[1] = Field(alias="schema")
    sweep_id: Text
    command: Text
    started: Text
    updated: Text
    done: Count
    failed: Count
    runs: Annotated[tuple[SweepRun, ...], Field(min_length=1)]
