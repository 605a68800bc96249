"""What a proxy is: a cheap stand-in for fine-tuning."""

from typing import ClassVar, Protocol

import torch


class Proxy(Protocol):
    """Scores features; higher is better. The same input must give the same score, bit for bit.

    Attributes:
        name: as in ``conf/proxy``.
    """

    name: ClassVar[str]

    def score(
        self,
        train_x: torch.Tensor,
        train_y: torch.Tensor,
        test_x: torch.Tensor,
        test_y: torch.Tensor,
        classes: int,
    ) -> float:
        """Score features ``train_x`` (N, D) with labels ``train_y`` (N,) against the test items.

        Labels are integers below ``classes``; all tensors are on the same device.
        """
        ...
