"""Real Chromium, spoken to over WebDriver (https://www.w3.org/TR/webdriver2/) with the standard library alone.

Debian's packages `chromium` and `chromium-driver`. Nothing is looked up or loaded but what the test serves on loopback.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from .server import free_port
from .waiting import until

CHROMIUM: Final = shutil.which("chromium")
DRIVER: Final = shutil.which("chromedriver")
_ELEMENT: Final = "element-6066-11e4-a52e-4f735466cecf"
_GONE: Final = ("no such element", "stale element reference", "no such frame")  # or replaced at this very moment
_SWITCHES: Final = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)


class Browser:
    """`with Browser() as browser:`; every one has a profile of its own. Elements are found by CSS."""

    def __init__(
        self,
        width: int = 1000,
        height: int = 900,
        *,
        hosts: Mapping[str, int] | None = None,
        trusted: str = "",
        blocks_third_party_cookies: bool = False,
        zone: str = "",
    ) -> None:
        """`hosts`: names and the loopback ports that they lead to, whatever port is asked for; no other name leads
        anywhere. `trusted`: `Authority.fingerprint` of the one key beside real authorities. `zone`: of its clock."""
        rules = (*(f"MAP {name} 127.0.0.1:{port}" for name, port in (hosts or {}).items()), "MAP * ~NOTFOUND")
        self._switches = [*_SWITCHES, f"--host-resolver-rules={', '.join((*rules, 'EXCLUDE 127.0.0.1'))}"]
        if trusted:
            self._switches.append(f"--ignore-certificate-errors-spki-list={trusted}")
        # As 'Block third-party cookies' in the settings does.
        self._prefs = {"profile.cookie_controls_mode": int(blocks_third_party_cookies)}
        self._env = {**os.environ, **({"TZ": zone} if zone else {})}
        self._profile = tempfile.TemporaryDirectory(prefix="b24bot-chromium-", ignore_cleanup_errors=True)
        self._size = f"--window-size={width},{height}"
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._session = ""

    def __enter__(self) -> Browser:
        assert CHROMIUM and DRIVER
        command = [DRIVER, f"--port={self._port}", "--allowed-ips=127.0.0.1"]
        quiet = subprocess.DEVNULL
        self._process = subprocess.Popen(command, stdout=quiet, stderr=quiet, env=self._env)
        until(self._is_up, what="chromedriver answers")
        switches = [*self._switches, self._size, f"--user-data-dir={self._profile.name}"]
        options = {"binary": CHROMIUM, "args": switches, "prefs": self._prefs}
        capabilities = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
        found = self._send("POST", "/session", {"capabilities": {"alwaysMatch": capabilities}})
        self._session = f"/session/{found['sessionId']}"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError, AssertionError):
            self._send("DELETE", self._session)
        if self._process is not None:
            self._process.terminate()
            self._process.wait(20)
        self._profile.cleanup()

    def open(self, url: str) -> None:
        self._send("POST", f"{self._session}/url", {"url": url})

    def reload(self) -> None:
        self._send("POST", f"{self._session}/refresh", {})

    def close_tab(self) -> None:
        self._send("DELETE", f"{self._session}/window")

    def into_frame(self) -> None:
        """From here on the document in the page's first frame is meant, until `to_top`. Raises LookupError."""
        self.to_top()
        self.into_inner_frame()

    def into_inner_frame(self) -> None:
        """The same within the document that is meant now."""
        self._send("POST", f"{self._session}/frame", {"id": {_ELEMENT: self._find("iframe")}})

    def to_top(self) -> None:
        self._send("POST", f"{self._session}/frame", {"id": None})

    def new_tab(self) -> str:
        found = self._send("POST", f"{self._session}/window/new", {"type": "tab"})
        return str(found["handle"])

    def tab(self) -> str:
        return str(self._send("GET", f"{self._session}/window"))

    def to_tab(self, handle: str) -> None:
        self._send("POST", f"{self._session}/window", {"handle": handle})

    def click(self, css: str) -> None:
        self._send("POST", f"{self._session}/element/{self._find(css)}/click", {})

    def type(self, css: str, text: str) -> None:
        self._send("POST", f"{self._session}/element/{self._find(css)}/value", {"text": text})

    def press(self, key: str) -> None:
        """One key, wherever the focus is: a character, or 'Tab', 'Enter', 'Escape'."""
        value = {"Tab": "\ue004", "Enter": "\ue007", "Escape": "\ue00c"}.get(key, key)
        actions = [{"type": "keyDown", "value": value}, {"type": "keyUp", "value": value}]
        keyboard = {"type": "key", "id": "keyboard", "actions": actions}
        self._send("POST", f"{self._session}/actions", {"actions": [keyboard]})

    def text(self, css: str = "body") -> str:
        """What a person sees of the element; '' when there is none."""
        with suppress(LookupError):
            return str(self._send("GET", f"{self._session}/element/{self._find(css)}/text"))
        return ""

    def has(self, css: str) -> bool:
        with suppress(LookupError):
            return bool(self._find(css))
        return False

    def run(self, script: str, *args: Any) -> Any:
        """The value that the script returns (a promise is waited for)."""
        return self._send("POST", f"{self._session}/execute/sync", {"script": script, "args": list(args)})

    def size(self, width: int, height: int) -> None:
        """Of what a page sees; below 600 it is a telephone's. A window cannot be as narrow as that."""
        self.devtools(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )

    def devtools(self, command: str, **values: Any) -> Any:
        """A command of https://chromedevtools.github.io/devtools-protocol/ and what it answers."""
        return self._send("POST", f"{self._session}/goog/cdp/execute", {"cmd": command, "params": values})

    def complaints(self) -> list[str]:
        """What the console said of errors and of what the page's policy forbade, since the last time."""
        rows = self._send("POST", f"{self._session}/se/log", {"type": "browser"})
        return [row["message"] for row in rows if row["level"] == "SEVERE"]

    def screenshot(self, path: Path) -> None:
        """The whole page, not only what a window shows of it."""
        found = self.devtools("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(found["data"]))

    def _find(self, css: str) -> str:
        found = self._send("POST", f"{self._session}/element", {"using": "css selector", "value": css})
        return str(found[_ELEMENT])

    def _is_up(self) -> bool:
        with suppress(OSError):
            return bool(self._send("GET", "/status")["ready"])
        return False

    def _send(self, verb: str, path: str, body: Any = None) -> Any:
        data = json.dumps(body).encode() if body is not None else None
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"http://127.0.0.1:{self._port}{path}", data, headers, method=verb)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            with error:
                value = json.load(error)["value"]
            if value["error"] in _GONE:
                raise LookupError(value["message"]) from None
            raise AssertionError(f"{path}: {value['error']}: {value['message']}") from None
