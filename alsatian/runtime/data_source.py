"""Where an engine's items come from."""

from collections.abc import Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True)
class StoredData:
    """The items of ``dataset``, read by ``reader`` and brought to the meter's device."""

    dataset: Dataset
    reader: DataReader
    meter: Meter

    def prepare(self, preprocessing: Preprocessing, batch: Batch, chunk: Sequence[Batch]) -> State:
        with self.meter.part("prepare_data"):
            items = self.dataset.items(batch)
            self.meter.count("data_bytes", self.reader.read(items))
            return tuple(tensor.to(self.meter.device) for tensor in preprocessing(items))
