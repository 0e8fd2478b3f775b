"""What a benchmark is made of: cases that are run in turns, and the figures of their runs.

Must not know: what is measured, or who takes part.
Always holds: a round runs each case once, so that a noisy minute hits all of them.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median

from benchmarks.support import BenchmarkError

Run = dict[str, float]


@dataclass(frozen=True)
class Figure:
    """One thing that is measured: its key in a run, its unit, and how it is printed."""

    key: str
    unit: str
    form: str = ",.0f"

    def of(self, run: Run) -> str:
        """Return it as people read it."""
        return f"{run[self.key]:{self.form}} {self.unit}"


@dataclass(frozen=True)
class Case:
    """One peer under one condition; `group` names the condition, and only cases of one group are compared."""

    group: str
    peer: str
    once: Callable[[], Run]


@dataclass
class Group:
    """All rounds of the peers under one condition. The first figure is the one that is compared and drawn."""

    title: str
    figures: Sequence[Figure]
    runs: dict[str, list[Run]] = field(default_factory=dict)


@dataclass(frozen=True)
class Settings:
    """What holds for all benchmarks of one run, and what they have to say: who took part, and what broke."""

    rounds: int = 3
    threads: int = 10
    quick: bool = False
    peers: tuple[str, ...] = ()
    about: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    def note(self, line: str) -> None:
        """Have the report say something, once."""
        if line not in self.about:
            self.about.append(line)
            tell(line)

    def some(self, peers: Sequence[str], also: Sequence[str] = ()) -> list[str]:
        """Return those of these peers that are to take part: all if none were chosen, `also` only if they were."""
        return [name for name in (*peers, *also) if name in (self.peers or peers)]


def in_turns(cases: Sequence[Case], figures: Sequence[Figure], settings: Settings) -> list[Group]:
    """Run each case once in every round; tell of each run as it ends. A case that breaks is left out and noted."""
    groups = {case.group: Group(case.group, figures) for case in cases}
    broken: set[tuple[str, str]] = set()
    for turn in range(1, settings.rounds + 1):
        for case in cases:
            if (case.group, case.peer) in broken:
                continue
            name = f"round {turn}  {case.group}: {case.peer:<14}"
            try:
                run = case.once()
            except BenchmarkError as error:
                tell(f"{name}  BROKE: {error}")
                settings.broken.append(f"{case.group}, {case.peer}: {str(error).partition(chr(10))[0]}")
                broken.add((case.group, case.peer))
                groups[case.group].runs.pop(case.peer, None)
                continue
            groups[case.group].runs.setdefault(case.peer, []).append(run)
            tell(f"{name}  {', '.join(figure.of(run) for figure in figures)}  load {os.getloadavg()[0]:.1f}")
    return [group for group in groups.values() if group.runs]


def tell(text: str) -> None:
    """Say how it goes: on standard error, so that standard output has the report and nothing else."""
    print(text, file=sys.stderr, flush=True)


def medians(runs: Sequence[Run]) -> Run:
    """Return the median of each figure over a peer's rounds."""
    return {key: median(run[key] for run in runs) for key in runs[0]}


def ratio(runs: Sequence[Run], others: Sequence[Run], key: str) -> float:
    """Return how many times another peer's figure ours is: the median of the rounds' ratios, each of neighbours."""
    return median(
        one[key] / other[key] if other[key] else float("nan") for one, other in zip(runs, others, strict=True)
    )


def options(summary: str) -> argparse.ArgumentParser:
    """Return a parser with the options that all benchmarks have."""
    parser = argparse.ArgumentParser(description=summary)
    parser.add_argument("--peers", default="", metavar="NAME,NAME", help="only these take part (default: all)")
    parser.add_argument("--rounds", type=at_least(1), help="runs of each case, taken in turns (3; 1 with --quick)")
    parser.add_argument("--threads", type=at_least(1), default=10, help="the workers' concurrency (default: 10)")
    parser.add_argument("--quick", action="store_true", help="fewer jobs and one round: to see that it works")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    return parser


def settings_of(args: argparse.Namespace) -> Settings:
    """Return what these options ask for."""
    rounds = args.rounds or (1 if args.quick else 3)
    return Settings(rounds, args.threads, args.quick, tuple(filter(None, args.peers.split(","))))


def at_least(lowest: int) -> Callable[[str], int]:
    """Return a type for an option that is a whole number from `lowest` up."""

    def whole_number(text: str) -> int:
        if not text.isdecimal() or int(text) < lowest:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {lowest} up")
        return int(text)

    return whole_number
