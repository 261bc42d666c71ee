"""A client that was generated from the contract talks to a real instance: what integrators do with it first."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import TOKEN, Server
from tests.support.contract import PATH

FOLDER = Path(sys.prefix, "api/bin")
PROGRAM = """
import json, sys
from made import AuthenticatedClient
from made.api.archive import get_dialog, list_dialogs, search
from made.api.figures import get_stats
from made.models import GetDialogResponse404

url, token, chat_id = sys.argv[1:]
with AuthenticatedClient(base_url=url, token=token) as client:
    dialogs = list_dialogs.sync(client=client, limit=500).dialogs
    one = get_dialog.sync(int(chat_id), client=client)
    hits = search.sync(client=client, q="доставка").messages
    unknown = get_dialog.sync(424242, client=client)
    assert isinstance(unknown, GetDialogResponse404), unknown
    print(json.dumps({
        "chats": [dialog.chat_id for dialog in dialogs],
        "operator": one.dialog.operator.id,
        "year": one.messages[0].sent_at.year,
        "events": [event.kind for event in one.sessions[0].events],
        "hits": len(hits),
        "unknown": unknown.error.code,
        "sessions": get_stats.sync(client=client).totals.sessions,
    }))
"""


def test_a_generated_client_reads_the_archive(filled: tuple[Server, int], tmp_path: Path) -> None:
    generator = FOLDER / "openapi-python-client"
    if not generator.exists():
        pytest.skip("./test.sh installs the generator, into .venv/api")
    server, chat_id = filled
    made = [str(generator), "generate", "--path", str(PATH), "--output-path", "made", "--meta", "none"]
    config = tmp_path / "config.yaml"
    config.write_text("post_hooks: []\n")  # no formatter is needed for code that nobody reads
    done = subprocess.run([*made, "--config", str(config)], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    # The interpreter beside it has what generated code imports.
    command = [str(FOLDER / "python"), "-c", PROGRAM, server.url, TOKEN, str(chat_id)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found.pop("year") >= 2026
    assert {"opened", "handed_over", "answered", "transferred"} <= set(found.pop("events"))
    shown = {row["chat_id"] for row in server.api("/api/dialogs")["dialogs"]}
    assert set(found.pop("chats")) == shown
    assert found == {"operator": 31, "hits": 2, "unknown": "dialog_unknown", "sessions": 2}
