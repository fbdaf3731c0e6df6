"""Benchmarks: each module of this package with a function `run(small) -> dict` is one.

python -m bench                       all of them
python -m bench assignment --small    one of them, quickly
"""

from __future__ import annotations

import argparse
import json
import sys
from importlib import import_module
from inspect import signature
from pathlib import Path

SHARED = ("filled", "site", "worlds")  # what benchmarks are made of


def main() -> None:
    names = sorted(path.stem for path in Path(__file__).parent.glob("[a-z]*.py") if path.stem not in SHARED)
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measures what things cost.")
    parser.add_argument("names", nargs="*", metavar="name", help=", ".join(names))
    parser.add_argument("--small", action="store_true", help="only see that it runs")
    parser.add_argument("--data", type=Path, help="published sets; without it what needs them is left out")
    given = parser.parse_args()
    unknown = sorted(set(given.names) - set(names))
    if unknown:
        parser.error(f"there is no benchmark {unknown[0]}; there are: {', '.join(names)}")
    for name in given.names or names:
        run = import_module(f"bench.{name}").run
        needs_data = "data" in signature(run).parameters
        if needs_data and given.data is None:
            print(f"{name} is left out: it needs --data DIR", file=sys.stderr)
            continue
        result = run(given.small, given.data) if needs_data else run(given.small)
        print(json.dumps({name: result}, indent=2, ensure_ascii=False), flush=True)


if __name__ == "__main__":
    main()
