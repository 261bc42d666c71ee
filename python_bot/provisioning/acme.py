"""A certificate by ACME (RFC 8555): certbot gets it through our webroot while nginx goes on, and its timer renews it.

The lineage is named after us, so that one that the sysadmin made for the same name is never touched.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from ..errors import B24BotError
from .files import drop_if_empty, remove
from .paths import Layout
from .steps import Absent, AcmeCertificate, EmptyDirectoryGone, Step

LETS_ENCRYPT: Final = "https://acme-v02.api.letsencrypt.org/directory"
TIMEOUT_S: Final = 300
# Runs after every renewal; what nginx refuses never reaches it.
DEPLOY_HOOK: Final = "nginx -t -q && nginx -s reload"


def lineage(domain: str) -> str:
    """certbot's name for the domain's certificate."""
    return f"b24bots-{domain}"


def certificate_files(layout: Layout, domain: str) -> tuple[str, str]:
    """(full chain, key) as nginx on the machine itself names them; they lead to the newest ones."""
    live = Path("/") / _live(layout, domain).relative_to(layout.root)
    return str(live / "fullchain.pem"), str(live / "privkey.pem")


def _live(layout: Layout, domain: str) -> Path:
    return layout.letsencrypt / "live" / lineage(domain)


def _renewal(layout: Layout, domain: str) -> Path:
    return layout.letsencrypt / "renewal" / f"{lineage(domain)}.conf"


def _lineage_paths(layout: Layout, domain: str) -> list[Path]:
    return [_renewal(layout, domain), _live(layout, domain), layout.letsencrypt / "archive" / lineage(domain)]


def is_issued(layout: Layout, step: AcmeCertificate) -> bool:
    """By this authority. Whether it is still valid is certbot's care."""
    with suppress(OSError):
        renewal = _renewal(layout, step.domain).read_text(encoding="utf-8")
        server = re.search(r"^server = (.*)$", renewal, re.MULTILINE)
        live = _live(layout, step.domain)
        return server is not None and server[1] == step.server and all((live / f).is_file() for f in FILES)
    return False


FILES: Final = ("fullchain.pem", "privkey.pem")


# --- getting one -------------------------------------------------------------------------------------------------


def issue(layout: Layout, step: AcmeCertificate) -> None:
    """Raises B24BotError with the authority's reason and what to do about it."""
    need_certbot()
    contact = ("--email", step.email, "--no-eff-email") if step.email else ("--register-unsafely-without-email",)
    command = (
        *("certbot", "certonly", "--non-interactive", "--agree-tos", *contact, "--server", step.server),
        *("--webroot", "--webroot-path", str(layout.acme_webroot), "--domain", step.domain),
        *("--cert-name", lineage(step.domain), "--deploy-hook", DEPLOY_HOOK, "--force-renewal"),
    )
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        raise B24BotError(
            f"no certificate for {step.domain}: {step.server} did not finish within {TIMEOUT_S} s",
            next_step="run the same command again later",
        ) from None
    if done.returncode != 0:
        raise refusal(step, done.stdout + done.stderr)


def need_certbot() -> None:
    if not shutil.which("certbot"):
        raise B24BotError(
            "certbot is not installed",
            next_step="apt-get install certbot; setup_multi.sh with --tls acme does it as well",
        )


# What the authority or certbot says -> what helps. The kinds are those of RFC 8555 §6.7; the first that fits counts.
_ADVICE: Final = (
    (r"rate.?limited|too many (certificates|failed|registrations|new)", "wait as long as it says, then run it again"),
    (
        r"Type: +dns|NXDOMAIN|no valid A|SERVFAIL|no such host|\blookup [\w.-]+",
        "let the name's DNS records (A, AAAA) lead to this server, then run the same command again",
    ),
    (
        r"Type: +connection|refused|[Tt]imeout",
        "the authority must reach port 80 of this server from outside: open it in the firewall (ufw allow 80/tcp)"
        " and in the provider's, then run the same command again",
    ),
    (r"Type: +caa", "the name's CAA record forbids this authority: change it, or give another --acme-server"),
    (
        r"Type: +unauthorized|Invalid response|404",
        "another server answered under this name: let its DNS records (A and AAAA) lead to this server only,"
        " then run the same command again",
    ),
    (r"Another instance of Certbot", "certbot renews something just now: run the same command again in a minute"),
)


def refusal(step: AcmeCertificate, output: str) -> B24BotError:
    """certbot's words made one sentence and a next step."""
    if re.search(r"Requesting \S+: |certificate verify failed|Max retries exceeded", output):
        return B24BotError(
            f"no certificate for {step.domain}: {step.server} cannot be reached: {_cause(output)}",
            next_step="check the address, the network and, with an authority of your own, that this server trusts its"
            " root (update-ca-certificates); then run the same command again",
        )
    advice = next((text for pattern, text in _ADVICE if re.search(pattern, output)), "")
    return B24BotError(
        f"no certificate for {step.domain}: {_cause(output)}",
        next_step=advice or "look into /var/log/letsencrypt/letsencrypt.log, then run the same command again",
    )


def _cause(output: str) -> str:
    found = re.search(r"Detail: +(.+)|An unexpected error occurred:\s*\n(.+)", output)
    lines = [line for line in output.splitlines() if line.strip() and not line.startswith(("Saving debug", "Ask for"))]
    text = next(filter(None, found.groups()), "") if found else (lines or ["certbot says nothing"])[-1]
    return " ".join(text.split())


# --- undoing -----------------------------------------------------------------------------------------------------


def undo_record(layout: Layout, step: AcmeCertificate, kept: Path) -> dict[str, Any]:
    """What certbot has now; the domain's lineage, when there is one already, is copied aside. JSON values only."""
    copied = []
    for number, path in enumerate(_lineage_paths(layout, step.domain)):
        if path.exists():
            kept.mkdir(exist_ok=True)
            _copy(path, kept / str(number))
            copied.append(number)
    if copied:
        os.sync()
    return {"domain": step.domain, "kept": str(kept), "copied": copied, "had": [str(p) for p in _all(layout)]}


def undo(layout: Layout, record: dict[str, Any]) -> None:
    """The lineage as it was, and nothing of certbot's that was not there. Repeats safely."""
    for number, path in enumerate(_lineage_paths(layout, record["domain"])):
        if number in record["copied"]:
            remove(path)
            _copy(Path(record["kept"]) / str(number), path)
    had = set(record["had"])
    for path in reversed(_all(layout)):
        if str(path) not in had:
            drop_if_empty(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True)
    else:
        shutil.copy2(source, target)


def _all(layout: Layout) -> list[Path]:
    """Whatever certbot has on this machine, what lies deeper after what it lies in."""
    roots = (layout.letsencrypt, layout.certbot_work, layout.certbot_logs)
    return [path for root in roots if root.is_dir() for path in (root, *sorted(root.rglob("*")))]


# --- taking it away ------------------------------------------------------------------------------------------------


def missing_now(layout: Layout, server: str) -> list[Path]:
    """What a first certificate of this authority is going to make, apart from the lineage; what holds it first."""
    return [path for path in (*_emptied(layout), *_whole(layout, server)) if not path.exists()]


def gone(layout: Layout, domain: str) -> list[Step]:
    """The lineage goes, as `certbot delete` would do it."""
    return [Absent(path) for path in _lineage_paths(layout, domain)]


def leftovers_gone(layout: Layout, domain: str, made: list[Path]) -> list[Step]:
    """After the last lineage of ours: what came with the first, `made`, unless certbot serves somebody else by now."""
    renewals = layout.letsencrypt / "renewal"
    if any(path != _renewal(layout, domain) for path in renewals.glob("*.conf")):
        return []
    emptied = _emptied(layout)
    whole = [Absent(path) for path in made if path not in emptied]
    return [*whole, *(EmptyDirectoryGone(path) for path in reversed(emptied) if path in made)]


def _emptied(layout: Layout) -> list[Path]:
    etc = layout.letsencrypt
    hooks = etc / "renewal-hooks"
    inner = [etc / name for name in ("accounts", "archive", "live", "renewal")]
    return [etc, *inner, hooks, *(hooks / name for name in ("pre", "deploy", "post"))]


def _whole(layout: Layout, server: str) -> list[Path]:
    etc = layout.letsencrypt
    own = [etc / "accounts" / urlsplit(server).netloc, etc / "csr", etc / "keys", etc / "live" / "README"]
    return [*own, layout.certbot_work, layout.certbot_logs]
