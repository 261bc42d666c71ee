"""Packages of npm that tests use: installed from a lock file, once, into B24BOT_TEST_CACHE (default: `.cache/`)."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

from .server import ROOT

HAS_NPM: Final = bool(shutil.which("node") and shutil.which("npm"))


def installed(folder: Path) -> Path:
    """A copy of the folder with its `node_modules`."""
    cache = Path(os.environ.get("B24BOT_TEST_CACHE") or ROOT / ".cache")
    digest = hashlib.sha256((folder / "package-lock.json").read_bytes()).hexdigest()[:16]
    home = cache / f"{folder.name}-{digest}"
    if not home.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        if not (cache / ".gitignore").exists():
            (cache / ".gitignore").write_text("*\n")
        fresh = Path(shutil.copytree(folder, cache / f"{folder.name}-{os.getpid()}"))
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        done = subprocess.run(command, cwd=fresh, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        fresh.rename(home)
    return home
