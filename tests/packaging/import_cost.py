"""Prints what each runtime requirement costs in memory: the figures in requirements.in come from here.

Run by hand with the interpreter in question: `.venv/bin/python tests/packaging/import_cost.py idna requests`.
PSS counts a page that n processes share as 1/n, and libssl and its like are shared with every other Python on the
machine: measure where nothing else runs (a fresh container has even its libraries to itself). The bare interpreter
and the candidates take turns, so that what still goes on beside them falls on all alike.
"""

from __future__ import annotations

import platform
import statistics
import subprocess
import sys
from typing import Final

# What an instance really imports of each.
MODULES: Final = {
    "Flask": "flask",
    "gunicorn": "gunicorn.app.wsgiapp, gunicorn.workers.gthread",
    "urllib3": "urllib3",
    "click": "click",
}
ROUNDS: Final = 15
READ_PSS: Final = "print(next(l for l in open('/proc/self/smaps_rollup') if l.startswith('Pss:')).split()[1])"


def pss_kib(modules: list[str]) -> int:
    code = "\n".join([*(f"import {module}" for module in modules), READ_PSS])
    return int(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)


def main() -> None:
    cases = {"bare": [], "all": list(MODULES.values())}
    for name, module in MODULES.items():
        cases[name] = [module]
        cases[f"all but {name}"] = [other for other in MODULES.values() if other != module]
    cases |= {module: [module] for module in sys.argv[1:]}
    # The first round only warms the caches.
    rounds = [{case: pss_kib(modules) for case, modules in cases.items()} for _ in range(ROUNDS + 1)][1:]
    mib = {case: statistics.median(found[case] for found in rounds) / 1024 for case in cases}

    print(f"CPython {platform.python_version()} {platform.machine()}: bare {mib['bare']:.1f} MiB")
    for name in [*MODULES, *sys.argv[1:]]:
        last = f", last {mib['all'] - mib[f'all but {name}']:.1f} MiB" if name in MODULES else ""
        print(f"{name}: alone {mib[name] - mib['bare']:.1f} MiB{last}")
    print(f"all four: {mib['all'] - mib['bare']:.1f} MiB")


if __name__ == "__main__":
    main()
