"""SHiFT (Renggli et al., PVLDB 2022): successive halving over growing parts of the data."""

from dataclasses import dataclass, field

from alsatian.searching.schedules import Halving, Schedule
from baselines.base import Base


@dataclass(frozen=True, kw_only=True)
class Shift(Base):
    """Base with successive halving. A round extracts features for its new data only and keeps the rest."""

    name: str = "shift"
    schedule: Schedule = field(default_factory=Halving)
