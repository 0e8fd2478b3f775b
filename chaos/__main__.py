"""The program: run scenarios by name, print a row for each, tell by the exit code whether a promise was broken."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from chaos import report
from chaos.peers.systems import NAMES, peer
from chaos.report import Row
from chaos.scenarios import SCENARIOS, Scenario
from chaos.systems import Ours, System
from chaos.trial import SkippedError, Trial


def main(words: Sequence[str] | None = None) -> int:
    """Run what was asked for; return the exit code."""
    parser = _parser()
    told = parser.parse_args(words)
    if told.list:
        for scenario in SCENARIOS:
            print(f"{scenario.name:<18} {scenario.about}")
        return 0
    wanted = _wanted(parser, told.names)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was started is ended
    systems: list[System] = [peer(name) for name in told.peers] if told.peers else [Ours(told.namespace)]
    rows = []
    for system in systems:
        for scenario in wanted:
            if told.peers and not scenario.peers:
                continue
            row = run(scenario, system, full=told.size == "full", keep=told.keep)
            if row is not None:
                rows.append(row)
    print(report.markdown(rows, [system.about() for system in systems], told.size))
    if told.json:
        told.json.write_text(json.dumps([asdict(row) for row in rows], indent=1))
    return int(any(row.broken for row in rows if row.who == Ours.name))


def run(scenario: Scenario, system: System, *, full: bool, keep: bool = False) -> Row | None:
    """Run one scenario, tell of it on standard error, and return its row; None if it cannot be run here."""
    print(f"{scenario.name} ({system.name}): {scenario.about}", file=sys.stderr, flush=True)
    trial = Trial(scenario.name, full=full, system=system)
    row = None
    try:
        row = trial.run(scenario.run)
        print(f"{row}", file=sys.stderr, flush=True)
    except SkippedError as reason:
        print(f"skipped: {reason}", file=sys.stderr, flush=True)
    finally:
        broken = row is None or bool(row.broken)
        trial.close(keep=keep and broken)
        if keep and broken:
            print(f"the logs are in {trial.folder}", file=sys.stderr, flush=True)
    return row


def _wanted(parser: argparse.ArgumentParser, names: Sequence[str]) -> list[Scenario]:
    known = {scenario.name: scenario for scenario in SCENARIOS}
    if names == ["all"]:
        return list(known.values())
    if unknown := [name for name in names if name not in known]:
        parser.error(f"no scenario is called {unknown[0]!r}; there are: {', '.join(known)}")
    if not names:
        parser.error("name some scenarios, or say `all`; --list shows them")
    return [known[name] for name in names]


def _peers(text: str) -> list[str]:
    names = text.split(",")
    if unknown := [name for name in names if name not in NAMES]:
        raise argparse.ArgumentTypeError(f"no peer is called {unknown[0]!r}; there are: {', '.join(NAMES)}")
    return names


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("scripts/chaos", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="SCENARIO", help="names of scenarios, or `all`")
    parser.add_argument("--list", action="store_true", help="show the scenarios")
    parser.add_argument("--size", choices=("quick", "full"), default="full", help="how much of it (default: full)")
    parser.add_argument(
        "--peers", type=_peers, help=f"put these through it instead of ours, where they can be: {', '.join(NAMES)}"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows to a file, too")
    parser.add_argument("--namespace", default="", metavar="NAME", help="put all keys of ours under this prefix")
    parser.add_argument("--keep", action="store_true", help="keep the logs of what broke")
    return parser


if __name__ == "__main__":
    sys.exit(main())
