"""Model sets that are known without their parameters: enough to predict for hardware that is not measured here."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from alsatian.costs.hardware import Hardware
from alsatian.costs.keys import shape_key
from alsatian.errors import ConfigError, nearest
from alsatian.models.model_set import CandidateSet
from alsatian.models.sets.fingerprint_set import GeneratedSet
from alsatian.models.sets.synthetic import SyntheticSet
from experiments.configuration.setup import generator
from experiments.predictions.chains import SETS, read_chains


@dataclass(frozen=True)
class ParameterFreeSet(CandidateSet):
    """Chains of blocks, and the architecture and input whose times stand for those of the blocks."""

    like: str | None


def parameter_free_set(config: Mapping[str, Any], hardware: Hardware | None) -> ParameterFreeSet | None:
    """The model set of ``config`` without parameters, if that is all that ``hardware`` needs.

    None if the set has to be opened, as it has for this machine to be measured (no ``hardware``).

    Raises:
        ConfigError: there are no models for this machine to be measured with, or making the set would be in vain,
            since the hardware does not know its architecture.
    """
    made = generator(config)
    if isinstance(made, GeneratedSet):
        if hardware is None:
            raise ConfigError(
                f"model_set={made.name} has no models to measure; choose another hardware, e.g. hardware=a5000"
            )
        return ParameterFreeSet(tuple(made), made.like)
    if hardware is None:
        return None
    if isinstance(made, SyntheticSet) and not made.clones:
        for name, known in SETS.items():
            if _architecture(made) == _architecture(known):
                chain = read_chains()[name]
                candidates = chain.models(made.count, made.distribution, made.seed)
                return ParameterFreeSet(tuple(candidates), shape_key(made.architecture, chain.preprocessing))
    _check_known(made, hardware)
    return None


def _architecture(made: SyntheticSet) -> tuple[Any, ...]:
    return made.source, made.architecture, dict(made.options), made.size, made.length


def _check_known(made: Any, hardware: Hardware) -> None:
    """Refuse an architecture that the profile does not know, as far as the settings of the set tell."""
    start = getattr(made, "start", made)
    name, size = getattr(start, "architecture", None), getattr(start, "size", None)
    shapes = sorted({key.rpartition("/")[0] for key in hardware.segments})
    if not isinstance(name, str) or not isinstance(size, int) or "" in shapes:
        return  # unknown before the set is there, or a profile by the code of blocks
    shape = f"{name.lower()}@{size}"
    if shape not in shapes:
        raise ConfigError(
            f"hardware {hardware.name}: has no times for {shape}; {nearest(shape, shapes)}; "
            "with hardware=measured they are measured here"
        )
