"""What a plan says about the blocks that will be needed."""

from collections import defaultdict, deque
from collections.abc import Iterable, Sequence

from alsatian.runtime.loading.block_source import Need

NEVER = float("inf")


class Foresight:
    """The blocks that each coming step of a plan needs, and which of these uses lie ahead.

    The plan may turn out to use less (an intermediate was still there) or more (it was not); steps keep both
    in step with each other.

    Attributes:
        now: the current step, -1 before the first.
    """

    def __init__(self, steps: Iterable[Sequence[Need]] = ()) -> None:
        self.follow(steps)

    def follow(self, steps: Iterable[Sequence[Need]]) -> None:
        """Look at the ``steps`` of another plan, none of which has begun."""
        self._steps = list(steps)
        self._uses: defaultdict[str, deque[int]] = defaultdict(deque)
        for i, needs in enumerate(self._steps):
            for need in needs:
                self._uses[need.identity].append(i)
        self.now = -1
        self._at = (0, 0)  # step and position in it that reading ahead has come to

    @property
    def follows(self) -> bool:
        """Whether there is a plan."""
        return bool(self._steps)

    def sizes(self) -> dict[str, int]:
        """Bytes of what the plan needs, by identity."""
        return {need.identity: need.nbytes for needs in self._steps for need in needs}

    def advance(self) -> None:
        """The next step begins."""
        self.now += 1

    def used(self, identity: str) -> None:
        """A block is used in the current step."""
        if self.next_use(identity) <= self.now:
            self._uses[identity].popleft()

    def next_use(self, identity: str) -> float:
        """The step that uses the block next, the current one included; ``NEVER`` if none does."""
        uses = self._uses.get(identity)
        while uses and uses[0] < self.now:
            uses.popleft()
        return uses[0] if uses else NEVER

    def upcoming(self) -> tuple[int, Need] | None:
        """The use that reading ahead has come to, with its step; None at the end."""
        step, position = self._at
        if step < self.now:
            step, position = self.now, 0
        while step < len(self._steps) and position >= len(self._steps[step]):
            step, position = step + 1, 0
        self._at = (step, position)
        return (step, self._steps[step][position]) if step < len(self._steps) else None

    def pass_on(self) -> None:
        """The use that reading ahead has come to needs nothing more."""
        self._at = (self._at[0], self._at[1] + 1)

    def go_back(self, identity: str) -> None:
        """Have reading ahead look at the next use of a block again, if it is past it: the block is gone."""
        step = self.next_use(identity)
        if step <= self._at[0]:
            self._at = (int(step), 0)
