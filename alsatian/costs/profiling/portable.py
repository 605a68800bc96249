"""Profiles for other machines to read: with names of blocks that do not depend on versions of code."""

from collections.abc import Sequence
from dataclasses import replace
from statistics import median

from alsatian.costs.hardware import Hardware, SegmentCost
from alsatian.costs.keys import keys_for
from alsatian.models.model_set import ModelSet


def portable(hardware: Hardware, models: ModelSet) -> Hardware:
    """``hardware``, measured for ``models``, with blocks called by architecture, input and position.

    Data of other kinds are taken to need what these do.
    """
    names = keys_for(replace(hardware, segments={}), models.candidates)
    segments: dict[str, SegmentCost] = {}
    for identity, name in names.items():
        segments[name] = hardware.segments[models.segments[identity].fingerprint]
    prepare = dict(hardware.prepare_s)
    if prepare:
        prepare.setdefault("", median(prepare.values()))
    return replace(hardware, segments=segments, prepare_s=prepare)


def merged(profiles: Sequence[Hardware], name: str) -> Hardware:
    """One profile called ``name`` of several of one machine; what they differ in is that of the last."""
    segments = {key: cost for hardware in profiles for key, cost in hardware.segments.items()}
    prepare = {key: seconds for hardware in profiles for key, seconds in hardware.prepare_s.items()}
    return replace(profiles[-1], name=name, segments=segments, prepare_s=prepare)
