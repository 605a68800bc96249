"""Under which conditions something was measured. Times in seconds; None is what the system does not tell."""

from alsatian.records.base import Count, Positive, Record, Seconds

# Share of the cores' time that others may have. Spread over the cores, as schedulers do, it delays a search by as
# much as the parts of a valid repeat may miss of its wall time. On two cores, if it all falls on the one that the
# search waits for, it is 10%: above the tightest tolerances of verdicts, which have the spread of the repeats as
# well. A quiet system takes one or two percent for itself, so that much less would mark everything.
SHARE = 0.05
# Systems count in ticks of 10 ms, so that less than some ticks says nothing about a short repeat.
LEAST_S = 0.05


class Conditions(Record):
    """The machine while something was measured.

    Attributes:
        load: the system's load average over a minute at the start, this process included.
        cores: that the process may use; what follows is about these.
        cpu_s: CPU time of the process, all its threads and ended children together.
        others_s: CPU time of other processes.
        steal_s: time that a hypervisor gave to other guests.
        frequency_hz: mean clock frequency of the cores at the end.
        beside: how many other runs of its sweep may have been measured on the machine meanwhile. Each has cores of
            its own; the disk, the memory's bandwidth and caches are shared.
    """

    load: Seconds | None = None
    cores: Count | None = None
    cpu_s: Seconds | None = None
    others_s: Seconds | None = None
    steal_s: Seconds | None = None
    frequency_hz: Positive | None = None
    beside: Count = 0

    @property
    def taken_s(self) -> float:
        """CPU time that others had, by what is known."""
        return (self.others_s or 0.0) + (self.steal_s or 0.0)

    def disturbed(self, wall_s: float) -> bool:
        """Whether others took so much within ``wall_s`` that the measurement cannot be trusted."""
        return self.beside > 0 or self.taken_s > max(SHARE * (self.cores or 1) * wall_s, LEAST_S)

    def plus(self, later: "Conditions") -> "Conditions":
        """Of two stretches of one measurement: times add up, the load is that of the first."""

        def both(a: float | None, b: float | None) -> float | None:
            return None if a is None or b is None else a + b

        return later.model_copy(
            update={
                "load": self.load,
                **{
                    name: both(getattr(self, name), getattr(later, name))
                    for name in ("cpu_s", "others_s", "steal_s")
                },
            }
        )
