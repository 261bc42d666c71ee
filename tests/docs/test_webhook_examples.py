"""The examples of docs/api.md by which a receiver knows that a call is ours."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest

from python_bot.subscriptions.contract import EVENTS
from python_bot.subscriptions.signing import DELIVERY, EVENT, SIGNATURE, TIMESTAMP, new_secret, signature
from tests.support import ROOT

SECTION: Final = (ROOT / "docs/api.md").read_text("utf-8").split("## Outgoing webhooks", 1)[1].split("\n## ", 1)[0]
BODY: Final = '{"id": 1, "data": {"message": {"text": "Добрый день! 👍\\n100% \\\\ \\""}}}'.encode()


def example(language: str) -> str:
    return re.findall(rf"```{language}\n(.*?)```", SECTION, re.DOTALL)[0]


def test_the_python_example_knows_a_genuine_call() -> None:
    names: dict[str, Any] = {}
    exec(example("python"), names)
    secret = new_secret()
    good = signature(secret, 1785312000, BODY)
    assert names["is_genuine"](secret, "1785312000", good, BODY)
    assert not names["is_genuine"](secret, "1785312001", good, BODY)
    assert not names["is_genuine"](secret, "1785312000", good, BODY + b" ")
    assert not names["is_genuine"](new_secret(), "1785312000", good, BODY)


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_the_shell_example_computes_the_signature(tmp_path: Path, shell: str) -> None:
    secret = new_secret()
    (tmp_path / "body.json").write_bytes(BODY)
    env = {"PATH": "/usr/bin:/bin", "TIMESTAMP": "1785312000", "SECRET": secret}
    done = subprocess.run([shell, "-c", example("sh")], cwd=tmp_path, env=env, capture_output=True, check=True)
    assert f"sha256={done.stdout.decode().strip()}" == signature(secret, 1785312000, BODY)


def test_every_event_and_header_is_documented_and_exists() -> None:
    rows = set(re.findall(r"^\| `([a-z]+\.[a-z]+)` \|", SECTION, re.MULTILINE))
    assert rows == set(EVENTS)
    assert set(re.findall(r"`(X-B24Bot-\w+)`", SECTION)) == {TIMESTAMP, DELIVERY, EVENT, SIGNATURE}
