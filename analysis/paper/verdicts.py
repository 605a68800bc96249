"""The paper's claims, figure by figure, and whether the records bear them out."""

from collections.abc import Callable, Sequence
from pathlib import Path

from alsatian.units import factor_text
from analysis.paper import cells, comparisons, structure
from analysis.paper.arrangement import COMPONENTS, FIGURES
from analysis.paper.cells import Cell
from analysis.paper.claims import Case, Verdict, judge
from analysis.paper.comparisons import Tested
from analysis.paper.sources import Sources, load

# Proxy scoring is short, so that it varies more than a whole search.
PROXY_SAME = 0.20
# Trained models gain as much as synthetic ones, within this share.
TRAINED_SAME = 0.30
THE_THREE = ("prepare_model", "prepare_data", "inference")


def verdicts(sources: Sources, beside: Path | None = None) -> list[Verdict]:
    """Every claim of the paper about the figure that ``sources`` belong to.

    ``beside`` is the folder that the experiments lie in; Figure 13 is compared with Figure 10 there.
    """
    number = sources.figure.number
    if number == "12":
        return structure.blocks(sources, _timing(sources))
    if number == "overlap":
        return structure.families(sources)
    found = cells.cells(sources.figure, sources.runs)
    by_number: dict[str, Callable[[], list[Verdict]]] = {
        "5": lambda: _shares(sources, found),
        "10": lambda: [
            *_order(sources, found),
            *_distributions(sources, found),
            _factors(sources, found, "alsatian", "base"),
            _factors(sources, found, "alsatian", "shift"),
        ],
        "11": lambda: _parts(sources, found),
        "13": lambda: [*_order(sources, found), _trained(sources, found, beside)],
        "14": lambda: [*_order(sources, found), _factors(sources, found, "alsatian", "base")],
        "15": lambda: [*_order(sources, found), _factors(sources, found, "alsatian", "base")],
        "16": lambda: [_tight(sources, found), _order(sources, found)[1]],
        "17": lambda: [
            *_order(sources, found),
            *_distributions(sources, found),
            _factors(sources, found, "alsatian", "base"),
        ],
    }
    return by_number[number]()


def _timing(sources: Sources) -> str:
    """Why times say nothing at this scale; empty if they do."""
    return "runs of the scale ci are too short to time" if "ci" in sources.scale.split(", ") else ""


def _verdict(sources: Sources, claim: str, tested: Sequence[Tested], untestable: str = "") -> Verdict:
    return judge(
        sources.figure.number,
        claim,
        [case for one in tested for case in one.cases],
        sum(one.missing for one in tested),
        _timing(sources) or untestable,
    )


def _order(sources: Sources, found: Sequence[Cell]) -> list[Verdict]:
    return [
        _verdict(sources, "Alsatian is faster than SHiFT.", [comparisons.ahead(found, "alsatian", "shift")]),
        _verdict(
            sources, "SHiFT is faster than Base wherever it is in the paper.",
            [comparisons.ahead(found, "shift", "base")],
        ),
        _verdict(sources, "Alsatian is faster than Base.", [comparisons.ahead(found, "alsatian", "base")]),
    ]  # fmt: skip


def _distributions(sources: Sources, found: Sequence[Cell]) -> list[Verdict]:
    within = f"within {100 * comparisons.FLAT:.0f}%"
    return [
        _verdict(
            sources, "Alsatian's speed-up over Base grows from Top 50% over Top 25% to Top Layers.",
            [comparisons.gain_grows(found)],
        ),
        _verdict(
            sources, f"Base takes the same time whatever the overlap, {within}.", [comparisons.flat(found, "base")]
        ),
        _verdict(
            sources, f"SHiFT takes the same time whatever the overlap, {within}.",
            [comparisons.flat(found, "shift")],
        ),
    ]  # fmt: skip


def _factors(sources: Sources, found: Sequence[Cell], fast: str, slow: str) -> Verdict:
    """The published factors are those of the published models, counts and hardware."""
    names = {"alsatian": "Alsatian", "shift": "SHiFT", "base": "Base"}
    paper = [
        cell.published_seconds / other.published_seconds
        for cell in found
        for other in found
        if cell.approach == slow and other.approach == fast
        and cell.component == other.component == "total"
        and (cell.workload, cell.items, cell.distribution) == (other.workload, other.items, other.distribution)
    ]  # fmt: skip
    known = [factor for factor in paper if factor == factor]
    claim = (
        f"{names[fast]} is {min(known):.1f} to {factor_text(max(known))} faster than {names[slow]}, in each cell "
        f"at least {100 * comparisons.REACHED:.0f}% of the published factor."
    )
    tested, measured = comparisons.factors(found, fast, slow)
    scaled = ""
    if sources.scale != "paper" and measured:
        here = f"{factor_text(min(measured))} to {factor_text(max(measured))}"
        scaled = f"the published factors are those of the published sizes, here they are {here}"
    return _verdict(sources, claim, [tested], scaled)


def _shares(sources: Sources, found: Sequence[Cell]) -> list[Verdict]:
    """Which part is the largest (Fig 5)."""
    large, small, cached = "9,216 items", "96 items", "the input of the last three blocks cached"
    others = ("ViT-L-32", "EffNetV2-L", "ResNet-152")
    return [
        _verdict(
            sources, f"With {large}, inference is the largest part.", [_rules(found, "a", others, "inference")]
        ),
        _verdict(
            sources, f"With {small}, preparing the model is the largest part.",
            [_rules(found, "c", others, "prepare_model")],
        ),
        _verdict(
            sources, f"With {cached}, preparing the model is the largest part.",
            [_rules(found, "d", (*others, "ResNet-18"), "prepare_model")],
        ),
        _verdict(
            sources, "For ResNet-18, preparing the data is the largest part.",
            [_rules(found, panel, ("ResNet-18",), "prepare_data") for panel in "abc"],
        ),
    ]  # fmt: skip


def _rules(found: Sequence[Cell], panel: str, workloads: Sequence[str], part: str) -> Tested:
    cases, missing = [], 0
    for workload in workloads:
        own = [cell for cell in found if (cell.panel, cell.workload) == (panel, workload)]
        if not own or any(cell.percent != cell.percent for cell in own):
            missing += 1
            continue
        first, second, *_ = sorted(own, key=lambda cell: -cell.percent)
        numbers = ", ".join(f"{COMPONENTS[cell.component]} {cell.percent:.0f}%" for cell in (first, second))
        items = f", {own[0].items:,} items" if own[0].items is not None else ""
        cases.append(Case(f"{workload}{items}", first.component == part, numbers, first.percent - second.percent))
    return Tested(cases, missing)


def _parts(sources: Sources, found: Sequence[Cell]) -> list[Verdict]:
    """What Alsatian shrinks, and what not (Fig 11)."""
    compared = [cell for cell in found if cell.panel in ("a", "b", "c")]
    within = f"within {100 * PROXY_SAME:.0f}%"
    return [
        *(
            _verdict(
                sources, f"Alsatian needs less time than SHiFT for {name}.",
                [comparisons.ahead(compared, "alsatian", "shift", part)],
            )
            for part, name in zip(THE_THREE, ("preparing models", "preparing data", "inference"), strict=True)
        ),
        _verdict(
            sources, f"Proxy scoring takes Alsatian as long as SHiFT, {within}.",
            [comparisons.same(compared, "alsatian", "shift", "proxy_scoring", PROXY_SAME)],
        ),
        _verdict(
            sources, "With more overlap, Alsatian needs less time for preparing models and for inference.",
            [comparisons.shrinks(found, "alsatian", part) for part in ("prepare_model", "inference")],
        ),
    ]  # fmt: skip


def _trained(sources: Sources, found: Sequence[Cell], beside: Path | None) -> Verdict:
    """Whether trained models gain what synthetic ones do (Fig 13 and Fig 10c)."""
    claim = f"Alsatian gains as much as with synthetic models (Fig 10c), within {100 * TRAINED_SAME:.0f}%."
    folder = None if beside is None else beside / "fig10"
    other = load(folder) if folder is not None and folder.is_dir() else None
    synthetic = (
        {}
        if other is None or other.figure.number != "10" or other.scale != sources.scale
        else {
            (cell.workload, cell.items, cell.distribution): cell.speedup
            for cell in cells.cells(FIGURES["10"], other.runs)
            if cell.approach == "alsatian"
        }
    )
    cases, missing = [], 0
    for cell in found:
        if cell.approach != "alsatian":
            continue
        before = synthetic.get((cell.workload, cell.items, cell.distribution), float("nan"))
        if not abs(cell.speedup - before) >= 0:  # one of them is NaN
            missing += 1
            continue
        numbers = f"{factor_text(cell.speedup)}, synthetic {factor_text(before)}"
        off = abs(cell.speedup / before - 1)
        cases.append(Case(cell.workload, off <= TRAINED_SAME, numbers, -off))
    return _verdict(sources, claim, [Tested(cases, missing)])


def _tight(sources: Sources, found: Sequence[Cell]) -> Verdict:
    tight = [cell for cell in found if not cell.workload.endswith("@64GB")]
    return _verdict(
        sources, "Alsatian stays ahead of Base and SHiFT under a tight budget (10 and 5 GB).",
        [comparisons.ahead(tight, "alsatian", other) for other in ("shift", "base")],
    )  # fmt: skip
