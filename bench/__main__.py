"""`python -m bench [figure …] [--seconds N]`: prints each figure beside its yardstick; exit 1 when one misses."""

from __future__ import annotations

import argparse
import platform
import sqlite3
import sys

from .figure import Skipped
from .figures import FIGURES


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("figures", nargs="*", metavar="figure", help=f"some of: {', '.join(FIGURES)} (default: all)")
    parser.add_argument("--seconds", type=float, default=8.0, help="length of one measurement (default: 8)")
    chosen = parser.parse_args()
    unknown = [name for name in chosen.figures if name not in FIGURES]
    if unknown:
        parser.error(f"unknown figure: {', '.join(unknown)}")
    print(f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {platform.platform()}")
    missed = 0
    for name in chosen.figures or FIGURES:
        try:
            figure = FIGURES[name](chosen.seconds)
        except Skipped as reason:
            print(f"\n{name}: skipped: {reason}")
            continue
        missed += not figure.holds
        bound = "≥" if figure.more_is_better else "≤"
        verdict = "holds" if figure.holds else "MISSED"
        print(f"\n{figure.what}\n  ours       {figure.ours}\n  yardstick  {figure.yardstick}")
        print(f"  figure     {figure.value:.2f}  (reach {bound} {figure.reach:g})  {verdict}")
        sys.stdout.flush()
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
