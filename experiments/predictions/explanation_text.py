"""An explanation as lines for people."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from alsatian.runtime.meter.measurement import NOT_PREDICTED
from alsatian.units import format_bytes
from analysis.tables.formats import Table
from analysis.tables.metrics import TEXTS, Unit

# Steps and vertices that are shown of a long plan: the first and the last.
FIRST, LAST = 24, 6
# Workers that are shown of many.
MOST_WORKERS = 12
_FACTS = ("models", "seconds", "read_bytes", "again_s")
# A prediction that is off by more than this is marked.
MISS = 0.10
MARK = "<- miss"


def lines(explanation: Mapping[str, Any], whole: bool) -> Iterator[str]:
    """All rounds; with ``whole`` nothing is left out of trees and steps."""
    rounds = explanation["rounds"]
    for number, entry in enumerate(rounds, start=1):
        yield f"round {number} of {len(rounds)}: {_head(entry)}"
        yield from (f"  {line}" for line in _facts(entry, explanation["budgets"]))
        yield "  tree, by order of computing:"
        yield from (f"    {line}" for line in _shortened(list(_tree(entry["tree"])), whole, "vertices"))
        if (cut := entry["distribution"]) is not None:
            yield from (f"  {line}" for line in _workers(cut, whole))
        else:
            yield f"  steps{' of every chunk, scores in the last' if entry['chunks'] > 1 else ''}:"
            yield from (f"    {line}" for line in _shortened(list(_steps(entry["steps"])), whole, "steps"))
        yield ""
    predicted = explanation["predicted"]
    for event in predicted["events"]:
        seconds = ", ".join(f"{name} {wall:.3g} s" for name, wall in event["predicted_s"].items())
        yield f"schedule: {event['chosen']}, of {seconds}"
    yield f"predicted in all: {predicted['wall_s']:.3g} s ({_parts(predicted['parts_s'])})"
    yield f"  peaks: {_sizes(predicted['peaks'])}"


def comparison(predicted: Mapping[str, Any], actual: Mapping[str, Any]) -> Table:
    """Predicted beside actual, of every round and of the whole search; what is off by much is marked."""
    rows = []
    for number, (before, after) in enumerate(zip(predicted["rounds"], actual["rounds"], strict=False), start=1):
        off = {part: before["parts_s"][part] - seconds for part, seconds in after["parts_s"].items()}
        part = max(off, key=lambda name: abs(off[name]))
        missed = abs(before["wall_s"] - after["wall_s"]) > MISS * after["wall_s"]
        mark = f"{MARK}, most in {part.replace('_', ' ')} ({off[part]:+.3f} s)" if missed else ""
        rows.append(_row(f"round {number}", before["wall_s"], after["wall_s"], "s", mark))
    wall = actual["wall_s"]
    far = abs(predicted["wall_s"] - wall) > MISS * wall
    rows.append(_row("wall time", predicted["wall_s"], wall, "s", MARK if far else ""))
    misses = {part: abs(predicted["parts_s"][part] - actual["parts_s"][part]) for part in actual["parts_s"]}
    for part in sorted(misses, key=lambda name: -misses[name]):
        # A part counts by what it contributes: a small one may be off by any share.
        mark = MARK if misses[part] > MISS / 2 * wall else ""
        rows.append(_row(part, predicted["parts_s"][part], actual["parts_s"][part], "s", mark))
    for group in ("counters", "peaks"):
        for name in sorted({*predicted[group], *actual[group]} - set(NOT_PREDICTED)):
            before, after = predicted[group].get(name, 0), actual[group].get(name, 0)
            unit: Unit = "bytes" if group == "peaks" or "bytes" in name else "count"
            rows.append(_row(name, before, after, unit, MARK if before != after else ""))
    return Table("", ("", "predicted", "actual", "off by", ""), rows, numeric=(1, 2, 3))


def _row(name: str, predicted: float, actual: float, unit: Unit, mark: str) -> tuple[str, ...]:
    shown = [f"{value:.3f} s" if unit == "s" else TEXTS[unit](value) for value in (predicted, actual)]
    off = f"{predicted / actual - 1:+.0%}" if actual else "" if predicted == actual else "new"
    return name.replace("_", " "), *shown, off, mark


def _head(entry: Mapping[str, Any]) -> str:
    parts = entry["predicted"]["parts_s"]
    return (
        f"{entry['models']} models on {entry['train_items']} training items, {entry['new_items']} items new; "
        f"predicted {entry['predicted']['wall_s']:.3g} s ({_parts(parts)})"
    )


def _facts(entry: Mapping[str, Any], budgets: Mapping[str, int | None]) -> Iterator[str]:
    sharing = entry["sharing"]
    distinct, whole = sharing["block_executions"], sharing["without_sharing"]
    yield (
        f"sharing: {distinct:,} block executions of {whole:,} ({_share(distinct, whole)}); "
        f"{sharing['blocks']} distinct blocks of {sharing['blocks_without_sharing']}, {sharing['blocks_read']} read"
    )
    chunking = entry["chunking"]
    divided = entry["memory"]
    budget, name = (
        (divided[0], "the memory for intermediates") if divided else (budgets["cache.budget"], "cache.budget")
    )
    limit = "no limit" if budget is None else format_bytes(budget)
    cut = f"{entry['chunks']} {'chunk' if entry['chunks'] == 1 else 'chunks'} of up to {entry['chunk_items']} items"
    if chunking["whole_pass_bytes"] is not None:
        need = format_bytes(chunking["whole_pass_bytes"])
        per_item = format_bytes(chunking["c_min_bytes_per_item"])
        fits = budget is None or chunking["whole_pass_bytes"] <= budget
        yield (
            f"chunking: {cut}: C_min is {per_item} an item, so a whole pass needs {need}, which "
            f"{'fits' if fits else 'exceeds'} {name} ({limit})"
        )
    else:
        yield f"chunking: {cut}; {name} {limit}"
    if divided:
        intermediates, blocks = divided
        yield f"memory: {format_bytes(intermediates)} for intermediates, {format_bytes(blocks)} for blocks"
    if entry["peaks"] is not None:
        yield f"peak of the cache, by tier: {', '.join(format_bytes(peak) for peak in entry['peaks'])}"
    if entry["note"]:
        yield f"why: {entry['note']}"


def _tree(vertices: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Indented, children in the order in which they are computed."""
    children: dict[int | None, list[Mapping[str, Any]]] = defaultdict(list)
    for vertex in vertices:
        children[vertex["parent"]].append(vertex)
    for siblings in children.values():
        siblings.sort(key=lambda v: (v["order"] is None, v["order"]))
    stack = [(vertex, 0) for vertex in reversed(children[None])]
    while stack:
        vertex, depth = stack.pop()
        what = (
            f"{vertex['blocks']} {'block' if vertex['blocks'] == 1 else 'blocks'}" if vertex["blocks"] else "data"
        )
        models = f"  {_names(vertex['models'])}" if vertex["models"] else ""
        times = f", {vertex['times']} times a chunk" if vertex["times"] > 1 else ""
        seconds = f", {vertex['seconds']:.3g} s" if vertex["blocks"] else ""
        yield (
            f"{'  ' * depth}#{vertex['vertex']} {what} ({format_bytes(vertex['parameter_bytes'])}) -> "
            f"{format_bytes(vertex['output_bytes'])}/item, {vertex['way']}{times}{seconds}{models}"
        )
        stack.extend((child, depth + 1) for child in reversed(children[vertex["vertex"]]))


def _steps(steps: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for number, step in enumerate(steps, start=1):
        models = f"  {_names(step['models'])}" if "models" in step else ""
        yield f"{number:>4}  {step['step']:<8}#{step['vertex']}{models}"


def _workers(cut: Mapping[str, Any], whole: bool) -> Iterator[str]:
    """Who does what and why; of many workers some, and between which numbers the others lie."""
    yield f"workers: {cut['note']}"
    yield (
        f"done again: {cut['duplicated_s']:.3g} of {cut['computed_s']:.3g} s of computing; read again: "
        f"{format_bytes(cut['duplicated_bytes'])}; moved: {format_bytes(cut['moved_bytes'])}"
    )
    yield f"{'worker':<14}{'models':>7}{'seconds':>9}{'read':>9}{'again':>9}  why"
    workers = cut["workers"]
    shown = workers if whole or len(workers) <= MOST_WORKERS else workers[: MOST_WORKERS - 2]
    for one in shown:
        why = one["why"] or ["nothing to do"]
        more = f" and {len(why) - 1} more" if len(why) > 1 else ""
        yield _worker(one["worker"], [one[name] for name in _FACTS], why[0] + more)
    if others := workers[len(shown) :]:
        for name, edge in (("least", min), ("most", max)):
            facts = [edge(one[fact] for one in others) for fact in _FACTS]
            yield _worker(name, facts, f"of {len(others):,} more workers")


def _worker(name: str, facts: Sequence[Any], why: str) -> str:
    models, seconds, read, again = facts
    return f"{name:<14}{models:>7,}{seconds:>7.3g} s{format_bytes(read):>9}{again:>7.3g} s  {why}"


def _shortened(found: Sequence[str], whole: bool, what: str) -> Iterator[str]:
    if whole or len(found) <= FIRST + LAST:
        yield from found
        return
    yield from found[:FIRST]
    yield f"… {len(found) - FIRST - LAST} more {what}; explain.steps=all shows them …"
    yield from found[-LAST:]


def _names(models: Sequence[str]) -> str:
    return ", ".join(models[:3]) + (f" and {len(models) - 3} more" if len(models) > 3 else "")


def _parts(parts: Mapping[str, float]) -> str:
    largest = sorted(parts.items(), key=lambda item: -item[1])
    shown = [f"{name.replace('_', ' ')} {seconds:.3g} s" for name, seconds in largest if seconds >= 0.001]
    return ", ".join(shown) or "nothing to do"


def _sizes(peaks: Mapping[str, int]) -> str:
    names = {name: name.removesuffix("_bytes").replace("_", " ") for name in peaks}
    return ", ".join(f"{names[name]} {format_bytes(size)}" for name, size in peaks.items())


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.0%}" if whole else "none"
