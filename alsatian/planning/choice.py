"""Chooses a plan by predicted time: order, chunks, division of the memory, what is fused, recomputed, spilled."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from alsatian.costs.estimate import Workload, estimate
from alsatian.data.dataset import Batch
from alsatian.errors import BudgetError
from alsatian.planning.chunks import cache_needs, cut, place
from alsatian.planning.computation import NONE, InferenceStep, inference_steps
from alsatian.planning.limits import Limits
from alsatian.planning.orders.base import Arrangement, Order, Shape, arrange
from alsatian.planning.orders.dfs_min import DfsMin
from alsatian.planning.orders.optimal import Optimal
from alsatian.units import format_bytes

# A plan that differs from the usual one has to be predicted faster by this much: predictions err.
MARGIN = 0.03
# Largest tree for which the least order is searched, and for how long.
_OPTIMAL_VERTICES, _OPTIMAL_S = 400, 0.05
# Share of the predicted time that may be spent on choosing, seconds that looking at one plan takes per vertex, and
# the fewest and most plans that are looked at.
_EFFORT, _LOOK_S, _FEWEST, _MOST = 0.01, 1e-5, 12, 300
# Numbers of chunks that are tried, the smallest that fit.
_CHUNKS, _DIVISIONS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32), 3


@dataclass(frozen=True)
class Choice:
    """How to carry out one round.

    Attributes:
        name: of the order.
        arrangement: the order itself.
        limits: the budgets as they are divided.
        fused, recomputed: vertices that are not kept; see :mod:`~alsatian.planning.computation`.
        spilled: vertices that are kept in a lower tier even if there is room above.
        seconds: predicted.
        chunks: into how many the data is cut.
    """

    name: str
    arrangement: Arrangement
    limits: Limits
    fused: frozenset[int] = NONE
    recomputed: frozenset[int] = NONE
    spilled: frozenset[int] = NONE
    seconds: float = float("inf")
    chunks: int = 0


@dataclass
class Chooser:
    """Looks at plans of one round, the usual one first."""

    work: Workload
    shape: Shape
    batches: Sequence[Batch]
    limits: Limits
    order: Order
    _left: int = field(default=_FEWEST, init=False)  # plans that may still be looked at

    def choose(self) -> tuple[Choice, str]:
        """The plan that is predicted fastest, and why, in a line.

        Raises:
            BudgetError: not even one batch fits, whatever is done.
        """
        usual = Choice(self.order.name, arrange(self.order, self.shape), self.limits)
        error: BudgetError | None = None
        try:
            usual = best = self._looked_at(usual, self._steps(usual))
        except BudgetError as problem:
            best, error = usual, problem
        least = self.work.least_s()
        if best.seconds <= least * (1 + MARGIN):
            return best, f"predicted {best.seconds:.3g} s as usual, no plan below {least:.3g} s"
        effort = _EFFORT * min(best.seconds, 1e3 * least) / (_LOOK_S * max(1, len(self.shape.parent)))
        self._left = min(_MOST, max(_FEWEST, int(effort)))
        for arrangement in self._orders(best):
            best = min(best, self._best_division(arrangement), key=lambda c: c.seconds)
        for chunks in (few for few in (1, 2) if few < best.chunks or best.chunks == 0):
            if (fitting := self._fitting(best, chunks)) is not None:
                best = min(best, self._best_division(fitting), key=lambda c: c.seconds)
        while self._left > 0:
            better = min((self._best_division(c) for c in self._moves(best)), key=lambda c: c.seconds, default=best)
            if better.seconds >= best.seconds * (1 - MARGIN / 10):
                break
            best = better
        if best.chunks == 0:
            raise error or BudgetError("no plan fits the budgets")
        if best.seconds > usual.seconds * (1 - MARGIN):
            return usual, f"predicted {usual.seconds:.3g} s as usual, no other plan more than {MARGIN:.0%} faster"
        return best, self._reason(best, usual)

    def _reason(self, best: Choice, usual: Choice) -> str:
        what = [f"order {best.name}"] if best.name != usual.name else []
        what += [f"{len(best.fused)} fused"] if best.fused else []
        what += [f"{len(best.recomputed)} recomputed"] if best.recomputed else []
        what += [f"{len(best.spilled)} spilled early"] if best.spilled else []
        if best.limits.cache[0] != usual.limits.cache[0] and best.limits.cache[0] is not None:
            blocks = format_bytes(best.limits.blocks or 0)
            what.append(f"memory {format_bytes(best.limits.cache[0])} for intermediates and {blocks} for blocks")
        if best.limits.cache[1:] != usual.limits.cache[1:]:
            what.append("nothing spilled")
        if best.chunks != usual.chunks:
            what.append(f"chunks: {best.chunks}" + (f" instead of {usual.chunks}" if usual.chunks else ""))
        before = f"{usual.seconds:.3g} s as usual" if usual.chunks else "as usual it does not fit"
        return f"predicted {best.seconds:.3g} s, {before}: {', '.join(what)}"

    def _orders(self, usual: Choice) -> Iterator[Choice]:
        yield usual
        others: list[Order] = [DfsMin()]
        if len(self.shape.parent) <= _OPTIMAL_VERTICES:
            others.append(Optimal(time_limit=_OPTIMAL_S))
        for order in others:
            arrangement = arrange(order, self.shape)
            if arrangement.order != usual.arrangement.order:
                yield replace(usual, name=order.name, arrangement=arrangement)

    def _fitting(self, choice: Choice, chunks: int) -> Choice | None:
        """``choice`` that holds less, so that so few ``chunks`` do; None if none was found.

        Single moves rarely spare a whole chunk. Each here frees the most bytes of the largest content for a second
        of computing.
        """
        budget = self.limits.cache[0]

        def size(steps: Sequence[InferenceStep]) -> tuple[int, float]:
            seconds = sum(self.work.compute_s[vertex] for step in steps for vertex in step.computed)
            return self._need(cache_needs(self.shape, steps), chunks), seconds

        need, seconds = size(self._steps(choice))
        while budget is not None and need > budget:
            rates: list[tuple[float, int, float, Choice]] = []
            for other in self._moves(choice):
                if self._left <= 0:
                    return None
                self._left -= 1
                less, more = size(self._steps(other))
                if less < need:
                    rates.append(((more - seconds) / (need - less), less, more, other))
            if not rates:
                return None
            _, need, seconds, choice = min(rates, key=lambda rate: rate[0])
        return choice

    def _moves(self, choice: Choice) -> Iterator[Choice]:
        """What could lower the largest content: each vertex that is held then fused, recomputed or spilled."""
        content, largest = 0, -1
        held: set[int] = set()
        at_peak: frozenset[int] = NONE
        for step in self._steps(choice):
            held.update(step.stored)
            content += sum(self.shape.size[v] for v in step.stored)
            if content > largest:
                largest, at_peak = content, frozenset(held)
            held.difference_update(step.done)
            content -= sum(self.shape.size[v] for v in step.done)
        by_size = sorted((v for v in at_peak if self.shape.children[v]), key=lambda v: -self.shape.size[v])
        for vertex in by_size:
            yield replace(choice, fused=choice.fused | {vertex})
            yield replace(choice, recomputed=choice.recomputed | {vertex})
            if any(choice.limits.cache[1:]) and vertex not in choice.spilled:
                yield replace(choice, spilled=choice.spilled | {vertex})

    def _best_division(self, choice: Choice) -> Choice:
        """The best of what the budgets can be for ``choice``; ``inf`` seconds if nothing fits."""
        best = replace(choice, seconds=float("inf"), chunks=0)
        steps = self._steps(choice)
        for limits in self._divisions(steps):
            if self._left <= 0:
                break
            self._left -= 1
            try:
                best = min(best, self._looked_at(replace(choice, limits=limits), steps), key=lambda c: c.seconds)
            except BudgetError:
                continue
        return best

    def _divisions(self, steps: Sequence[InferenceStep]) -> Iterator[Limits]:
        """As given; without lower tiers; just so much for intermediates that few chunks do, the rest for blocks."""
        given = self.limits
        yield given
        fastest, *slower = given.cache
        if any(slower):
            yield replace(given, cache=(fastest, *(0 for _ in slower)))
        if fastest is None or given.blocks is None:
            return
        memory = fastest + given.blocks
        needs = cache_needs(self.shape, steps)
        room = max(sum(self.work.block_bytes[v] for v in step.computed) for step in steps)
        if room > given.blocks:
            room = 1  # more is used than stays as usual, too
        count = 0
        for chunks in (*(few for few in _CHUNKS if few < len(self.batches)), len(self.batches)):
            need = self._need(needs, chunks)
            # What a step uses stays in the blocks' share, if it does as usual: what exceeds it is not counted.
            if 0 < need <= memory - (room if chunks < len(self.batches) else 1):
                count += 1
                yield replace(given, cache=(need, *slower), blocks=memory - need)
            if count == _DIVISIONS:
                return

    def _need(self, needs: Sequence[tuple[int, int]], chunks: int) -> int:
        """Bytes that the largest of so many chunks holds at most, given ``chunks.cache_needs``."""
        largest = max(batch.items for batch in self.batches)
        # Chunks are whole batches, so the largest may exceed the average by up to one.
        items = min(self.work.items, -(-self.work.items // chunks) + (largest if chunks > 1 else 0))
        if chunks == len(self.batches):
            items = largest
        return max(content * items + passing * largest for content, passing in needs)

    def _looked_at(self, choice: Choice, steps: Sequence[InferenceStep]) -> Choice:
        """``choice`` with chunks and predicted seconds."""
        limits = choice.limits
        if choice.fused and limits.blocks is not None:
            # All blocks of a fused step are in use at once.
            fused = max(
                (sum(self.work.block_bytes[v] for v in step.computed) for step in steps if step.fused), default=0
            )
            if fused > limits.blocks:
                raise BudgetError("the blocks of a fused step do not fit")
        chunks, peaks = cut(self.batches, self.shape, lambda: steps, limits, choice.spilled)
        placed: dict[int, str] = {}
        if any(peaks[1:]):
            items = max(sum(batch.items for batch in chunk) for chunk in chunks)
            placement = place(
                self.shape, steps, items, max(b.items for b in self.batches), limits.cache, choice.spilled
            )
            placed = {v: limits.tiers[tier] for v, tier in (placement[1] if placement else {}).items() if tier}
        seconds = estimate(
            self.work,
            [step.computed for step in steps],
            [sum(batch.items for batch in chunk) for chunk in chunks],
            limits.blocks,
            placed,
            self.shape.size,
        )
        return replace(choice, seconds=seconds, chunks=len(chunks))

    def _steps(self, choice: Choice) -> list[InferenceStep]:
        return list(inference_steps(self.shape, choice.arrangement.order, choice.fused, choice.recomputed))
