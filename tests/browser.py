"""A real browser without a window, spoken to in the DevTools protocol over a pipe.

https://chromedevtools.github.io/devtools-protocol/; messages are JSON, each ended by a NUL byte.
"""

import base64
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
PLAYWRIGHT = "chromium*-*/chrome-linux*/*"
# A browser reads commands from descriptor 3 and writes answers to 4, which may be in use: first out of their way.
_EXEC = """import fcntl, os, sys
ends = [fcntl.fcntl(int(number), fcntl.F_DUPFD, 10) for number in sys.argv[1:3]]
for end, number in zip(ends, (3, 4)):
    os.dup2(end, number)
os.execvp(sys.argv[3], sys.argv[3:])
"""


def find() -> str | None:
    """A Chromium in PATH or among those that Playwright installed."""
    for name in NAMES:
        if path := shutil.which(name):
            return path
    folder = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH") or Path.home() / ".cache" / "ms-playwright")
    found = [path for path in folder.glob(PLAYWRIGHT) if path.name in ("chrome", "headless_shell")]
    return str(max(found)) if found else None


class Tab:
    """One page. ``complaints`` is what the browser's console says: errors, warnings, uncaught exceptions."""

    def __init__(self, write: int, read: int) -> None:
        self._write, self._read = write, read
        self._numbers = itertools.count(1)
        self._buffer = b""
        self._session: str | None = None
        self._loaded = False
        self.complaints: list[str] = []
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._call(f"{domain}.enable")

    def open(self, path: Path, anchor: str = "", width: int = 1280, height: int = 900, phone: bool = False) -> None:
        """Load the file ``path`` in a window of ``width`` by ``height`` pixels, and wait until all is there."""
        self._call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=2 if phone else 1, mobile=phone,
        )  # fmt: skip
        # By way of an empty page: going to another anchor of the same page would load nothing.
        for url in ("about:blank", path.resolve().as_uri() + (f"#{anchor}" if anchor else "")):
            self._loaded = False
            self._call("Page.navigate", url=url)
            while not self._loaded:
                self._receive()

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression, promises included."""
        found = self._call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in found:
            raise AssertionError(found["exceptionDetails"])
        return found["result"].get("value")

    def mouse(self, kind: str, x: float, y: float, **more: Any) -> None:
        """A ``mouseMoved``, ``mousePressed``, ``mouseReleased`` or ``mouseWheel`` at a place in the window."""
        self._call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **more)

    def click(self, x: float, y: float) -> None:
        """Go there and press the left button."""
        self.mouse("mouseMoved", x, y)
        for kind in ("mousePressed", "mouseReleased"):
            self.mouse(kind, x, y, button="left", clickCount=1)

    def press(self, key: str) -> None:
        """Press and release a ``key``, e.g. ``ArrowDown``."""
        for kind in ("keyDown", "keyUp"):
            self._call("Input.dispatchKeyEvent", type=kind, key=key, code=key)

    def write(self, text: str) -> None:
        """Type ``text`` into what has the focus."""
        self._call("Input.insertText", text=text)

    def screenshot(self, path: Path, whole: bool = True) -> None:
        """Write a PNG of the page, or of what the window shows."""
        found = self._call("Page.captureScreenshot", captureBeyondViewport=whole, format="png")
        path.write_bytes(base64.b64decode(found["data"]))

    def _call(self, method: str, **parameters: Any) -> Any:
        number = next(self._numbers)
        message: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._write, data) :]
        while (answer := self._receive()).get("id") != number:
            pass
        if "error" in answer:
            raise AssertionError(f"{method}: {answer['error']}")
        return answer["result"]

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            more = os.read(self._read, 1 << 20)
            if not more:
                raise AssertionError("the browser has ended")
            self._buffer += more
        line, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        self._note(message.get("method", ""), message.get("params", {}))
        return message

    def _note(self, event: str, facts: dict[str, Any]) -> None:
        if event == "Page.loadEventFired":
            self._loaded = True
        elif event == "Runtime.exceptionThrown":
            self.complaints.append(str(facts["exceptionDetails"]))
        elif event == "Log.entryAdded":
            self.complaints.append(f"{facts['entry']['level']}: {facts['entry']['text']}")
        elif event == "Runtime.consoleAPICalled":
            self.complaints.append(f"{facts['type']}: {facts['args']}")
        elif event == "Network.loadingFailed" and facts.get("errorText") != "net::ERR_ABORTED":
            self.complaints.append(f"not loaded: {facts['errorText']}")


@contextmanager
def tab(browser: str) -> Iterator[Tab]:
    """A tab in a browser of its own, which ends with it."""
    commands_read, commands_write = os.pipe()
    answers_read, answers_write = os.pipe()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        words = [
            *(browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"),
            *("--disable-extensions", "--hide-scrollbars", f"--user-data-dir={profile}", "--remote-debugging-pipe"),
        ]
        process = subprocess.Popen(
            [sys.executable, "-c", _EXEC, str(commands_read), str(answers_write), *words],
            pass_fds=(commands_read, answers_write),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(commands_read)
        os.close(answers_write)
        try:
            yield Tab(commands_write, answers_read)
        finally:
            os.close(commands_write)  # a browser whose pipe is closed ends
            with suppress(subprocess.TimeoutExpired):
                process.wait(30)
            process.kill()
            os.close(answers_read)
