"""The portal seen by the official JavaScript SDK. It takes both hosts as parameters: nothing is redirected.

The SDK is installed by `npm ci`: see `tests/support/npm.py`.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.npm import HAS_NPM, installed

HERE = Path(__file__).parent / "js"

pytestmark = pytest.mark.skipif(not HAS_NPM, reason="node and npm are not installed")


@pytest.fixture(scope="session")
def sdk() -> Path:
    """A folder with the script and the installed SDK beside it."""
    home = installed(HERE)
    shutil.copy(HERE / "talk.mjs", home)
    return home


@pytest.fixture
def report(sdk, portal, app, bot):
    """What the script saw; its access token was an hour old from the start."""
    for number in range(100, 260):
        portal.add_user(number, f"Сотрудник {number}")
    portal.line(3).fields["WELCOME_BOT_TIME"] = "0"
    message = portal.client("Анна").writes("привет")
    tokens = app.tokens()
    portal.clock.advance(3700)
    portal.limits.bucket.depth, portal.limits.bucket.drain_per_s = 8, 30
    oauth = {
        "applicationToken": app.application_token,
        "userId": 1,
        "memberId": portal.member_id,
        "accessToken": tokens.access_token,
        "refreshToken": tokens.refresh_token,
        "expires": tokens.expires,
        "expiresIn": 3600,
        "scope": ",".join(app.scopes),
        "domain": portal.host,
        "clientEndpoint": portal.rest_url,
        "serverEndpoint": f"{portal.oauth_url}/rest/",
        "status": "L",
    }
    secret = {"clientId": app.client_id, "clientSecret": app.client_secret}
    given = json.dumps({"oauth": oauth, "secret": secret, "chatId": message.chat_id})
    command = ["node", "talk.mjs", given]
    done = subprocess.run(command, cwd=sdk, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_ordinary_calls_of_the_javascript_sdk(portal, report):
    """One process start for all of them: node takes its time."""
    assert report["profile"]["data"]["result"]["ID"] == "1"
    assert portal.calls_of("profile")[0].error == "expired_token"
    assert len(report["renewed"]) == 1
    assert report["scope"]["data"]["result"] == ["imbot", "imopenlines", "im", "disk", "user"]
    assert len(report["list"]["data"]) == 162
    assert report["pages"] == [50, 50, 50, 12]
    assert report["batch"]["data"]["card"]["name"] == "Олег Админов"
    assert "nobody" not in report["batch"]["data"]
    assert len(report["chunks"]["data"]) == 120
    assert report["handOver"]["data"]["result"] is True
    assert report["handOverAgain"]["ok"] is False
    assert "Operator is not a bot" in report["handOverAgain"]["errors"][0]
    assert report["burst"] == 12
    assert portal.limits.refused > 0


def test_the_lock_names_no_registry():
    packages = json.loads((HERE / "package-lock.json").read_text())["packages"]
    assert [name for name, package in packages.items() if "resolved" in package] == []
