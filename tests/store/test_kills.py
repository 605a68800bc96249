"""``kill -9`` at any moment of adding models or of an upgrade: nothing is lost, nothing is half-written, and doing
it again completes it.

With ``--kills 30`` each is killed as often; ``--seed`` chooses the moments. With ``--thorough`` also
where the store holds deltas.
"""

import itertools
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from alsatian.fingerprint import parameter_fingerprint
from alsatian.models.sets.folder import add_path
from alsatian.store import maintenance
from alsatian.store.files.tensor_index import FILE
from alsatian.store.statistics import stats
from alsatian.store.store import BlockStore
from tests.models.reading.checkpoint_files import save_vit

ROOT = Path(__file__).parents[2]
MODELS = 6

# Forks a process for each line, which carries it out; says its id, and with the next line how it ended.
SERVER = """
import os, sys, torch
torch.set_num_threads(1)
import transformers, transformers.models.vit.modeling_vit
from pathlib import Path
from alsatian.models.sets.folder import add_path
from alsatian.progress import unheard
from alsatian.store.store import BlockStore
from alsatian.store.upgrade import upgrade
sys.stdin = open(0, closefd=False)
for line in iter(sys.stdin.readline, ""):
    work, root, deltas, models = line.rstrip().split("|")
    child = os.fork()
    if not child:
        sys.stdout = open(os.devnull, "w")
        store = BlockStore(root, deltas=float(deltas) or None)
        add_path(store, Path(models)) if work == "ingest" else upgrade(store, unheard)
        os._exit(0)
    print(child, flush=True)
    sys.stdin.readline()  # until then its id is its own
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""

Tensors = dict[str, list[str]]


@dataclass
class Worker:
    """Carries out ``"ingest"`` or ``"upgrade"`` in processes that are ready at once."""

    server: subprocess.Popen[str]

    def start(self, work: str, case: "Case", store: Path) -> int:
        """The process that does it."""
        return self._asked(f"{work}|{store}|{case.deltas or 0}|{case.models}")

    def ended(self) -> int:
        """Its exit status, once it has ended; negative for a signal."""
        return self._asked("")

    def _asked(self, line: str) -> int:
        assert self.server.stdin is not None
        assert self.server.stdout is not None
        self.server.stdin.write(f"{line}\n")
        self.server.stdin.flush()
        return int(self.server.stdout.readline())


@dataclass(frozen=True)
class Case:
    """Models, the bandwidth for which the store holds deltas of them, and the store that a process made of them
    which was left alone."""

    models: Path
    deltas: float | None
    whole: BlockStore


def tune_biases(name: str, parameter: torch.nn.Parameter) -> None:
    if name.endswith("bias"):
        torch.nn.init.normal_(parameter, std=0.1)


def tune_all(name: str, parameter: torch.nn.Parameter) -> None:
    with torch.no_grad():
        parameter.mul_(1 + 1e-4 * torch.randn(parameter.shape))


# How fine-tunes differ, and bytes per second so few that every delta that saves enough is worth it.
CASES = {"whole": (tune_biases, None), "deltas": (tune_all, 1.0)}


@pytest.fixture(scope="module", params=["whole", pytest.param("deltas", marks=pytest.mark.thorough)])
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    """A vision transformer and fine-tunes of it."""
    from transformers import ViTConfig, ViTForImageClassification

    tune, deltas = CASES[request.param]
    if deltas:
        pytest.importorskip("zstandard")
    folder = tmp_path_factory.mktemp("models")
    torch.manual_seed(0)
    config = ViTConfig(
        hidden_size=128, num_hidden_layers=2, num_attention_heads=2, intermediate_size=256, image_size=32,
        patch_size=8, num_labels=3,
    )  # fmt: skip
    module = ViTForImageClassification(config).eval()
    for i in range(MODELS):
        for name, parameter in module.named_parameters():
            tune(name, parameter)
        save_vit(module, folder / f"m{i}")
    store = BlockStore(tmp_path_factory.mktemp("whole") / "store", deltas=deltas)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("alsatian.models.reading.architectures._library", {})  # so that the store gets it
        add_path(store, folder)
    assert bool(stats(store).deltas) == (deltas is not None)
    return Case(folder, deltas, store)


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    command = [sys.executable, "-c", SERVER]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, text=True) as server:
        yield Worker(server)
        assert server.stdin is not None
        server.stdin.close()


def tensors(store: BlockStore) -> Tensors:
    """The parameters of all models that the store lists, block by block; each is read and verified."""
    always = store.verifying("always")
    found = {}
    for model_id in store.model_ids():
        blocks = store.model(model_id).blocks
        found[model_id] = [parameter_fingerprint(always.load_block(b.identity, model_id)) for b in blocks]
    return found


@pytest.fixture(scope="module")
def before(case: Case, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same store as an earlier version wrote it: every block holds all of its tensors."""
    folder, whole = tmp_path_factory.mktemp("before") / "store", case.whole
    shutil.copytree(whole.root, folder)
    (folder / FILE).unlink()
    shutil.rmtree(folder / "verified")
    for path in folder.glob("blocks/*/*.safetensors"):
        read = whole.read_block(path.stem, "")
        named = {str(i): tensor for i, tensor in enumerate(read.in_order)}
        save_file(named, path, {"architecture": read.header.architecture})
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("work", ["ingest", "upgrade"])
def test_a_kill_at_any_moment_loses_nothing(
    work: str, case: Case, worker: Worker, before: Path, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    kills, rng = pytestconfig.getoption("--kills"), random.Random(pytestconfig.getoption("--seed"))
    whole = case.whole
    right, manifests = tensors(whole), {i: whole.manifest_path(i).read_bytes() for i in whole.model_ids()}
    assert len(right) == MODELS

    names = map(str, itertools.count())

    def fresh() -> BlockStore:
        name = next(names)
        if work == "upgrade":
            shutil.copytree(before, tmp_path / name)
        elif name == "1":
            (tmp_path / name).mkdir()
        else:  # to export the architecture takes longer than all else
            shutil.copytree(whole.architectures, tmp_path / name / whole.architectures.name)
        return BlockStore(tmp_path / name)

    def check(store: BlockStore) -> None:
        listed = store.model_ids()
        assert work == "ingest" or listed == whole.model_ids()
        assert maintenance.verify(BlockStore(store.root)) == []
        assert tensors(BlockStore(store.root)) == {model_id: right[model_id] for model_id in listed}
        assert all(store.manifest_path(i).read_bytes() == manifests[i] for i in listed)

    def complete(store: BlockStore) -> float:
        """Do it again; the seconds that it takes."""
        start = time.monotonic()
        worker.start(work, case, store.root)
        assert worker.ended() == 0
        end = time.monotonic()
        check(store)
        assert store.model_ids() == whole.model_ids()
        maintenance.gc(store, grace_s=0)
        assert not list(store.root.rglob(".*.tmp"))
        assert stats(store).unreferenced_blocks == 0
        # Nothing was stored twice, either.
        assert stats(store).file_bytes == stats(whole).file_bytes
        return end - start

    takes = complete(fresh())
    store, done, interrupted = fresh(), 0, 0
    while done < kills:
        child = worker.start(work, case, store.root)
        time.sleep(rng.uniform(0, takes))
        os.kill(child, signal.SIGKILL)
        if worker.ended() == -signal.SIGKILL:
            done += 1
            interrupted += any(store.root.rglob(".*.tmp"))
            check(store)
        else:  # it was faster than its killer
            takes *= 0.9
        if rng.random() < 0.25 or store.model_ids() == whole.model_ids():
            complete(store)
            store = fresh()
    complete(store)
    assert interrupted or kills < 30  # or nothing was interrupted in writing, and this could not fail
