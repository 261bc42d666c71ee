"""nginx: rendering our files, testing the whole future configuration before anything changes, reloading.

`nginx -t` says "ok" to a duplicate server name and then never serves the second: its warnings count as failures here.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ..errors import B24BotError
from ..values import dataclass
from .acme import certificate_files
from .files import remove
from .paths import Layout
from .ports import holder_of
from .steps import Absent, AcmeCertificate, Directory, EmptyDirectoryGone, File, Link, Step

TEMPLATES: Final = Path(__file__).parent.parent.parent / "templates" / "nginx"
TIMEOUT_S: Final = 30
_COMMENT: Final = re.compile(r"#.*")
_SERVER_NAMES: Final = re.compile(r"(?<![\w$])server_name\s+([^;]+);")
_PREFIX: Final = re.compile(r"^.*?\[\w+\] (\d+#\d+: )?")
_ROOT_LOCATION: Final = "    location / {\n        return 404;\n    }\n"


@dataclass(frozen=True, slots=True)
class Certificate:
    certificate: str
    key: str


def render(template: str, **values: str) -> bytes:
    text = (TEMPLATES / template).read_text(encoding="utf-8")
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    left = re.findall(r"@[A-Z_0-9]+@", text)
    if left:
        raise AssertionError(f"{template}: no value for {left}")
    return text.encode()


def vhost(layout: Layout, domain: str, unicode_domain: str, *, single: bool, tls: Certificate | None) -> bytes:
    has_ipv6 = Path("/proc/net/if_inet6").exists()
    common = {
        "DOMAIN": domain,
        "INCLUDES": str(Path("/") / layout.includes(domain).relative_to(layout.root)),
        "ROOT": "" if single else _ROOT_LOCATION,
    }
    tls_server = b""
    if tls is not None:
        listen = "\n    listen [::]:443 ssl;" if has_ipv6 else ""
        tls_server = render("vhost_tls.conf", CERTIFICATE=tls.certificate, KEY=tls.key, LISTEN6_TLS=listen, **common)
    return render(
        "vhost.conf",
        UNICODE=unicode_domain,
        LISTEN6="\n    listen [::]:80;" if has_ipv6 else "",
        ACME_WEBROOT=str(Path("/") / layout.acme_webroot.relative_to(layout.root)),
        TLS_SERVER=tls_server.decode(),
        **common,
    )


def instance_include(layout: Layout, instance: str, prefix: str, port: int) -> bytes:
    """`prefix`: '/acme', or '' for an installation of one portal."""
    return render(
        "instance.conf",
        INSTANCE=instance,
        PREFIX=prefix,
        PREFIX_VALUE=prefix or "''",
        PORT=str(port),
        PROXY=str(Path("/") / (layout.nginx / "b24bots.d/proxy.conf").relative_to(layout.root)),
    )


def common(layout: Layout) -> bytes:
    """A longer name hash, unless somebody else set one: a name of 47 bytes stops all of nginx otherwise."""
    is_set = any(
        re.search(r"^\s*server_names_hash_bucket_size\s", text, re.MULTILINE)
        for path, text in served_files(layout).items()
        if not _is_ours(path)
    )
    return render("common.conf", HASH_BUCKET="" if is_set else "server_names_hash_bucket_size 128;")


def other_owner_of(layout: Layout, domain: str) -> Path | None:
    """A file that is not ours and is served under the same name."""
    for path, text in served_files(layout).items():
        names = {name.strip("\"'") for row in _SERVER_NAMES.findall(_COMMENT.sub("", text)) for name in row.split()}
        if domain in names and not _is_ours(path):
            return path
    return None


def served_files(layout: Layout) -> dict[Path, str]:
    """What nginx reads, in its order; below a staging root, or while nginx is broken, what lies in its folders."""
    if not layout.is_staging and shutil.which("nginx"):
        done = subprocess.run(["nginx", "-T"], capture_output=True, timeout=TIMEOUT_S, check=False)
        if done.returncode == 0:
            return _dumped(done.stdout.decode(errors="replace"))
    folders = [layout.nginx / "conf.d", layout.nginx / "sites-enabled", layout.nginx / "b24bots.d"]
    files = [path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()]
    return {path: path.read_text(errors="replace") for path in files}


def _dumped(text: str) -> dict[Path, str]:
    """The output of `nginx -T`, file by file."""
    parts = re.split(r"^# configuration file (.+):\n", text, flags=re.MULTILINE)[1:]
    return {Path(path): content for path, content in zip(parts[::2], parts[1::2], strict=True)}


def _is_ours(path: Path) -> bool:
    return "b24bots.d" in path.parts or path.name.startswith(("b24bots-", "00-b24bots.conf"))


def _default_of_port_80(files: dict[Path, str]) -> Path | None:
    """The file whose server gets requests for unknown names only because it comes first; None when one is declared."""
    first: Path | None = None
    for path, raw in files.items():
        text = _COMMENT.sub("", raw)
        if not re.search(r"\bserver\s*\{", text):
            continue
        listens = re.findall(r"\blisten\s+([^;]+);", text) or ["80"]
        for words in (listen.split() for listen in listens):
            if re.search(r"(^|:)80$", words[0]) or not re.search(r"^\d+$|:\d+$|^unix:", words[0]):
                if "default_server" in words:
                    return None
                first = first or path
    return first


# --- testing and reloading -----------------------------------------------------------------------------------


def check_future(layout: Layout, todo: Sequence[Step]) -> None:
    """The configuration as it will be, tested whole while the live files are untouched. Raises B24BotError."""
    if not shutil.which("nginx"):
        raise B24BotError("nginx is not installed", next_step="apt-get install nginx, or add --no-nginx")
    now = _test(None)
    if now.failed:
        raise B24BotError(
            f"nginx is broken already, before any change of ours: {now.cause}",
            next_step=_mend(now.cause),
        )
    if not is_running() and (holder := holder_of(80)):
        raise B24BotError(
            f"nginx does not run, and its port 80 is taken by {holder}",
            next_step="stop that program, or add --no-nginx and let it pass requests on; nothing was changed",
        )
    with tempfile.TemporaryDirectory(prefix="b24bot-nginx-") as directory:
        future = Path(directory) / "nginx"
        shutil.copytree(layout.nginx, future, symlinks=True)
        for step in todo:
            _pretend(step, layout.nginx, future)
        for step in todo:
            if isinstance(step, AcmeCertificate):
                _put_stand_in(layout, step, future)
        then = _test(future)
    _judge(now, then)


def _mend(cause: str) -> str:
    """What to do about a configuration that nginx refuses already."""
    missing_user = re.search(r'getpwnam\("([^"]+)"\) failed', cause)
    if missing_user:
        return f"adduser --system --group --no-create-home {missing_user[1]}, then run again; nothing was changed"
    return "mend that file (nginx -t shows it) and run again; nothing was changed"


def _judge(now: _Verdict, then: _Verdict) -> None:
    if then.failed:
        raise B24BotError(f"nginx would refuse the new configuration: {then.cause}", next_step="nothing was changed")
    fresh = [warning for warning in then.warnings if warning not in now.warnings]
    if fresh:
        raise B24BotError(f"nginx would warn: {fresh[0]}", next_step="nothing was changed; mend the file it names")
    former, next_one = _default_of_port_80(now.files), _default_of_port_80(then.files)
    if former and next_one and not _is_ours(former) and _is_ours(next_one):
        raise B24BotError(
            f"requests for unknown names reach {former} only because it comes first; ours would come before it",
            next_step="write `listen 80 default_server;` in that file and run again; nothing was changed",
        )


@dataclass(frozen=True, slots=True)
class _Verdict:
    failed: bool
    cause: str
    warnings: tuple[str, ...]
    files: dict[Path, str]


# In a mount namespace of its own; log files that the test would make appear in a passing folder.
_IN_FUTURE: Final = """
mount --bind "$1" /etc/nginx || exit 1
[ ! -d /var/log/nginx ] || mount -t tmpfs -o mode=755 none /var/log/nginx || exit 1
exec nginx -T
"""


def _test(future: Path | None) -> _Verdict:
    command = ["nginx", "-T"]
    if future is not None:
        command = ["unshare", "-m", "--propagation", "private", "sh", "-c", _IN_FUTURE, "sh", str(future)]
    done = subprocess.run(command, capture_output=True, timeout=TIMEOUT_S, check=False)
    errors = done.stderr.decode(errors="replace")
    lines = errors.splitlines()
    if future is not None and done.returncode != 0 and not any("nginx:" in line for line in lines):
        # No right to mount (a container): the test after writing, with its undo, has to do.
        return _Verdict(False, "", (), {})
    problems = [_PREFIX.sub("", line) for line in lines if "[emerg]" in line or "[crit]" in line]
    warnings = tuple(_PREFIX.sub("", line) for line in lines if "[warn]" in line)
    files = _dumped(done.stdout.decode(errors="replace"))
    return _Verdict(done.returncode != 0, "; ".join(problems) or errors.strip(), warnings, files)


def _pretend(step: Step, live: Path, future: Path) -> None:
    """Make a step come true in the copy, when it concerns nginx."""
    path = getattr(step, "path", None)
    if path is None or not path.is_relative_to(live):
        return
    there = future / path.relative_to(live)
    match step:
        case Directory():
            there.mkdir(parents=True, exist_ok=True)
        case File(_, content, _, _):
            there.parent.mkdir(parents=True, exist_ok=True)
            there.write_bytes(content)
        case Link(_, target):
            there.unlink(missing_ok=True)
            there.symlink_to(target)
        case Absent():
            remove(there)
        case EmptyDirectoryGone():
            if there.is_dir() and not any(there.iterdir()):
                there.rmdir()
        case _:
            pass


def _put_stand_in(layout: Layout, step: AcmeCertificate, future: Path) -> None:
    """A certificate of our own making in the copy, in place of the one that certbot is going to get."""
    if not shutil.which("openssl"):
        raise B24BotError("the command openssl is missing on this server", next_step="apt-get install openssl")
    certificate, key = future.with_name("stand-in.pem"), future.with_name("stand-in.key")
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    files = ["-subj", "/CN=stand-in", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*command, *files], capture_output=True, timeout=TIMEOUT_S, check=True)
    vhost = future / layout.vhost(step.domain).relative_to(layout.nginx)
    text = vhost.read_text(encoding="utf-8")
    for wanted, stand_in in zip(certificate_files(layout, step.domain), (certificate, key), strict=True):
        text = text.replace(wanted, str(stand_in))
    vhost.write_text(text, encoding="utf-8")


def complaints() -> tuple[str, tuple[str, ...]]:
    """What nginx says of the files as they lie there: why it refuses them ('' when it does not), and its warnings."""
    found = _test(None)
    return (found.cause or "nginx -t failed") if found.failed else "", found.warnings


def is_running() -> bool:
    return _pid() is not None


def _pid() -> int | None:
    try:
        pid = int(Path("/run/nginx.pid").read_text())
        return pid if Path(f"/proc/{pid}").exists() else None
    except (OSError, ValueError):
        return None


def reload(has_systemd: bool) -> None:
    """Test what is written, then let nginx take it; it keeps serving the old until then. Raises B24BotError."""
    verdict = _test(None)
    if verdict.failed:
        raise B24BotError(f"nginx refuses the configuration: {verdict.cause}")
    if is_running() and not (has_systemd and _is_active()):
        command = ["nginx", "-s", "reload"]  # started by hand, or no systemd
    else:
        command = ["systemctl", "reload-or-restart", "nginx"] if has_systemd else ["nginx"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    if done.returncode != 0:
        raise B24BotError(f"nginx could not be reloaded: {(done.stderr or done.stdout).strip()}")


def stop(has_systemd: bool) -> None:
    command = ["systemctl", "stop", "nginx"] if has_systemd else ["nginx", "-s", "stop"]
    subprocess.run(command, capture_output=True, timeout=TIMEOUT_S, check=False)


def _is_active() -> bool:
    command = ["systemctl", "is-active", "--quiet", "nginx"]
    return subprocess.run(command, timeout=TIMEOUT_S, check=False).returncode == 0
