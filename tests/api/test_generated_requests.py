"""Requests that nobody thought of, made out of the contract: no answer is a 5xx or outside of it.

schemathesis is a program of its own here (.venv/api), against a real instance with a filled archive.
"""

from __future__ import annotations

import os
import subprocess
import sys
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.api.filling import ADMIN, add_bot, add_shop, subscribe
from tests.support import Server
from tests.support.contract import load, operations

PROGRAM = Path(sys.prefix, "api/bin/schemathesis")
LONG = bool(os.environ.get("B24BOT_LONG_TESTS"))
CASES = 2000 if LONG else 10  # of each operation, beside those that its examples and its limits give
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "response_headers_conformance",
    "missing_required_header",
    "unsupported_method",
)
# They would empty the archive and stop the calls for all others; test_contract.py asks them.
LEFT_OUT = ("/api/admin/reinit_db", "/api/admin/disable")


def with_real_numbers(server: Server, chat_id: int) -> dict[str, Any]:
    """The contract whose numbers in paths are often those of things that exist, else requests rarely meet any."""
    contract = load()
    subscriptions = [subscribe(server) for _ in range(8)]
    found = server.api(f"/api/subscriptions/{subscriptions[0]}/deliveries")["deliveries"]
    messages = server.messages(chat_id)
    real = {
        "chat_id": [chat_id],
        "message_id": [message["message_id"] for message in messages],
        "file_id": [file["id"] for message in messages for file in message["files"]],
        "subscription_id": subscriptions,
        "delivery_id": [delivery["id"] for delivery in found],
        "account_id": [add_bot(server)],
        "shop_id": [add_shop(server)],
    }
    # What is deleted would be missed by all others.
    spared = []
    for path, number in (
        ("/api/subscriptions", "subscription_id"),
        ("/api/telegram/bots", "account_id"),
        ("/api/avito/accounts", "shop_id"),
    ):
        deletion = contract["paths"][f"{path}/{{{number}}}"]["delete"]
        deletion["parameters"] = [deepcopy(contract["components"]["parameters"][number])]
        deletion["parameters"][0]["schema"]["minimum"] = 1000
        spared.append(deletion)
    for operation in operations(contract):
        for parameter in operation.parameters:
            schema = parameter["schema"]
            if parameter["name"] == "wait":
                schema["maximum"] = 1  # an idle archive holds a long poll for as long as was asked
            if (
                not any(operation.spec is each for each in spared)
                and parameter["in"] == "path"
                and schema.get("type") == "integer"
            ):
                schema.clear()
                # Two kinds, or the real ones would be taken for a part of all.
                schema["anyOf"] = [{"enum": real[parameter["name"]]}, {"type": "string", "pattern": "^-?[0-9]{1,25}$"}]
    return contract


@pytest.mark.timeout(6 * 3600 if LONG else 300)
def test_no_request_is_answered_outside_the_contract(filled: tuple[Server, int], tmp_path: Path) -> None:
    server, chat_id = filled
    if not PROGRAM.exists():
        pytest.skip("./test.sh installs schemathesis, into .venv/api")
    contract = tmp_path / "openapi.yaml"
    contract.write_text(yaml.safe_dump(with_real_numbers(server, chat_id), allow_unicode=True), encoding="utf-8")
    command = [str(PROGRAM), "run", str(contract), "--url", server.url, "--no-color", "--continue-on-failure"]
    command += ["--checks", ",".join(CHECKS), "--phases", "examples,coverage,fuzzing", "--max-examples", str(CASES)]
    command += ["--request-timeout", "65"]  # a wrong number may hold a long poll as long as it goes
    command += ["--header", f"Authorization: {ADMIN['Authorization']}", "--generation-deterministic"]
    command += [part for path in LEFT_OUT for part in ("--exclude-path", path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    if LONG:
        print(done.stdout[-3000:])
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr
    assert server.process is not None and server.process.poll() is None
