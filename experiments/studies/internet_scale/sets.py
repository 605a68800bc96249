"""What searching one set takes."""

from dataclasses import dataclass

ALL, HALVED = "all data, nothing shared", "halving, shared"
"""The two approaches that are compared."""


@dataclass(frozen=True)
class Forecast:
    """What one set takes, by approach.

    Attributes:
        models: in the set.
        shared: which share of them shares blocks, in words.
        workers_s: seconds by the number of workers.
        seconds, read_bytes: on one worker.
        whole_bytes, distinct_bytes: of all models' parameters, as files and as blocks.
        cache_bytes, chunks: of the first round of halving with sharing.
        simulator: time of the closed form over the simulator's; empty if it was not run.
    """

    models: int
    shared: str
    workers_s: dict[str, dict[int, float]]
    seconds: dict[str, float]
    read_bytes: dict[str, float]
    whole_bytes: float
    distinct_bytes: float
    cache_bytes: int
    chunks: int
    simulator: dict[str, float]
