"""The bandwidth holds in every window and is shared fairly; all of it with a clock that is told to move."""

import heapq
import itertools
import math
import random
import threading
from bisect import bisect_left
from collections.abc import Callable

import pytest

from alsatian.runtime.storage.throttle import LATE_S, LONGEST_S, PIECE_S, Throttle, Timetable

Event = tuple[float, int, int]
"""When bytes were over, whose, and how many."""


def simulate(
    rate: int,
    readers: int,
    seconds: float,
    late: Callable[[], float] = lambda: 0.0,
    reading: Callable[[], float] = lambda: 0.0,
    file_bytes: int = 10**15,
) -> list[Event]:
    """Readers that want all they can get. A wait that ends is ``late``, a piece takes ``reading`` to read."""
    table = Timetable(rate)
    events: list[Event] = []
    left = [file_bytes] * readers
    queue = [(100.0, i) for i in range(readers)]
    for now, _ in queue:
        table.enter(now)
    while queue:
        now, reader = heapq.heappop(queue)
        if left[reader] == 0:  # the next file, at once
            table.leave(now)
            table.enter(now)
            left[reader] = file_bytes
        nbytes, end = table.grant(now, left[reader])
        over = now + reading()
        woken = end + late() if end > over else over
        left[reader] -= nbytes
        events.append((woken, reader, nbytes))
        if woken < 100.0 + seconds:
            heapq.heappush(queue, (woken, reader))
    return sorted(events)


def window_rates(events: list[Event], span: float = 1.0) -> list[float]:
    """Bytes a second of every window of ``span``, its end excluded, that an event begins or ends."""
    times = [time for time, _, _ in events]
    total = [0, *itertools.accumulate(n for _, _, n in events)]
    starts = [*times, *(math.nextafter(time - span, math.inf) for time in times)]
    return [
        (total[bisect_left(times, start + span)] - total[bisect_left(times, start)]) / span
        for start in starts
        if start >= times[0] and start + span <= times[-1]
    ]


@pytest.mark.parametrize("rate", [100_000, 200_000_000, 3_000_000_000])
@pytest.mark.parametrize("readers", [1, 2, 4])
@pytest.mark.parametrize(
    ("late", "reading"), [(0.0, 0.0), (0.0001, 0.0), (0.002, 0.0005), (0.02, 0.0), (0.005, 0.005)]
)
def test_every_window_of_a_second_is_within_3_percent(rate: int, readers: int, late: float, reading: float) -> None:
    draw = random.Random(1)
    events = simulate(
        rate, readers, 2.2, lambda: draw.uniform(0, late), lambda: draw.uniform(0, reading) if reading else 0.0
    )
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
    events = simulate(200_000_000, 1, 2.2, lambda: draw.uniform(0, 0.0003), file_bytes=100_000)
    assert min(window_rates(events)) >= 0.97 * 200_000_000


def test_the_time_that_reading_takes_is_part_of_a_pieces_time() -> None:
    rates = window_rates(simulate(1_000_000, 1, 2.2, reading=lambda: 0.8 * PIECE_S))
    assert min(rates) >= 970_000


def test_a_slow_disk_is_not_slowed_further() -> None:
    """It never gets to the declared rate, and no piece is waited for."""
    events = simulate(1_000_000, 1, 2.2, late=lambda: 1 / 0, reading=lambda: 3 * LATE_S)
    assert {nbytes for _, _, nbytes in events[1:]} == {round(LONGEST_S * 1_000_000)}


@pytest.mark.parametrize("readers", [2, 3, 7])
def test_readers_take_turns(readers: int) -> None:
    events = simulate(1_000_000, readers, 0.5)
    turns = [reader for _, reader, _ in events]
    assert turns == [i % readers for i in range(len(turns))]


def test_a_demanded_read_is_not_stuck_behind_a_file_that_is_read_ahead() -> None:
    table = Timetable(1_000)
    table.enter(0.0)
    _, ahead = table.grant(0.0, 10_000)  # the file has thousands of pieces more
    table.enter(0.0005)
    now, left = 0.0005, 10
    while left:
        nbytes, now = table.grant(now, left)
        left -= nbytes
        _, ahead = table.grant(ahead, 10_000)
    assert now == pytest.approx(0.020)  # its ten pieces, and ten of the other


def test_idle_time_is_no_credit_but_a_late_wake_up_is() -> None:
    table = Timetable(1_000)
    table.enter(5.0)
    assert table.grant(5.0, 100) == (1, pytest.approx(5.001))
    table.leave(5.004)  # 3 ms late
    table.enter(65.0)
    assert table.grant(65.0, 100) == (4, pytest.approx(65.001))
    table.leave(65.001)
    table.enter(70.0)
    assert table.grant(70.0, 100) == (1, pytest.approx(70.001))


def test_credit_is_bounded_while_others_read_too() -> None:
    table = Timetable(1_000)
    table.enter(5.0)
    table.enter(5.0)
    table.leave(9.0)  # the other one is still there, and reads nothing
    now, got = 9.0, 0
    for _ in range(100):
        nbytes, now = table.grant(now, 100)
        got += nbytes
    assert got == pytest.approx(1000 * (now - 9.0 + LATE_S), abs=1)


def test_a_piece_is_at_least_a_byte_and_no_more_than_wanted() -> None:
    table = Timetable(1)
    table.enter(0.0)
    assert table.grant(0.0, 100) == (1, pytest.approx(1))
    table = Timetable(10**9)
    table.enter(0.0)
    assert table.grant(0.0, 100)[0] == 100


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
    throttle.charge(10**12)
    with throttle.stream(), throttle.piece(10**9) as nbytes:
        assert nbytes == 10**9


def test_nobody_waits_once_it_is_released() -> None:
    """A second of bytes a century: whoever waits goes on, and so does who comes later."""
    throttle = Throttle(1)
    reader = threading.Thread(target=throttle.charge, args=(3 * 10**9,), daemon=True)
    reader.start()
    reader.join(0.1)
    assert reader.is_alive()
    throttle.release()
    reader.join(30)
    assert not reader.is_alive()
    throttle.charge(3 * 10**9)
