"""Who is told how a search goes."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from alsatian.runtime.scorer import Scored
from alsatian.searching.round_result import RoundResult

if TYPE_CHECKING:
    from alsatian.data.dataset import Dataset
    from alsatian.models.model_set import ModelSet
    from alsatian.runtime.reuse.feature_cache import Reused
    from alsatian.searching.outlook import Outlook
    from alsatian.searching.search import Search


class Watcher:
    """Is told how a search goes; this one takes no notice."""

    def reading(self, what: str, done: int, total: int) -> None:
        """Models are read: ``done`` of ``total``."""

    def starts(
        self,
        models: "ModelSet",
        dataset: "Dataset",
        search: "Search",
        expected: "Outlook | None",
        reused: "Reused | None",
    ) -> None:
        """Models and data are read; what ``search`` will take is ``expected`` or unknown, and features of earlier
        searches are ``reused``, if that was asked for."""

    def round_begins(self, number: int, models: Sequence[str], items: int) -> None:
        """Round ``number``, from 1, is about to score ``models`` on so many training ``items``."""

    def planned(self, steps: int, scored: Mapping[str, Scored]) -> None:
        """So many steps that infer or score are left of the round; said again if the round is planned anew.
        ``scored`` fills with the round's models while they are taken."""

    def step_ended(self) -> None:
        """One of them is done."""

    def round_ends(self, number: int, result: RoundResult, left: Sequence[str]) -> None:
        """Round ``number`` is over, and the models that are ``left`` go on; none after the last round."""

    @staticmethod
    def of(progress: "Watcher | Callable[[], Any]") -> "Watcher":
        """A watcher; of a function one that calls it after every step."""
        return progress if isinstance(progress, Watcher) else _Ticking(progress)


class _Ticking(Watcher):
    """Calls a function after every step."""

    def __init__(self, tick: Callable[[], Any]) -> None:
        self.step_ended = tick  # type: ignore[method-assign]
