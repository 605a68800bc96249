"""Where an engine's items come from."""

from collections.abc import Sequence
from typing import Protocol

from alsatian.blocks.segment import State
from alsatian.data.dataset import Batch, Dataset
from alsatian.data.preprocessing import Preprocessing
from alsatian.runtime.meter.meter import Meter
from alsatian.runtime.storage.data_reader import DataReader


class DataSource(Protocol):
    """Gives batches of prepared items."""

    def prepare(self, preprocessing: Preprocessing, batch: Batch, chunk: Sequence[Batch]) -> State:
        """The items of ``batch`` as models take them; those of all of ``chunk`` are asked for one after another."""
        ...


class StoredData:
    """The items of ``dataset``, read by ``reader`` and brought to the meter's device."""

    def __init__(self, dataset: Dataset, reader: DataReader, meter: Meter) -> None:
        self._dataset = dataset
        self._reader = reader
        self._meter = meter

    def prepare(self, preprocessing: Preprocessing, batch: Batch, chunk: Sequence[Batch]) -> State:
        with self._meter.part("prepare_data"):
            items = self._dataset.items(batch)
            self._meter.count("data_bytes", self._reader.read(items))
            return tuple(tensor.to(self._meter.device) for tensor in preprocessing(items))
