"""Benchmarks: each module of this package with a function `run(small) -> dict` is one.

python -m bench                       all of them
python -m bench assignment --small    one of them, quickly
"""

from __future__ import annotations

import argparse
import json
from importlib import import_module
from pathlib import Path

SHARED = ("worlds",)  # what benchmarks are made of


def main() -> None:
    names = sorted(path.stem for path in Path(__file__).parent.glob("[a-z]*.py") if path.stem not in SHARED)
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measures what things cost.")
    parser.add_argument("names", nargs="*", metavar="name", help=", ".join(names))
    parser.add_argument("--small", action="store_true", help="only see that it runs")
    given = parser.parse_args()
    unknown = sorted(set(given.names) - set(names))
    if unknown:
        parser.error(f"there is no benchmark {unknown[0]}; there are: {', '.join(names)}")
    for name in given.names or names:
        result = import_module(f"bench.{name}").run(given.small)
        print(json.dumps({name: result}, indent=2, ensure_ascii=False), flush=True)


if __name__ == "__main__":
    main()
