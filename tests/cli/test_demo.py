"""`botctl demo` as a new user runs it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

from tests.support import ROOT, until

COMMAND = [sys.executable, "-m", "python_bot.cli", "demo", "--pause", "0.05"]


def processes_of(directory: str) -> list[str]:
    """Command lines of processes whose environment names a directory."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if directory.encode() in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_text().replace("\0", " "))
        except (OSError, ValueError):
            continue
    return found


def test_the_demo_shows_a_conversation_and_says_that_the_archive_is_complete(tmp_path: Path) -> None:
    done = subprocess.run(
        [*COMMAND, "--exit"],
        cwd=ROOT,
        env={**os.environ, "LC_ALL": "ru_RU.UTF-8", "PYTHONUTF8": "1", "TMPDIR": str(tmp_path)},
        capture_output=True,
        timeout=90,
        check=False,
    )
    text = done.stdout.decode()
    assert done.returncode == 0, done.stderr.decode()
    assert "диалог передан через" in text
    assert "всё на месте" in text
    token = re.search(r"curl -s -H 'Authorization: Bearer (\S+)' (http://\S+)/api/dialogs ", text)
    assert token
    assert f"архив в браузере; он спросит токен {token[1]}\n  {token[2]}/ui/\n" in text
    assert "--data-urlencode 'q=доставки'" in text and "/api/export?format=csv" in text
    assert not list(tmp_path.iterdir())


def test_ctrl_c_ends_everything_and_leaves_nothing_running(tmp_path: Path) -> None:
    env = {**os.environ, "LC_ALL": "C.UTF-8", "TMPDIR": str(tmp_path)}
    demo = subprocess.Popen(COMMAND, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert demo.stdout is not None
    home = page = ""
    for line in demo.stdout:
        page = page or (line.decode().strip() if line.rstrip().endswith(b"/ui/") else "")
        found = re.search(r"tail -f (\S+)/bot\.log", line.decode())
        if found:
            home = found[1]
            break
    assert home
    with urllib.request.urlopen(page, timeout=10) as answer:
        assert 'name="token"' in answer.read().decode(), "the page asks for the token"
    assert processes_of(home), "the instance runs while the demo waits"
    demo.send_signal(signal.SIGINT)
    rest, errors = demo.communicate(timeout=30)
    assert demo.returncode == 0, errors.decode()
    assert "Nothing is left running." in rest.decode()
    assert not list(tmp_path.iterdir())
    until(lambda: not processes_of(home), what="no process of the demo is left")
