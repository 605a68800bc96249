"""Where an engine's items come from: the data of the target task, read under the storage regime."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from alsatian.blocks.segment import State
from alsatian.data.dataset import Batch, Dataset, raw_bytes
from alsatian.data.preprocessing import Preprocessing
from alsatian.errors import ConfigError
from alsatian.runtime.meter.meter import Meter
from alsatian.runtime.storage.reader import Reader
from alsatian.runtime.storage.regime import Storage
from alsatian.runtime.storage.throttle import Throttle


class DataSource(Protocol):
    """Gives batches of prepared items."""

    def prepare(self, preprocessing: Preprocessing, batch: Batch, chunk: Sequence[Batch]) -> State:
        """The items of ``batch`` as models take them; those of all of ``chunk`` are asked for one after another."""
        ...


class StoredData:
    """The items of ``dataset``, brought to the meter's device. It belongs to one search.

    Files are read through the throttle into the page cache, where decoding finds them. With a cold regime a
    file is dropped before its first read only: further models read the same file again, and an operating
    system that starts cold has it by then. Items that are arrays or texts already cost their bytes' time.
    """

    def __init__(self, dataset: Dataset, storage: Storage, meter: Meter) -> None:
        self._dataset = dataset
        self._throttle = Throttle(storage.data_bytes_per_second)
        self._first = Reader(self._throttle, storage.cold)
        self._again = Reader(self._throttle)
        self._needed = storage.cold or self._throttle.limits
        self._seen: set[Path] = set()
        self._meter = meter

    def prepare(self, preprocessing: Preprocessing, batch: Batch, chunk: Sequence[Batch]) -> State:
        with self._meter.part("prepare_data"):
            items = self._dataset.items(batch)
            self._meter.count("data_bytes", self.read(items))
            self._meter.count("prepared_items", batch.items)
            return tuple(tensor.to(self._meter.device) for tensor in preprocessing(items))

    def read(self, items: np.ndarray) -> int:
        """Bring ``items`` (N, …) into memory and return their size in bytes.

        Raises:
            ConfigError: a file cannot be read.
        """
        if not self._needed or items.dtype != object or not all(isinstance(item, Path) for item in items):
            size = raw_bytes(items)
            self._throttle.charge(size)
            return size
        return sum(self._fetch(path) for path in items)

    def _fetch(self, path: Path) -> int:
        reader = self._again if path in self._seen else self._first
        try:
            fetched = reader.fetch(path)
        except OSError as error:
            raise ConfigError(f"{path}: cannot be read ({error.strerror})") from None
        self._seen.add(path)
        self._meter.count("warm_reads", fetched.warm)
        return fetched.size
