"""How what was read becomes the parameters that are needed: what goes to the device, and what is made there of it.

Tensors that are stored in a smaller type go there in it, and of a parameter that an adapter changed its factors
go, of one that is stored as a delta its bits: what they are added to is there already, as a part of its own.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import torch

from alsatian.errors import StoreError
from alsatian.runtime.loading.block_source import Need
from alsatian.store.files.made import Made

Bases = Mapping[str, Sequence[torch.Tensor]]
"""The parameters of parts that others are made of, on the device, by the identity of the part."""


class Stored(NamedTuple):
    """Tensors that were read, and which of them are in a smaller type than they have."""

    tensors: Sequence[torch.Tensor]
    narrow: frozenset[int] = frozenset()


def to_bring(need: Need, stored: Stored, based: bool) -> Stored:
    """What is to be brought to the device; ``based`` if what parameters are made of is there.

    Raises:
        KeyError: a tensor is in a smaller type that more is made of than one parameter as it is.
        StoreError: a delta is damaged.
    """
    places = need.places(based)
    by_place = dict(zip(places, stored.tensors, strict=True))
    narrow = {places[i] for i in stored.narrow}
    recipes, taken = need.segment.made_of, list[torch.Tensor]()
    small = set[int]()
    for number in need.numbers:
        if based and need.part is not None and number in need.part.added:
            how = need.part.added[number].made
            if how.is_delta:
                taken += _ready(need, how, by_place)
                continue
            own = [*how.added]
        elif number < 0 or recipes[number].is_plain:
            own = [~number if number < 0 else recipes[number].sources[0]]
        else:
            taken += need.segment.arrange(by_place, [number])
            continue
        small |= {len(taken) + i for i, place in enumerate(own) if place in narrow}
        taken += [by_place[place] for place in own]
    return Stored(taken, frozenset(small))


def _ready(need: Need, how: Made, by_place: Mapping[int, torch.Tensor]) -> list[torch.Tensor]:
    try:
        return how.ready([by_place[place] for place in how.added])
    except ValueError as error:
        what = f"block {need.block.identity} of model '{need.model}' is damaged"
        raise StoreError(f"{what} ({error}); add the model again") from None


def may_stay_narrow(need: Need, based: bool) -> frozenset[int]:
    """Which of the tensors to be read, by their number, can go to the device in a smaller type."""
    recipes = need.segment.made_of
    made = {s for i in need.numbers if i >= 0 and not recipes[i].is_plain for s in recipes[i].sources}
    return frozenset(i for i, place in enumerate(need.places(based)) if place not in made)


def made(need: Need, brought: Sequence[torch.Tensor], bases: Bases | None) -> list[torch.Tensor]:
    """The parameters of what was brought, on the device; ``bases`` if they are there."""
    if bases is None or need.part is None or not need.part.added:
        return list(brought)
    given: Iterator[torch.Tensor] = iter(brought)
    found = []
    for number in need.numbers:
        if (added := need.part.added.get(number)) is None:
            found.append(next(given))
        else:
            own = [next(given) for _ in added.made.added]
            found.append(added.made.whole(bases[added.base][added.number], own))
    return found
