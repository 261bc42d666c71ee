"""`bot.log`: one JSON object a line, with `trace_id`, never a secret."""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Iterable
from logging.handlers import WatchedFileHandler
from pathlib import Path
from typing import Final

EXTRAS: Final = ("trace_id", "job", "chat_id", "event", "status", "ms")

# The last line of defence: nothing secret is handed to a logger, and what slips through is masked here.
_SECRET_PAIR: Final = re.compile(
    r"""((?:access_token|refresh_token|application_token|client_secret|api_secret_token|auth_id|refresh_id|auth|token
    |code|secret)(?:["']|\]|%5D)*\s*(?:=|:\s*["'])\s*["']?|bearer\s+|x-api-token:\s*)[^\s&"',;}\]]{6,}""",
    re.IGNORECASE | re.VERBOSE,
)


class JsonLines(logging.Formatter):
    def __init__(self, instance: str, secrets: Iterable[str]) -> None:
        super().__init__()
        self._instance = instance
        self._secrets = tuple(secret for secret in secrets if secret)

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname,
            "instance": self._instance,
            "logger": record.name.removeprefix("python_bot."),
            "message": self.mask(record.getMessage()),
        }
        for name in EXTRAS:
            value = getattr(record, name, None)
            if value not in (None, ""):
                line[name] = self.mask(value) if isinstance(value, str) else value
        if record.exc_info:
            line["exception"] = self.mask(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False)

    def mask(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return _SECRET_PAIR.sub(r"\1***", text)


def open_log(path: Path, level: str, instance: str, secrets: Iterable[str]) -> logging.Handler:
    """Send everything that the package logs to `path` (0600; rotated from outside). Returns the handler to close."""
    path.touch(mode=0o600)
    handler = WatchedFileHandler(path, encoding="utf-8", errors="backslashreplace")
    handler.setFormatter(JsonLines(instance, secrets))
    logging.raiseExceptions = False  # on a full disk a line is lost; its arguments must not go to stderr instead
    logger = logging.getLogger("python_bot")
    logger.setLevel(level)
    logger.addHandler(handler)
    return handler


def close_log(handler: logging.Handler) -> None:
    logging.getLogger("python_bot").removeHandler(handler)
    handler.close()
