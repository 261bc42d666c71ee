"""The portal seen by the official JavaScript SDK. It takes both hosts as parameters: nothing is redirected.

The SDK is installed by `npm ci` into B24BOT_TEST_CACHE (default: `.cache/` of the repository), once per lock file.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent / "js"

pytestmark = pytest.mark.skipif(
    not (shutil.which("node") and shutil.which("npm")), reason="node and npm are not installed"
)


@pytest.fixture(scope="session")
def sdk() -> Path:
    """A folder with the script and the installed SDK beside it."""
    cache = Path(os.environ.get("B24BOT_TEST_CACHE") or Path(__file__).parents[2] / ".cache")
    digest = hashlib.sha256((HERE / "package-lock.json").read_bytes()).hexdigest()[:16]
    home = cache / f"b24jssdk-{digest}"
    if not home.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        if not (cache / ".gitignore").exists():
            (cache / ".gitignore").write_text("*\n")
        fresh = Path(shutil.copytree(HERE, cache / f"b24jssdk-{os.getpid()}"))
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        done = subprocess.run(command, cwd=fresh, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        fresh.rename(home)
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
