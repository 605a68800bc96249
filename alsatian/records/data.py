"""What a dataset is made of: said before anything runs, kept in the record, shown in the report."""

import textwrap

from alsatian.records.base import Count, Number, Record, Text

EXAMPLES = 3
# Classes that are named in one line.
_NAMED = 6


class Skipped(Record):
    """Files or rows that were left out for one reason; ``examples`` are the first of them."""

    reason: Text
    items: Count
    examples: tuple[str, ...]

    @property
    def text(self) -> str:
        """In one line."""
        more = ", …" if self.items > len(self.examples) else ""
        return f"{self.items:,} {self.reason}: {', '.join(self.examples)}{more}"


class ClassItems(Record):
    """A class and how many items it has in each part."""

    name: str
    train_items: Count
    test_items: Count

    @property
    def items(self) -> int:
        """In both parts."""
        return self.train_items + self.test_items


class Numbers(Record):
    """Labels that are numbers: how many there are in each part, and the smallest, middle and largest."""

    train_items: Count
    test_items: Count
    low: Number
    median: Number
    high: Number

    @property
    def text(self) -> str:
        """In one line."""
        return f"numbers from {self.low:g} to {self.high:g}, median {self.median:g}"


class Images(Record):
    """How many images there are of each mode of Pillow, and the smallest and largest sides in pixels."""

    modes: dict[str, Count]
    width: tuple[Count, Count]
    height: tuple[Count, Count]

    @property
    def text(self) -> str:
        """In one line."""
        modes = ", ".join(f"{count:,} {mode}" for mode, count in self.modes.items())
        sides = (f"{low}" if low == high else f"{low} to {high}" for low, high in (self.width, self.height))
        return f"{modes}; {' pixels wide, '.join(sides)} high"


class DataSummary(Record):
    """What was read, skipped and assumed.

    Attributes:
        source: the folder, file or name that the items come from.
        kind: what an item is.
        classes: every class with its items, in the order of the labels from 0; none where labels are numbers.
        numbers: the range of the labels where they are numbers.
        split: how the test part came about.
        skipped: what was left out.
        images: modes and sizes, if the items are images.
        notes: what was assumed or converted.
        warnings: what may be wrong with the data.
    """

    source: str
    kind: Text = "items"
    classes: tuple[ClassItems, ...] = ()
    numbers: Numbers | None = None
    split: str = ""
    skipped: tuple[Skipped, ...] = ()
    images: Images | None = None
    notes: tuple[Text, ...] = ()
    warnings: tuple[Text, ...] = ()

    @property
    def train_items(self) -> int:
        """Number of training items."""
        return self.numbers.train_items if self.numbers else sum(one.train_items for one in self.classes)

    @property
    def test_items(self) -> int:
        """Number of test items."""
        return self.numbers.test_items if self.numbers else sum(one.test_items for one in self.classes)

    def rows(self, named: int = _NAMED) -> list[tuple[str, str]]:
        """The summary for people, each row with a word that says what it is about; only the first classes are
        ``named``."""
        shown = ", ".join(f"{one.name} ({one.items:,})" for one in self.classes[:named])
        more = f", … ({len(self.classes) - named:,} more)" if len(self.classes) > named else ""
        parts = f"{self.train_items:,} to train, {self.test_items:,} to test"
        return [
            ("source", self.source),
            ("items", f"{self.train_items + self.test_items:,} {self.kind}: {parts} ({self.split})"),
            ("labels", self.numbers.text) if self.numbers else ("classes", f"{len(self.classes):,}: {shown}{more}"),
            *([("images", self.images.text)] if self.images else []),
            *([("skipped", "; ".join(one.text for one in self.skipped))] if self.skipped else []),
            *([("assumed", "; ".join(self.notes))] if self.notes else []),
            *(("warning", warning) for warning in self.warnings),
        ]

    def text(self, name: str, width: int = 80) -> str:
        """The summary of the dataset ``name`` for a terminal of ``width`` columns."""
        lines = [f"Data {name}"]
        for about, what in self.rows():
            lines += textwrap.wrap(what, width, initial_indent=f"  {about:<9}", subsequent_indent=" " * 11)
        return "\n".join(lines)


class Dataset(Record):
    """What the models were scored on; ``classes`` is 0 where labels are numbers, and ``summary`` None where nothing
    more is known."""

    name: Text
    digest: Text
    train_items: Count
    test_items: Count
    classes: Count
    summary: DataSummary | None = None


def examples_of(reason: str, names: list[str]) -> Skipped:
    """What was left out for one ``reason``."""
    return Skipped(reason=reason, items=len(names), examples=tuple(names[:EXAMPLES]))
