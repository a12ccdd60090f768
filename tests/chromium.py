"""A real browser without a window, driven through its debugging pipe: real keys, a real mouse, and its console."""

from __future__ import annotations

import base64
import itertools
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from required import skip_or_fail

# Without these it calls home, which takes long where it cannot
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-extensions", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--disable-quic"),
)
KEYS = {"ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40, "Enter": 13, "Escape": 27, "Tab": 9}
PATIENCE = 120.0  # s


class PageError(Exception):
    """What a script in the page threw, or that the browser did not answer."""


class Page:
    """One page of the browser."""

    def __init__(self, write: int, read: int) -> None:
        self._write, self._read = write, read
        self._numbers = itertools.count(1)
        self._rest = b""
        self._session: str | None = None
        self.console: list[str] = []
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **parameters: Any) -> Any:
        """Ask the browser for something and wait for its answer."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        for answer in self._messages():
            if answer.get("id") == number:
                if "error" in answer:
                    raise PageError(f"{method}: {answer['error']}")
                return answer["result"]
        raise PageError(f"{method}: no answer")

    def _messages(self) -> Iterator[dict[str, Any]]:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            while b"\0" in self._rest:
                text, self._rest = self._rest.split(b"\0", 1)
                message = json.loads(text)
                self._note(message)
                yield message
            if select.select([self._read], [], [], 1.0)[0]:
                self._rest += os.read(self._read, 1 << 20)

    def _note(self, message: dict[str, Any]) -> None:
        kind, content = message.get("method"), message.get("params", {})
        if kind == "Runtime.exceptionThrown":
            self.console.append(json.dumps(content["exceptionDetails"]))
        elif kind == "Runtime.consoleAPICalled" and content["type"] in {"error", "warning", "assert"}:
            self.console.append(json.dumps(content["args"]))
        elif kind == "Log.entryAdded" and content["entry"]["level"] in {"error", "warning"}:
            self.console.append(content["entry"]["text"])

    def open(self, address: str, ready: str = "document.readyState === 'complete'") -> float:
        """Open an address, wait until `ready` holds, and return how long that took in s."""
        self.send("Page.navigate", url="about:blank")  # else a link into the same page would not load it
        start = time.monotonic()
        self.send("Page.navigate", url=address)
        while time.monotonic() < start + PATIENCE:
            try:
                if self.run(f"return location.href !== 'about:blank' && Boolean({ready})"):
                    return time.monotonic() - start
            except PageError:  # between two pages
                pass
            time.sleep(0.005)
        raise PageError(f"{address}: {ready} did not come true")

    def resize(self, width: int, height: int = 1000) -> None:
        """Give the page the size of a screen; a narrow one is a phone's."""
        self.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )

    def run(self, script: str) -> Any:
        """Run the body of an asynchronous function, and return what it returns."""
        answer = self.send(
            "Runtime.evaluate", expression=f"(async () => {{ {script} }})()", awaitPromise=True, returnByValue=True
        )
        if "exceptionDetails" in answer:
            raise PageError(json.dumps(answer["exceptionDetails"]))
        return answer["result"].get("value")

    def press(self, *keys: str) -> None:
        """Press keys, one after another."""
        for key in keys:
            for kind in ("rawKeyDown", "keyUp"):
                self.send("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=KEYS[key])
        self.settle()

    def paste(self) -> str:
        """Return what the clipboard holds, by pasting it into a field as a person would."""
        self.run("""const field = document.createElement("textarea"); field.id = "pasted";
            field.style.position = "fixed"; document.body.prepend(field); field.focus();""")
        for kind in ("rawKeyDown", "keyUp"):
            self.send("Input.dispatchKeyEvent", type=kind, key="v", modifiers=2, commands=["paste"])
        self.settle(0.1)
        return str(self.run('const field = document.getElementById("pasted"); field.remove(); return field.value;'))

    def type(self, selector: str, text: str) -> None:
        """Put a text into a field, as typing over what is there does."""
        self.run(f"const field = document.querySelector({json.dumps(selector)}); field.focus(); field.select();")
        self.send("Input.insertText", text=text)
        if not text:
            self.send("Input.dispatchKeyEvent", type="rawKeyDown", key="Delete", windowsVirtualKeyCode=46)
        self.settle()

    def move(self, x: float, y: float, click: bool = False) -> None:
        """Move the mouse to a place on the screen, and click there."""
        self.send("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        self.settle(0.3)
        for kind in ("mousePressed", "mouseReleased") if click else ():
            self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)
        self.settle(0.5 if click else 0.0)  # it might have been the first of a double click

    def settle(self, more: float = 0.0) -> None:
        """Wait until the page has been drawn."""
        time.sleep(more)
        self.run("for (let i = 0; i < 3; i++) await new Promise((go) => requestAnimationFrame(go));")

    def picture(self, path: Path, height: int | None = None) -> Path:
        """Save what the page looks like, all of it or down to a height."""
        size = self.send("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": height or size["height"], "scale": 1}
        shot = self.send("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        path.write_bytes(base64.b64decode(shot["data"]))
        return path


def find_browser() -> str:
    """Return the path of Chromium, or skip the test."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    return found or skip_or_fail("no Chromium is installed (Debian: chromium)")


@contextmanager
def open_browser(folder: Path) -> Iterator[Page]:
    """Start Chromium with a profile in a folder; it ends with the block."""
    to_browser, ours_write = os.pipe()
    ours_read, from_browser = os.pipe()

    def hand_over() -> None:  # it reads commands from file 3 and answers on file 4
        first, second = os.dup(to_browser), os.dup(from_browser)
        os.dup2(first, 3)
        os.dup2(second, 4)

    process = subprocess.Popen(
        [find_browser(), *FLAGS, "--remote-debugging-pipe", f"--user-data-dir={folder / 'profile'}", "about:blank"],
        preexec_fn=hand_over,
        close_fds=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(to_browser)
    os.close(from_browser)
    try:
        yield Page(ours_write, ours_read)
    finally:
        os.close(ours_write)
        os.close(ours_read)
        process.terminate()
        process.wait(timeout=30)
