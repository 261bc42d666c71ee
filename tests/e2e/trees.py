"""Trees of Debian and what lies on them, kept for every later run.

A tree is made once by debootstrap and kept under /var/tmp/b24bot-debian (B24BOT_DEBIAN_CACHE). On it lie, each as a
layer of an overlay: the packages that the installer asks for, the installed product, and what one test changes.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final

ROOT: Final = Path(__file__).parents[2]
CACHE: Final = Path(os.environ.get("B24BOT_DEBIAN_CACHE", "/var/tmp/b24bot-debian"))
PACKAGES: Final = ("ca-certificates", "nginx", "python3", "python3-venv")
NEEDED: Final = {"debootstrap": "debootstrap", "systemd-nspawn": "systemd-container", "nsenter": "util-linux"}
CHECKOUT: Final = "/root/b24bot"
WHEELS: Final = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "/root/wheels"}  # installs without a network


def what_is_missing() -> str:
    """Why no machine can be booted here; '' when one can."""
    if os.geteuid() != 0:
        return "booting a Debian needs root"
    missing = [package for command, package in NEEDED.items() if not shutil.which(command)]
    if missing:
        return f"booting a Debian needs: apt-get install {' '.join(missing)}"
    virtualization = shutil.which("systemd-detect-virt")
    if virtualization:
        done = subprocess.run([virtualization, "--container"], capture_output=True, text=True, check=False)
        if done.stdout.strip() == "systemd-nspawn":
            return "no Debian is booted inside a booted Debian"
    return ""


def sh(*command: str | Path, timeout: float = 600.0) -> str:
    done = subprocess.run(
        [str(word) for word in command],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    if done.returncode != 0:
        raise AssertionError(f"{command} ended with {done.returncode}:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    return done.stdout


def mirror() -> str:
    """The one that this host uses itself."""
    with_default = "http://deb.debian.org/debian"
    sources = Path("/etc/apt/sources.list.d/debian.sources")
    found = re.search(r"^URIs:\s*(\S+)", sources.read_text(), re.MULTILINE) if sources.is_file() else None
    return found[1] if found else with_default


def host_network() -> list[str]:
    """The host's network, and how it reaches the package index from here, where it says so."""
    options = ["--resolv-conf=copy-host", "--bind-ro=/etc/ssl/certs"]
    return [*options, "--bind-ro=/etc/pip.conf"] if Path("/etc/pip.conf").exists() else options


def bare(codename: str) -> Path:
    """A minimal Debian that boots and has nothing else."""
    tree = CACHE / codename
    with _made_once(tree) as is_missing:
        if is_missing:
            part = CACHE / f"part-{codename}"
            shutil.rmtree(part, ignore_errors=True)
            include = "--include=systemd,systemd-sysv,dbus,ca-certificates"
            sh("debootstrap", "--variant=minbase", include, codename, part, mirror())
            part.rename(tree)
    return tree


@contextmanager
def _made_once(tree: Path) -> Iterator[bool]:
    """Whether the tree has to be made; other processes of the same run wait meanwhile."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"lock-{tree.name}").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield not tree.is_dir()


def with_packages(codename: str) -> list[Path]:
    """Layers of a Debian that has what the installer would install, and the wheels of the requirements."""
    requirements = (ROOT / "requirements.txt").read_bytes()
    script = (
        f"{_installing(PACKAGES)}; python3 -m venv /root/v; "
        "/root/v/bin/pip -q download --disable-pip-version-check --only-binary=:all: --require-hashes "
        "-r /root/requirements.txt -d /root/wheels; rm -r /root/v /root/requirements.txt"
    )
    layer = _layer(f"{codename}.packages", [bare(codename)], script, requirements, " ".join(PACKAGES).encode())
    return [layer, bare(codename)]


def _installing(packages: Sequence[str]) -> str:
    return (
        "set -e; export DEBIAN_FRONTEND=noninteractive; apt-get -q update; "
        f"apt-get -q install -y --no-install-recommends {' '.join(packages)}; "
        "apt-get clean; rm -rf /var/lib/apt/lists/*"
    )


def _layer(name: str, below: Sequence[Path], script: str, requirements: bytes, made_from: bytes) -> Path:
    """What the script adds to the layers below; kept until what it is made from changes."""
    key = hashlib.sha256(requirements + made_from).hexdigest()[:12]
    layer = CACHE / f"{name}-{key}"
    with _made_once(layer) as is_missing:
        if is_missing:
            for old in CACHE.glob(f"{name}-*"):
                shutil.rmtree(old)
            part = CACHE / f"part-{layer.name}"
            shutil.rmtree(part, ignore_errors=True)
            with Overlay(below, keep=part) as overlay:
                if requirements:
                    (overlay.root / "root/requirements.txt").write_bytes(requirements)
                run_unbooted(overlay.root, ["sh", "-c", script], host_network())
            part.rename(layer)
    return layer


def with_product(codename: str, layer: Path) -> list[Path]:
    """Layers of a Debian with the product and no instance; `layer` is the new one and for the caller to remove."""
    below = with_packages(codename)
    with Overlay(below, keep=layer) as overlay:
        put_checkout(overlay.root)
        command = ["env", *(f"{name}={value}" for name, value in WHEELS.items()), f"{CHECKOUT}/setup_multi.sh"]
        run_unbooted(overlay.root, [*command, "--no-instance"], ["--private-network", "--resolv-conf=off"])
    return [layer, *below]


def with_ufw(codename: str) -> Path:
    """A layer for above `with_packages`: Debian's usual firewall, not switched on."""
    return _packages_above(f"{codename}.ufw", codename, ("ufw",))


def with_authority(codename: str) -> Path:
    """A layer for above `with_packages`: certbot, and pebble, the ACME server by Let's Encrypt for tests."""
    return _packages_above(f"{codename}.authority", codename, ("certbot", "pebble"))


def _packages_above(name: str, codename: str, packages: Sequence[str]) -> Path:
    below = with_packages(codename)
    return _layer(name, below, _installing(packages), b"", below[0].name.encode())


def run_unbooted(root: Path, command: Sequence[str], options: Sequence[str], timeout: float = 600.0) -> str:
    flags = ("--quiet", "--register=no", "--keep-unit", "--console=pipe", "--as-pid2", f"--directory={root}")
    return sh("systemd-nspawn", *flags, *options, *command, timeout=timeout)


def copy_checkout(target: Path) -> None:
    """What git knows or would add, as a clone on a server would have it."""
    names = sh("git", "-C", ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
    for name in names:
        if name and not name.startswith(("tests/", "bench/")) and (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target / name)


def put_checkout(root: Path) -> None:
    """The checkout, and our own scripts, into a tree."""
    copy_checkout(root / CHECKOUT.lstrip("/"))
    for script in (Path(__file__).parent / "inside").glob("*.py"):
        shutil.copy(script, root / "root" / script.name)


class Overlay:
    """`root`: the layers as one tree. What changes is kept in memory, or in `keep`."""

    def __init__(self, layers: Sequence[Path], *, keep: Path | None = None) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="b24bot-machine-"))
        self.root = self.directory / "root"
        self._layers = layers
        self._keep = keep

    def __enter__(self) -> Overlay:
        upper = self._keep or self.directory / "memory/upper"
        work = upper.with_name(f"{upper.name}.work")
        if self._keep is None:
            upper.parent.mkdir()
            sh("mount", "-t", "tmpfs", "-o", "mode=755", "b24bot", upper.parent)
        else:
            shutil.rmtree(self._keep, ignore_errors=True)
        for path in (upper, work, self.root):
            path.mkdir()
        lower = ":".join(str(layer) for layer in self._layers)
        sh("mount", "-t", "overlay", "-o", f"lowerdir={lower},upperdir={upper},workdir={work}", "b24bot", self.root)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        sh("umount", "--lazy", self.root)
        if self._keep is None:
            sh("umount", "--lazy", self.directory / "memory")
        else:
            shutil.rmtree(self._keep.with_name(f"{self._keep.name}.work"))
        shutil.rmtree(self.directory, ignore_errors=True)


def make_all() -> None:
    """Every tree and layer that a test asks for, before it does."""
    for codename in ("bookworm", "trixie"):
        with_packages(codename)
        with_ufw(codename)
        with_authority(codename)


if __name__ == "__main__" and not what_is_missing():
    make_all()
