"""Ground truth: what candidates reach when they are fine-tuned, one record for each candidate and seed."""

from collections import Counter
from typing import Annotated, Literal, Self

from pydantic import Field, Strict, model_validator

from alsatian.records.base import Count, Positive, Record, Seconds, Text
from alsatian.records.data import Dataset
from alsatian.records.run import Environment

Accuracy = Annotated[float, Strict(), Field(ge=0, le=1)]
"""Share of items that are classified rightly."""
GROUNDTRUTH = "groundtruth.json"


class Tuning(Record):
    """How candidates are fine-tuned: all parameters, below a new linear layer, by Adam on cross-entropy.

    Attributes:
        epochs: passes over the training items.
        learning_rates: of which the one with the best accuracy on held-out training items is taken, for each
            fine-tune anew; the first of equal ones.
        held_out: share of the training items that are held out for that choice.
        batch_size: items of a step.
        threads: of PyTorch, on which the last digits depend.
        device: ``"cpu"`` or ``"cuda"``.
    """

    epochs: Annotated[Count, Field(ge=1)]
    learning_rates: Annotated[tuple[Positive, ...], Field(min_length=1)]
    held_out: Annotated[float, Strict(), Field(gt=0, lt=1)]
    batch_size: Annotated[Count, Field(ge=2)]
    threads: Annotated[Count, Field(ge=1)]
    device: Literal["cpu", "cuda"]

    @model_validator(mode="after")
    def _has_distinct_rates(self) -> Self:
        if len(set(self.learning_rates)) < len(self.learning_rates):
            raise ValueError("learning_rates: holds one twice")
        return self


class Tried(Record):
    """A learning rate and the accuracy on the held-out items with it."""

    learning_rate: Positive
    accuracy: Accuracy


class FineTune(Record):
    """One candidate, fine-tuned once.

    Attributes:
        model: its id.
        digest: of its preprocessing and blocks: what it is.
        parameters: how many numbers its parameters are, without the new layer.
        seed: of the new layer and of the order of the items; the same for all candidates.
        tried: every learning rate; none if there is only one.
        learning_rate: the chosen one, with which the candidate was then fine-tuned on all training items.
        accuracy: on the test items, at the end.
        seconds: wall time of everything.
    """

    model: Text
    digest: Text
    parameters: Count
    seed: Count
    tried: tuple[Tried, ...]
    learning_rate: Positive
    accuracy: Accuracy
    seconds: Seconds


class GroundTruth(Record):
    """Fine-tunes on one dataset in one way, which grow with every seed and candidate that is asked for.

    Attributes:
        identity: digest of the dataset, the tuning and the code that fine-tunes.
        command: that asked for the latest fine-tune.
        environment: of the latest one.
        fine_tunes: one for each candidate and seed.
    """

    version: Literal[1] = Field(1, alias="schema")
    identity: Text
    command: Text
    dataset: Dataset
    tuning: Tuning
    environment: Environment
    fine_tunes: tuple[FineTune, ...] = ()

    @model_validator(mode="after")
    def _has_each_once(self) -> Self:
        pairs = Counter((one.digest, one.model, one.seed) for one in self.fine_tunes)
        if twice := [key for key, count in pairs.items() if count > 1]:
            raise ValueError(f"fine_tunes: holds model {twice[0][1]!r} with seed {twice[0][2]} twice")
        return self
