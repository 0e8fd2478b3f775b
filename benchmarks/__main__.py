"""All benchmarks in one run: `python -m benchmarks [NAME]... [--rounds 3] [--quick] [--charts FOLDER]`.

It prints one Markdown table; how it goes is told on standard error. The exit code is 1 only if something broke.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from benchmarks.report import finish
from benchmarks.runs import options, settings_of

NAMES = ("drain", "processes", "latency", "rtt", "enqueue", "fairness", "schedule", "memory", "web")


def main() -> int:
    parser = options(__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"some of {', '.join(NAMES)} (default: all)")
    parser.add_argument("--list", action="store_true", help="name the benchmarks, run nothing")
    parser.add_argument("--charts", type=Path, metavar="FOLDER", help="write charts (SVG) and the results here")
    args = parser.parse_args()
    unknown = set(args.names) - set(NAMES)
    if unknown:
        parser.error(f"no benchmark is called {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    modules = [importlib.import_module(f"benchmarks.{name}") for name in args.names or NAMES]
    if args.list:
        for module in modules:
            print(f"{module.__name__.rpartition('.')[2]:<10} {(module.__doc__ or '').partition(chr(10))[0]}")
        return 0
    return finish(args, settings_of(args), [module.measure for module in modules], args.charts)


if __name__ == "__main__":
    sys.exit(main())
