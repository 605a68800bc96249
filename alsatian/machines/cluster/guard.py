"""Outlives a search on Ray: a process of its own that ends what Ray leaves behind, however the search ended.

Run with the folder that the cluster's files are in, and the address and socket of its head.
It waits until its standard input closes, as it does when the search dies. If the search did not say goodbye before
and the cluster is gone, that is why it died (Ray then ends a process without a word), and a line says so.
Knows nothing of this package, so that it starts at once.
"""

import contextlib
import os
import shutil
import signal
import socket
import sys
import time

BYE = b"bye\n"
LINE = (
    "alsatian: the Ray cluster of this search is gone; the same command goes on behind the last finished round, if "
    "a checkpoint is kept"
)
# For processes to end by themselves, and to look again whether all have.
_GRACE_S, _LOOKS = 0.5, 20


def is_there(address: str, path: str) -> bool:
    """Whether the head at ``address`` and the daemon of this machine, whose socket ``path`` is, answer."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), 2).close()
        if path:
            with socket.socket(socket.AF_UNIX) as daemon:
                daemon.connect(path)
    except OSError:
        return False
    return True


def users(folder: str, but: int) -> list[int]:
    """Ids of processes that have files in ``folder`` open, as all of Ray's have their logs; without the one that
    started this. (Their environments and command lines say nothing: they overwrite both.)"""
    found = []
    for name in os.listdir("/proc") if os.path.isdir("/proc") else []:
        if name.isdecimal() and int(name) not in (os.getpid(), but):
            try:
                links = [os.readlink(f"/proc/{name}/fd/{number}") for number in os.listdir(f"/proc/{name}/fd")]
            except OSError:  # it has ended, or is another user's
                continue
            if any(link.startswith(f"{folder}/") for link in links):
                found.append(int(name))
    return found


def main(folder: str, address: str, path: str) -> int:
    """Wait, and clean up; ``folder`` is empty where the cluster is not the search's own."""
    parent = os.getppid()
    said = sys.stdin.buffer.read()
    if said != BYE and not is_there(address, path):
        with contextlib.suppress(OSError):  # nobody reads it
            os.write(2, f"{LINE}\n".encode())
    if folder:
        time.sleep(0 if said == BYE else _GRACE_S)
        for _ in range(_LOOKS):
            left = users(folder, parent)
            if not left:
                break
            for process in left:
                try:
                    os.kill(process, signal.SIGKILL)
                except OSError:
                    continue
            time.sleep(0.1)
        if said != BYE:  # whoever made it removes it
            shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.exit(main(*sys.argv[1:]))
