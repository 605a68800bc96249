"""Stands for Slurm's commands, by the name that it is called by; jobs are processes, of which ``JOBS`` has the ids.

Nothing queues and nobody's limits hold: what is tested is what we ask of Slurm and make of its answers.
"""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

FOLDER = Path(os.environ["FAKE_SLURM"])
JOBS = FOLDER / "jobs"


def sbatch(script: str) -> None:
    text = Path(script).read_text()
    (FOLDER / "script.sh").write_text(text)
    (last,) = re.findall(r"^#SBATCH --array=0-(\d+)%", text, re.MULTILINE)
    for index in range(int(last) + 1):
        numbers = dict.fromkeys(("NODEID", "PROCID", "LOCALID"), "0") | {"NTASKS": "1", "JOB_NUM_NODES": "1"}
        own = {"JOB_ID": str(100 + index), "ARRAY_JOB_ID": "7", "ARRAY_TASK_ID": str(index)}
        job = subprocess.Popen(
            ["bash", script],
            env={**os.environ, **{f"SLURM_{name}": value for name, value in {**numbers, **own}.items()}},
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        with JOBS.open("a") as file:
            file.write(f"7_{index} {job.pid}\n")
    sys.stdout.write("Submitted batch job 7\n")


def srun(*words: str) -> None:
    command = words[words.index(sys.executable) :]
    os.execv(command[0], command)


def jobs() -> dict[str, int]:
    return {name: int(pid) for name, pid in map(str.split, JOBS.read_text().splitlines())}


def sacct(*words: str) -> None:
    sys.stdout.write("JobID|State|NodeList\n")
    for name, pid in jobs().items():
        state = "RUNNING" if Path(f"/proc/{pid}").exists() else "CANCELLED"
        sys.stdout.write(f"{name}|{state}|here\n")


def scancel(name: str, *words: str) -> None:
    """As Slurm does, SIGTERM to every process of the job's step, wherever they have gone."""
    for environ in Path("/proc").glob("[0-9]*/environ"):
        try:
            found = environ.read_bytes().split(b"\0")
        except OSError:
            continue
        if (
            f"SLURM_ARRAY_TASK_ID={name.partition('_')[2]}".encode() in found
            and f"FAKE_SLURM={FOLDER}".encode() in found
        ):
            os.kill(int(environ.parent.name), signal.SIGTERM)


if __name__ == "__main__":
    {"sbatch": sbatch, "srun": srun, "sacct": sacct, "scancel": scancel}[Path(sys.argv[0]).name](*sys.argv[1:])
