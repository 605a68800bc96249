"""Several proxies as one, for measuring what all of them take."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from alsatian.proxies.base import Evaluation, Proxy, needs_head


@dataclass(frozen=True)
class Several:
    """Scores by all of ``proxies`` and returns what the first one says."""

    proxies: tuple[Proxy, ...]
    name: ClassVar[str] = "several"
    regression: ClassVar[bool] = True

    @property
    def needs_head(self) -> bool:
        """Whether one of them does."""
        return any(map(needs_head, self.proxies))

    def score(
        self,
        train_x: torch.Tensor,
        train_y: torch.Tensor,
        test_x: torch.Tensor,
        test_y: torch.Tensor,
        classes: int,
        **more: Any,
    ) -> Evaluation:
        """See :class:`~alsatian.proxies.base.Proxy`."""
        found: list[Any] = [
            proxy.score(train_x, train_y, test_x, test_y, classes, **(more if needs_head(proxy) else {}))
            for proxy in self.proxies
        ]
        return Evaluation.of(found[0])


def as_one(proxies: Sequence[Proxy]) -> Proxy:
    """``proxies`` as one; a single one as it is."""
    return proxies[0] if len(proxies) == 1 else Several(tuple(proxies))
