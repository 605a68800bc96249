"""What is searched, and by whom: overrides as on the command line, by name."""

from collections.abc import Mapping, Sequence

from alsatian.errors import ConfigError, nearest

NETWORKS = ("resnet18", "resnet152", "efficientnet_v2_l", "vit_l_32")
_SMALL = ("model_set=synthetic_network", "network=resnet18", "network.at=ci", "storage=local", "batch_size=32")
_PHOTOGRAPHS = ("dataset=photographs", "dataset.images.width=64", "dataset.images.height=48")
# Whole networks at 224 pixels, whose blocks come as fast as the disk gives them.
_WHOLE = (
    "model_set=synthetic_network", "network.at=paper", "network.paper.weights=null", "network.paper.size=224",
    "model_set.distribution=top_25", "model_set.count=8", "storage=local", "batch_size=32", "dataset=photographs",
    "dataset.images.width=256", "dataset.images.height=192", "dataset.items=120",
)  # fmt: skip
CELLS: Mapping[str, tuple[str, ...]] = {
    "quickstart": ("experiment=quickstart",),
    **{
        f"fig10/{network}": (
            "experiment=fig10", f"network={network}", "model_set.distribution=top_25", "paper.items=2000"
        )
        for network in NETWORKS
    },
    **{
        f"computing/{name}": (*_WHOLE, "network=resnet18", f"network.paper.architecture={name}")
        for name in ("resnet18", "efficientnet_v2_s", "vit_b_32")
    },
    **{
        f"models/{count}": (*_SMALL, "dataset=digits", "dataset.items=300", f"model_set.count={count}")
        for count in (4, 50, 500)
    },
    **{
        f"items/{count}": (*_SMALL, *_PHOTOGRAPHS, f"dataset.items={count}", "model_set.count=8")
        for count in (64, 800, 8000)
    },
    **{f"budget/{share}": ("experiment=quickstart", f"cache.budget={share}%") for share in (100, 25, 10)},
}  # fmt: skip
PUBLISHED, USUAL, AUTO = "alsatian_published", "alsatian", "auto"
BEYOND = "beyond: "
"""Begins the names of shares of the wall time that are not in the limit."""
_FASTEST = "kernels=layout"


def chosen(names: Sequence[str] | None) -> dict[str, tuple[str, ...]]:
    """The cells called ``names`` or of such a kind (``"fig10"``); all by default.

    Raises:
        ConfigError: there is no such cell.
    """
    if not names:
        return dict(CELLS)
    kinds = {name.partition("/")[0] for name in CELLS}
    for name in names:
        if name not in CELLS and name not in kinds:
            raise ConfigError(f"--cells {name}: there is no such cell; {nearest(name, [*CELLS, *kinds])}")
    return {name: words for name, words in CELLS.items() if name in names or name.partition("/")[0] in names}


def entrants(more: Sequence[str] = ()) -> dict[str, tuple[str, ...]]:
    """Who takes turns: the published system with its eager kernels, ours with the fastest ones, and what ``more``
    says, each a text of overrides such as ``"strategy=auto numerics=bf16"``."""
    usual = {
        PUBLISHED: (f"strategy={PUBLISHED}", "kernels=eager"),
        USUAL: (f"strategy={USUAL}", _FASTEST),
        AUTO: (f"strategy={AUTO}", _FASTEST),
    }
    return {**usual, **{text: tuple(text.split()) for text in more}}
