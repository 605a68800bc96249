"""Claims about the models themselves: how a model is spread over its blocks, how many models share some."""

from analysis.paper import profiles, sharing
from analysis.paper.claims import Case, Verdict, judge
from analysis.paper.sources import Sources

# Of a quarter of the depth in percent; 25 is an even spread.
EVEN = (20, 30)
# Of half the depth; published are 0.59 of the inference time and 0.69 of the parameters.
SKEWED = 0.55
# Of shares of models, in points.
POINTS = 5.0


def blocks(sources: Sources, untimed: str) -> list[Verdict]:
    """Flat or skewed (Fig 12); ``untimed`` says why inference times mean nothing, empty if they do."""
    found = {(p.workload, p.kind): p.ours for p in profiles.profiles(sources.figure, sources.blocks)}
    even = f"without the first and the last tenth, each quarter of the depth holds {EVEN[0]} to {EVEN[1]}%"
    verdicts = []
    for kind, name in profiles.KINDS.items():
        untestable = untimed if kind == "inference" else ""
        cases = []
        if (flat := found["ViT-L-32", kind]) is not None:
            shares = [100 * share for share in profiles.quarters(flat)]
            numbers = ", ".join(f"{share:.0f}%" for share in shares)
            cases = [Case("", all(EVEN[0] <= share <= EVEN[1] for share in shares), numbers, 0.0)]
        claim = (
            f"ViT-L-32's {name} are flat: {even}." if kind == "params" else f"ViT-L-32's {name} is flat: {even}."
        )
        verdicts.append(judge("12", claim, cases, 0 if cases else 1, untestable))
    for kind, name, last in (("inference", "computes early", False), ("params", "has its parameters late", True)):
        cases = []
        if (skewed := found["ResNet-152", kind]) is not None:
            share = profiles.half(skewed, last)
            cases = [Case("", share >= SKEWED, f"{100 * share:.0f}%", share)]
        side = "second" if last else "first"
        what = f"{100 * SKEWED:.0f}% of its {profiles.KINDS[kind]}"
        claim = f"ResNet-152 {name}: at least {what} in the {side} half of the depth."
        untestable = untimed if kind == "inference" else ""
        verdicts.append(judge("12", claim, cases, 0 if cases else 1, untestable))
    return verdicts


def families(sources: Sources) -> list[Verdict]:
    """Shares of models that share blocks; one model more or less is no difference."""
    verdicts = []
    for share in sharing.shares(sources.figure, sources.families):
        if share.published_percent != share.published_percent:
            continue
        cases = []
        most = "at most " if share.at_most else ""
        if share.ours is not None:
            room = max(POINTS, 100 / share.ours.models)
            off = share.percent - share.published_percent
            ok = off <= room if share.at_most else abs(off) <= room
            numbers = f"{share.percent:.0f}% of {share.ours.models:,} models (± {room:.0f} points)"
            cases = [Case("", ok, numbers, -abs(off))]
        claim = f"{most}{share.published_percent:.0f}% of the models share blocks: {share.workload}."
        verdicts.append(judge("overlap", claim[0].upper() + claim[1:], cases, 0 if cases else 1))
    return verdicts
