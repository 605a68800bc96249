"""Steps read like a tuple and hold one chunk, however many there are."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alsatian.planning.plan import Infer, Release, Score, Step, Steps

vertices = st.integers(0, 2**40)
chunk_steps = st.lists(
    st.one_of(
        st.builds(Infer, vertices, st.just(0)),
        st.builds(Release, vertices, st.just(0)),
        st.builds(Score, vertices),
    ),
    max_size=8,
)


def written_out(chunk: list[Step], chunks: int) -> tuple[Step, ...]:
    """The same, chunk by chunk."""
    steps: list[Step] = []
    for number in range(chunks):
        for step in chunk:
            if not isinstance(step, Score):
                steps.append(type(step)(step.vertex, number))
            elif number == chunks - 1:
                steps.append(step)
    return tuple(steps)


@given(chunk_steps, st.integers(1, 4))
def test_steps_read_like_a_tuple(chunk: list[Step], chunks: int) -> None:
    steps, expected = Steps(chunk, chunks), written_out(chunk, chunks)
    assert tuple(steps) == tuple(steps[i] for i in range(len(steps))) == expected
    assert len(steps) == len(expected)
    assert steps[::-1] == expected[::-1]
    assert steps[-2:] == expected[-2:]
    assert (steps == expected) is (expected == steps) is True
    assert hash(steps) == hash(expected)
    assert repr(steps) == repr(expected)
    for beyond in (len(expected), -len(expected) - 1):
        with pytest.raises(IndexError):
            steps[beyond]


def test_other_steps_are_not_equal() -> None:
    steps = Steps([Infer(0, 0), Score(0)], 2)
    assert steps != (Infer(0, 0), Infer(0, 1))
    assert steps != (Infer(0, 0), Infer(0, 1), Score(1))
    assert steps != Steps([Infer(0, 0), Score(0)], 3)
    assert steps != 1


def test_memory_is_that_of_one_chunk() -> None:
    chunk = [step for v in range(1000) for step in (Infer(v, 0), Score(v), Release(v, 0))]
    few, many = Steps(chunk, 2), Steps(chunk, 1_000_000)
    assert len(many) == 2_000_000_000 + 1000
    assert many[2000 * 999_999 - 1] == Release(999, 999_998)
    assert many[-1] == Release(999, 999_999)
    held = [sum(sys.getsizeof(part) for part in vars(steps).values()) for steps in (few, many)]
    assert held[0] == held[1] < 10 * 5000
