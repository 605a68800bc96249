"""The bandwidth holds in every window and is shared fairly; all of it with a clock that is told to move."""

import heapq
import itertools
import random
from bisect import bisect_left, bisect_right
from collections.abc import Callable

import pytest

from alsatian.runtime.throttle import LARGEST_PIECE, LATE_S, PIECE_S, Throttle, Timetable

Event = tuple[float, int, int]
"""When bytes were over, whose, and how many."""


def simulate(
    rate: int,
    readers: int,
    seconds: float,
    late: Callable[[], float] = lambda: 0.0,
    reading: float = 0.0,
    file_pieces: int = 10**9,
) -> list[Event]:
    """Readers that want all they can get. A wait that ends is ``late``, a piece takes ``reading`` to read."""
    table, piece = Timetable(rate), Throttle(rate).largest_piece
    events: list[Event] = []
    left = [file_pieces] * readers
    queue = [(100.0, i) for i in range(readers)]
    for now, _ in queue:
        table.enter(now)
    while queue:
        now, reader = heapq.heappop(queue)
        if left[reader] == 0:  # the next file, at once
            table.leave(now)
            table.enter(now)
            left[reader] = file_pieces
        end = table.reserve(now, piece)
        woken = end + late() if end > now + reading else now + reading
        left[reader] -= 1
        events.append((woken, reader, piece))
        if woken < 100.0 + seconds:
            heapq.heappush(queue, (woken, reader))
    return sorted(events)


def window_rates(events: list[Event], span: float = 1.0) -> list[float]:
    """Bytes a second of every window of ``span`` that begins or ends with an event, but for the ends."""
    times = [time for time, _, _ in events]
    total = [0, *itertools.accumulate(n for _, _, n in events)]
    first, last = times[0], times[-1]
    windows = [(t, t + span) for t in times] + [(t - span, t) for t in times]
    return [
        (total[bisect_right(times, b)] - total[bisect_left(times, a)]) / span
        for a, b in windows
        if a >= first and b <= last
    ]


@pytest.mark.parametrize("rate", [100_000, 200_000_000, 3_000_000_000])
@pytest.mark.parametrize("readers", [1, 2, 4])
@pytest.mark.parametrize("late", [0.0, 0.0001, 0.002, 0.015])
def test_every_window_of_a_second_is_within_3_percent(rate: int, readers: int, late: float) -> None:
    draw = random.Random(1)
    events = simulate(rate, readers, 2.2, lambda: draw.uniform(0, late))
    rates = window_rates(events)
    assert len(rates) > 100
    assert 0.97 * rate <= min(rates)
    assert max(rates) <= 1.03 * rate


@pytest.mark.parametrize("readers", [1, 2, 4])
def test_what_is_lost_to_a_long_stall_does_not_come_back_as_a_burst(readers: int) -> None:
    stalls = itertools.chain(itertools.repeat(0.0, 1000), [0.4] * readers, itertools.repeat(0.0))
    rates = window_rates(simulate(1_000_000, readers, 3.0, lambda: next(stalls)))
    assert min(rates) < 700_000  # or there was no stall
    assert max(rates) <= 1_030_000


def test_late_wake_ups_are_made_up_for_by_the_next_of_many_small_files() -> None:
    draw = random.Random(1)
    events = simulate(200_000_000, 1, 2.2, lambda: draw.uniform(0, 0.0003), file_pieces=1)
    assert min(window_rates(events)) >= 0.97 * 200_000_000


def test_the_time_that_reading_takes_is_part_of_a_pieces_time() -> None:
    rates = window_rates(simulate(1_000_000, 1, 2.2, reading=0.8 * PIECE_S))
    assert min(rates) >= 970_000
    slow = window_rates(simulate(1_000_000, 1, 2.2, reading=2 * PIECE_S))
    assert max(slow) == pytest.approx(500_000, rel=0.01)  # a slow disk is not slowed further


@pytest.mark.parametrize("readers", [2, 3, 7])
def test_readers_take_turns(readers: int) -> None:
    events = simulate(1_000_000, readers, 0.5)
    turns = [reader for _, reader, _ in events]
    assert turns == [i % readers for i in range(len(turns))]


def test_a_demanded_read_is_not_stuck_behind_a_file_that_is_read_ahead() -> None:
    table = Timetable(1_000)
    table.enter(0.0)
    ahead = table.reserve(0.0, 1)  # the file has thousands of pieces more
    table.enter(0.0005)
    now = 0.0005
    for _ in range(10):
        now = table.reserve(now, 1)
        ahead = table.reserve(ahead, 1)
    assert now == pytest.approx(0.020)  # its ten pieces, and ten of the other


def test_idle_time_is_no_credit_but_a_late_wake_up_is() -> None:
    table = Timetable(1_000)
    table.enter(5.0)
    assert table.reserve(5.0, 100) == pytest.approx(5.1)
    table.leave(5.103)  # 3 ms late
    table.enter(65.0)
    assert table.reserve(65.0, 100) == pytest.approx(65.097)
    table.leave(65.097)


def test_credit_is_bounded_while_others_read_too() -> None:
    table = Timetable(1_000)
    table.enter(5.0)
    table.enter(5.0)
    table.leave(9.0)  # the other one is still there, and reads nothing
    assert table.reserve(9.0, 100) == pytest.approx(9.1 - LATE_S)


def test_leaving_in_an_error_keeps_nobody_waiting() -> None:
    now = [0.0]
    throttle = Throttle(1_000, lambda: now[0], lambda seconds: now.__setitem__(0, now[0] + seconds))
    with pytest.raises(OSError, match="broken"), throttle.stream(), throttle.piece(1):
        raise OSError("broken")
    assert now[0] == 0
    with throttle.stream(), throttle.piece(1):
        pass
    assert now[0] == pytest.approx(0.002)


def test_charging_takes_as_long_as_reading_and_shares_the_bandwidth() -> None:
    now = [0.0]
    throttle = Throttle(1_000_000, lambda: now[0], lambda seconds: now.__setitem__(0, now[0] + seconds))
    throttle.charge(0)
    assert now[0] == 0
    throttle.charge(250_001)
    assert now[0] == pytest.approx(0.250001)
    throttle.charge(1)
    assert now[0] == pytest.approx(0.250002)


def test_without_a_limit_nothing_waits() -> None:
    def never(_: float = 0) -> float:
        raise AssertionError("looked at the clock, or slept")

    throttle = Throttle(None, never, never)
    assert not throttle.limits
    assert throttle.largest_piece == LARGEST_PIECE
    throttle.charge(10**12)
    with throttle.stream(), throttle.piece(10**9):
        pass


@pytest.mark.parametrize("rate", [1, 999, 100_000, 200_000_000, 10**10])
def test_pieces_take_a_millisecond_or_less(rate: int) -> None:
    piece = Throttle(rate).largest_piece
    assert 1 <= piece <= LARGEST_PIECE
    assert piece == 1 or piece / rate <= PIECE_S
