"""A headless Chromium, driven by its DevTools protocol (https://chromedevtools.github.io)."""

from __future__ import annotations

import base64
import http.client
import itertools
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from websocket import WebSocket, create_connection

PROGRAMS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
PATIENCE_S = 60.0
KEYS = {"Tab": 9, "Enter": 13, "Escape": 27, "End": 35, "Home": 36, "ArrowUp": 38}
KEYS |= {"ArrowLeft": 37, "ArrowRight": 39, "ArrowDown": 40}
"""Key codes as Windows has them, which the protocol wants."""


def program() -> str | None:
    """The browser of this machine."""
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


class Tab:
    """One page of it. What its scripts log or throw, and what its policy forbids, is collected."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket
        self._ids = itertools.count(1)
        self.complaints: list[str] = []
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command; its result."""
        number = next(self._ids)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            message: dict[str, Any] = json.loads(self._socket.recv())
            self._note(message)
            if message.get("id") == number:
                assert "error" not in message, f"{method}: {message['error']}"
                result: dict[str, Any] = message["result"]
                return result

    def _note(self, message: dict[str, Any]) -> None:
        parameters = message.get("params", {})
        match message.get("method"):
            case "Runtime.exceptionThrown":
                self.complaints.append(str(parameters["exceptionDetails"]))
            case "Runtime.consoleAPICalled":
                self.complaints.append(str(parameters["args"]))
            case "Log.entryAdded":
                self.complaints.append(str(parameters["entry"]["text"]))

    def open(self, url: str) -> None:
        """Go there, and wait until the page is loaded: the complaints are then this page's only.

        The page of before is left first: until it is gone it runs, and may complain.
        """
        self._go("about:blank")
        self.complaints.clear()
        self._go(url)

    def _go(self, url: str) -> None:
        self.call("Page.navigate", url=url)
        self.until(f"location.href === {json.dumps(url)} && document.readyState === 'complete'")

    def eval(self, expression: str) -> Any:
        """The value of an expression of JavaScript."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def until(self, expression: str) -> Any:
        """Wait until that is true; returns it."""
        deadline = time.monotonic() + PATIENCE_S
        while not (found := self.eval(expression)):
            assert time.monotonic() < deadline, f"never: {expression}\n{self.text()}"
            time.sleep(0.05)
        return found

    def text(self) -> str:
        """What a person can read."""
        return str(self.eval("document.body.innerText"))

    def press(self, key: str) -> None:
        """Press a key, and let go of it."""
        codes = {"key": key, "code": key, "windowsVirtualKeyCode": KEYS[key]}
        text = {"text": "\r"} if key == "Enter" else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", **codes, **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", **codes)

    def point(self, expression: str) -> None:
        """Move the mouse to the middle of an element."""
        where = f"(({expression}).scrollIntoView({{block: 'center'}}), "
        box = self.eval(f"{where} ({expression}).getBoundingClientRect().toJSON())")
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def prefer(self, scheme: str) -> None:
        """Be on a machine whose owner likes it `dark` or `light`."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", features=features)

    def picture(self, width: int, height: int) -> bytes:
        """A PNG of the page's top."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.call("Emulation.setDeviceMetricsOverride", **metrics)
        return base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])


@contextmanager
def browser(folder: Path) -> Iterator[Tab]:
    """A browser with one tab, gone afterwards. `folder`: for its profile."""
    name = program()
    assert name, f"no browser: one of {PROGRAMS} must be installed"
    command = [name, "--headless", "--remote-debugging-port=0", f"--user-data-dir={folder}"]
    command += ["--no-first-run", "--disable-gpu", "--disable-dev-shm-usage", "--no-proxy-server"]
    command += ["--disable-background-networking", "--window-size=1100,900", "about:blank"]
    if os.geteuid() == 0:
        command.append("--no-sandbox")
    quiet = subprocess.DEVNULL
    # Debian's program is a script that starts the browser: what it starts is ended with it.
    process = subprocess.Popen(
        command, stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True
    )
    try:
        port = _port(folder / "DevToolsActivePort", process)
        with closing(_connect(port)) as socket:
            yield Tab(socket)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _port(file: Path, process: subprocess.Popen[bytes]) -> int:
    deadline = time.monotonic() + PATIENCE_S
    while not (file.exists() and file.read_text("utf-8").count("\n")):
        assert process.poll() is None, "the browser has ended"
        assert time.monotonic() < deadline, "the browser does not start"
        time.sleep(0.05)
    return int(file.read_text("utf-8").splitlines()[0])


def _connect(port: int) -> WebSocket:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)) as connection:
        connection.request("GET", "/json/list")
        pages = json.loads(connection.getresponse().read())
    url = next(page["webSocketDebuggerUrl"] for page in pages if page["type"] == "page")
    return create_connection(url, timeout=PATIENCE_S, suppress_origin=True)
