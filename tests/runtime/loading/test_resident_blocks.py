"""The budget holds whatever is asked for, and what is needed last goes first."""

from collections import OrderedDict
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from alsatian.runtime.loading.foresight import NEVER
from alsatian.runtime.loading.resident_blocks import Residents
from alsatian.runtime.loading.transfer import Loaded

EMPTY = Loaded([])


class Setup:
    def __init__(self, budget: int, uses: dict[str, float] | None = None) -> None:
        self.uses = uses or {}
        self.gone: list[str] = []
        self.peak = 0
        self.tier = Residents(budget, lambda n: self.uses.get(n, NEVER), self.gone.append, self.note)

    def note(self, used: int) -> None:
        self.peak = max(self.peak, used)

    def hold(self, name: str, nbytes: int, needed: float = NEVER, equal: bool = True, **others: Any) -> bool:
        if self.tier.reserve(name, nbytes, needed, equal=equal, **others) is None:
            return False
        self.tier.fill(name, EMPTY)
        return True


def test_what_is_needed_last_goes_first() -> None:
    made = Setup(40, {"a": 5, "b": 9, "c": 2, "d": NEVER})
    assert all(made.hold(name, 10) for name in "abcd")
    assert made.hold("e", 20, needed=3)
    assert made.gone == ["d", "b"]


def test_of_those_never_needed_the_least_recently_used_goes_first() -> None:
    made = Setup(30)
    assert all(made.hold(name, 10) for name in "abc")
    assert made.tier.get("a") is not None
    assert made.hold("d", 10)
    assert made.gone == ["b"]


def test_what_is_needed_sooner_stays_and_nothing_goes_in_vain() -> None:
    made = Setup(30, {"a": 1, "b": 4, "c": 8})
    assert all(made.hold(name, 10) for name in "abc")
    assert not made.hold("d", 20, needed=6)
    assert not made.hold("e", 10, needed=8, equal=False)
    assert not made.hold("huge", 31, needed=0)
    assert made.gone == []
    assert made.hold("e", 10, needed=8, equal=True)
    assert made.gone == ["c"]


def test_what_is_in_use_or_on_its_way_stays() -> None:
    made = Setup(30)
    assert made.hold("a", 10)
    assert made.hold("b", 10)
    assert made.tier.reserve("c", 10, NEVER, equal=True) == []
    assert made.tier.get("c") is None
    assert "c" in made.tier
    assert not made.hold("d", 20, stay={"a"})
    assert made.hold("d", 10, stay={"a"})
    assert made.gone == ["b"]
    made.tier.fill("c", None)
    assert made.tier.used == 20


def test_room_is_free_when_the_device_has_passed_the_last_use() -> None:
    made = Setup(20)
    assert made.hold("a", 10)
    assert made.hold("b", 10)
    made.tier.mark(["a", "gone"], "mark")
    assert made.tier.reserve("c", 20, NEVER, equal=True) == ["mark"]


def test_a_budget_of_zero_holds_nothing() -> None:
    assert not Setup(0).hold("empty", 0)


def test_clearing_leaves_what_is_on_its_way() -> None:
    made = Setup(30)
    assert made.hold("a", 10)
    assert made.tier.reserve("b", 5, NEVER, equal=True) == []
    assert made.tier.clear() == 10
    assert made.tier.used == 5
    made.tier.fill("b", EMPTY)
    assert made.tier.clear() == 5
    assert made.tier.used == 0


step = st.tuples(
    st.sampled_from(["hold", "reserve", "finish", "cancel", "get", "clear"]),
    st.integers(0, 9),
    st.integers(0, 60),
    st.one_of(st.integers(0, 5), st.just(NEVER)),
    st.booleans(),
)


@given(st.integers(0, 100), st.lists(step, max_size=60))
def test_the_budget_holds_whatever_happens(budget: int, steps: list[tuple[str, int, int, float, bool]]) -> None:
    made = Setup(budget, {str(i): (i * 7) % 6 for i in range(7)})
    model: OrderedDict[str, int] = OrderedDict()
    pending: set[str] = set()
    for kind, number, nbytes, needed, equal in steps:
        name = str(number)
        if kind in ("hold", "reserve") and name not in model:
            made.gone.clear()
            room = made.tier.reserve(name, nbytes, needed, equal=equal)
            assert pending.isdisjoint(made.gone)
            uses = [made.uses.get(gone, NEVER) for gone in made.gone]
            assert all(use > needed or (equal and use == needed) for use in uses)
            if room is None:
                assert made.gone == []  # nothing goes in vain
                continue
            if made.gone:
                assert sum(model.values()) + nbytes > budget
            for gone in made.gone:
                del model[gone]
            model[name] = nbytes
            pending.add(name)
            if kind == "hold":
                made.tier.fill(name, EMPTY)
                pending.discard(name)
        elif kind == "finish" and name in pending:
            made.tier.fill(name, EMPTY)
            pending.discard(name)
        elif kind == "cancel" and name in pending:
            made.tier.fill(name, None)
            pending.discard(name)
            del model[name]
        elif kind == "get":
            assert (made.tier.get(name) is not None) == (name in model and name not in pending)
        elif kind == "clear":
            there = set(model) - pending
            assert made.tier.clear() == sum(model[name] for name in there)
            for gone in there:
                del model[gone]
        assert made.tier.used == sum(model.values()) <= budget
    assert made.peak <= budget
