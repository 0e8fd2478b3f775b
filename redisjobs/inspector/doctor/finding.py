"""What the doctor says: findings, each with a remedy, and the report of them all. Plain data, as JSON has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from msgspec import Struct, field

Level = Literal["problem", "warning", "unknown"]
LEVELS: tuple[Level, ...] = ("problem", "warning", "unknown")


class Finding(Struct, frozen=True):
    """One thing that is wrong: which check found it, what it is, what to do, and the figures behind it.

    A problem loses jobs or keeps them from running, now; a warning may come to that. What could not be checked is
    unknown, and its remedy says what is missing.
    """

    check: str
    level: Level
    what: str
    remedy: str
    facts: Mapping[str, Any] = field(default_factory=dict)


class Report(Struct, frozen=True):
    """All findings, the worst first. `server` says what was looked at, `partial` where only a part of it was."""

    findings: Sequence[Finding]
    server: Mapping[str, Any]
    partial: Sequence[str] = ()

    @property
    def healthy(self) -> bool:
        """Whether no problem was found; there may be warnings."""
        return not self.of("problem")

    def of(self, level: Level) -> list[Finding]:
        """Return the findings of one level."""
        return [finding for finding in self.findings if finding.level == level]


def problem(check: str, what: str, remedy: str, **facts: Any) -> Finding:
    """Return a finding that somebody must act on."""
    return Finding(check, "problem", what, remedy, facts)


def warning(check: str, what: str, remedy: str, **facts: Any) -> Finding:
    """Return a finding that somebody should know of."""
    return Finding(check, "warning", what, remedy, facts)


def for_s(seconds: float) -> str:
    """Return a duration as a sentence has it."""
    for size, unit in ((86_400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{min(seconds, 1e9) / size:.0f} {unit}"
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"


def counted(count: int, noun: str) -> str:
    """Return a count and its noun, which is a word that takes an `s`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def listed(names: Sequence[str], most: int = 5) -> str:
    """Return names as a sentence has them, not too many."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
