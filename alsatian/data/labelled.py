"""Items with their labels as they lie somewhere: what every reader of data finds, and a dataset is made of."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from alsatian.data.dataset import Dataset, make_dataset, stratified_order
from alsatian.data.gate.bad_items import BadItems, Checked
from alsatian.data.gate.folders import Found, Skips
from alsatian.data.gate.items import objects
from alsatian.data.gate.looks import keep_looks, looked
from alsatian.data.gate.pixels import ImagePath, Seen, background_of, images_of
from alsatian.data.gate.targets import targets_of
from alsatian.errors import ConfigError, said
from alsatian.records.data import DataSummary


@dataclass(frozen=True)
class ImageFiles:
    """How image files are tried: what is left out so far, what becomes of bad ones, and what transparent pixels are
    composed on (see :func:`~alsatian.data.gate.pixels.background_of`)."""

    skips: Skips
    bad: BadItems
    background: Any = "white"


@dataclass(frozen=True)
class Labelled:
    """All items that a source has.

    Attributes:
        about: what is known of the source.
        values: (N,) raw items.
        labels: (N,) as the source has them.
        testing: whether each item (N,) is for testing; None if the source does not say.
        files: how the values are tried, if they are paths of image files.
        where: begins errors about labels; the dataset's name by default.
    """

    about: DataSummary
    values: Any
    labels: Any
    testing: np.ndarray | None = None
    files: ImageFiles | None = None
    where: str = ""

    @classmethod
    def found(cls, source: str, found: Found, values: np.ndarray, **settings: Any) -> "Labelled":
        """What was ``found`` in folders, one ``values`` (N,) a file."""
        about = DataSummary(source=source, split=found.split, skipped=found.skips.all(), warnings=found.warnings)
        testing = None if found.testing is None else np.array(found.testing)
        return cls(about, values, objects(found.classes), testing, **settings)

    @property
    def name(self) -> str:
        """What the dataset is called: after its source."""
        place = Path(self.about.source)
        return (place.stem if place.is_file() else place.name) or "data"

    def tested_by(self, test: "Labelled") -> "Labelled":
        """These items for training, and those of ``test`` for testing.

        Raises:
            ConfigError: one of them says itself what its test part is, or they are of different kinds.
        """
        for one in (self, test):
            if one.testing is not None:
                raise ConfigError(f"'{one.about.source}' says itself what its test part is; leave out test")
            if len(_listed(one.values)) != len(_listed(one.labels)):
                numbers = f"{len(one.values)} items but {len(one.labels)} labels"
                raise ConfigError(f"'{one.about.source}' has {numbers}")
        if (self.files is None) != (test.files is None):
            raise ConfigError(
                f"'{test.about.source}' holds other items than '{self.about.source}', which it is to test"
            )
        if self.files is not None and test.files is not None:
            for reason, names in test.files.skips.names.items():
                self.files.skips.names.setdefault(reason, []).extend(names)
        pairs = ((self.values, test.values), (self.labels, test.labels))
        (values, labels), tested = (objects([*_listed(a), *_listed(b)]) for a, b in pairs), len(test.values)
        about = self.about.model_copy(
            update={
                "split": f"{test.about.source} is the test part",
                "skipped": (*self.about.skipped, *test.about.skipped),
                "notes": tuple(dict.fromkeys((*self.about.notes, *test.about.notes))),
                "warnings": (*self.about.warnings, *test.about.warnings),
            }
        )
        return replace(
            self, about=about, values=values, labels=labels, testing=np.arange(len(values)) >= len(values) - tested
        )

    def dataset(
        self,
        *,
        items: int | None = None,
        limit: int | None = None,
        test_share: float = 0.2,
        seed: int = 0,
        label_kind: str = "classes",
    ) -> Dataset:
        """The dataset of so many ``items`` in the classes' proportions; or of ``limit`` if there are more, in those
        of the parts, too.

        ``test_share``, ``seed`` and ``label_kind`` are those of :func:`~alsatian.data.dataset.make_dataset`.

        Raises:
            ConfigError: see there; or there are fewer ``items``, or image files are bad.
        """
        # Said before files are tried, and of all items: a part of them may look otherwise.
        where = self.where or f"dataset '{self.name}'"
        values, labels, testing = self.values, self.labels, self.testing
        if hasattr(values, "__len__") and hasattr(labels, "__len__") and len(values) != len(labels):
            raise ConfigError(f"{where}: {len(values)} items but {len(labels)} labels")
        targets = targets_of(where, self.labels, label_kind)
        about = self.about.model_copy(update={"notes": (*self.about.notes, *targets.notes)})
        count = len(targets.values)
        if items is not None and not 0 < items <= count:
            raise ConfigError(f"dataset.items={items}: '{about.source}' has {count} items")
        if limit is not None and limit < 1:
            raise ConfigError(f"limit={limit}: must be at least 1")
        chosen = None
        if items is not None and items < count:
            chosen = stratified_order(targets.values, seed)[:items]
        elif limit is not None and limit < count:
            chosen = _some(targets.values, testing, limit, seed)
        if chosen is not None:
            values, labels, testing = _picked(values, chosen), _picked(labels, chosen), _picked(testing, chosen)
        if self.files is not None:
            about, values, tried = _tried(about, values, self.files)
            labels = tried.labels(labels, about.source) if targets.names else labels[tried.good]
            testing = _picked(testing, tried.good)
        return make_dataset(
            self.name,
            values,
            labels,
            testing=testing,
            about=about,
            test_share=test_share,
            seed=seed,
            label_kind=targets.kind,
        )


def _some(values: np.ndarray, testing: np.ndarray | None, count: int, seed: int) -> np.ndarray:
    """Places of ``count`` items by their targets ``values`` (N,): of each part its share, but at least one."""
    if testing is None:
        return stratified_order(values, seed)[:count]
    parts = [np.flatnonzero(part) for part in (testing, ~testing)]
    tested = min(max(1, round(count * len(parts[0]) / len(values))), max(1, count - 1))
    counts = zip(parts, (tested, count - tested), strict=True)
    return np.concatenate([part[stratified_order(values[part], seed)[:wanted]] for part, wanted in counts])


def _listed(values: Any) -> list[Any]:
    """Each of ``values``; tensors stay tensors, whose images have another order of dimensions."""
    if isinstance(values, str | bytes | dict) or not hasattr(values, "__len__") or not hasattr(values, "__iter__"):
        raise ConfigError(f"data: {said(values)} stands where a list of items or labels is expected")
    return list(values)


def _picked(values: Any, chosen: np.ndarray) -> Any:
    """Those of ``values`` (N, …)."""
    if values is None or hasattr(values, "detach") or isinstance(values, np.ndarray):
        return None if values is None else values[chosen]
    if hasattr(values, "iloc"):
        return values.iloc[chosen]
    return objects([values[place] for place in np.arange(len(values))[chosen]])


def _tried(
    about: DataSummary, paths: np.ndarray, files: ImageFiles
) -> tuple[DataSummary, np.ndarray, Checked[Seen]]:
    """What trying image files showed: the summary with it, the paths of good ones, and which these are."""
    colour = background_of(files.background)
    paths = objects([ImagePath.on(colour, path) for path in paths])
    checked = files.bad.check(paths.tolist(), looked, files.skips)
    keep_looks()
    images, notes = images_of(checked.results)
    about = about.model_copy(
        update={"skipped": files.skips.all(), "images": images, "notes": (*about.notes, *notes)}
    )
    return about, paths[checked.good], checked
