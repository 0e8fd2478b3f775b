"""The figures of a whole Redis at a glance, and how fast they change from one look to the next."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from msgspec import Struct

from redisjobs import clock
from redisjobs.app import RedisJobs
from redisjobs.wording import duration, wide

_BARS = "▁▂▃▄▅▆▇█"


class _Counted(NamedTuple):
    at: float
    processed: int
    failed: int


class Overview(Struct, frozen=True):
    """Figures as of one moment; `speeds` are the runs per second of the last looks, the newest last."""

    processed: int
    failed: int
    busy: int
    slots: int
    processes: int
    enqueued: int
    latency_s: float
    retries: int
    scheduled: int
    dead: int
    failed_per_s: float
    speeds: Sequence[float]

    @property
    def per_s(self) -> float:
        """Runs per second, of now."""
        return self.speeds[-1] if self.speeds else 0.0


class Glances:
    """Looks again and again."""

    def __init__(self) -> None:
        self._last: _Counted | None = None
        self._speeds: deque[float] = deque(maxlen=60)

    def look(self, app: RedisJobs) -> Overview:
        """Return the figures as of now. Raises StoreUnavailableError."""
        stats, processes = app.stats, app.processes
        now = _Counted(clock.monotonic(), stats.processed, stats.failed)
        failed_per_s = 0.0
        if self._last is not None and now.at > self._last.at:
            passed_s = now.at - self._last.at
            self._speeds.append(max(0.0, (now.processed - self._last.processed) / passed_s))
            failed_per_s = max(0.0, (now.failed - self._last.failed) / passed_s)
        self._last = now
        return Overview(
            processed=stats.processed,
            failed=stats.failed,
            busy=sum(process.busy for process in processes),
            slots=processes.concurrency,
            processes=len(processes),
            enqueued=stats.enqueued,
            latency_s=max((queue.latency_s for queue in stats.summaries), default=0.0),
            retries=stats.retries,
            scheduled=stats.scheduled,
            dead=stats.dead,
            failed_per_s=failed_per_s,
            speeds=tuple(self._speeds),
        )


def figures(overview: Overview) -> list[tuple[str, str]]:
    """Return names and values, as they are shown."""
    return [
        ("processed", f"{overview.processed:,}"),
        ("failed", f"{overview.failed:,}"),
        ("busy", f"{overview.busy:,} of {overview.slots:,}"),
        ("processes", f"{overview.processes:,}"),
        ("enqueued", f"{overview.enqueued:,}"),
        ("longest wait", duration(overview.latency_s)),
        ("retries", f"{overview.retries:,}"),
        ("scheduled", f"{overview.scheduled:,}"),
        ("dead", f"{overview.dead:,}"),
        ("jobs/s", f"{overview.per_s:,.1f}"),
        ("failures/s", f"{overview.failed_per_s:,.1f}"),
    ]


def bars(speeds: Sequence[float], width: int) -> str:
    """Return the last so many speeds as a line of bars."""
    shown = speeds[-width:]
    most = max(shown, default=0.0) or 1.0
    return "".join(_BARS[round(speed / most * (len(_BARS) - 1))] for speed in shown)


def columns(pairs: Sequence[tuple[str, str]], width: int) -> list[str]:
    """Return names and values in as many columns as a width has room for."""
    texts = [f"{name:<13}{value}" for name, value in pairs]
    cell = max(map(len, texts)) + 3
    count = max(1, (width + 3) // cell)
    lines = -(-len(pairs) // count)
    return ["".join(f"{text:<{cell}}" for text in texts[line::lines]).rstrip() for line in range(lines)]


def table(headers: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int]) -> Iterator[str]:
    """Give the lines of a table."""
    lines = [headers, *rows]
    widths = [max(wide(line[at]) for line in lines) for at in range(len(headers))]
    for line in lines:
        cells = enumerate(zip(line, widths, strict=True))
        yield "  ".join(_cell(text, width, at in right) for at, (text, width) in cells).rstrip()


def _cell(text: str, width: int, to_the_right: bool) -> str:
    space = " " * (width - wide(text))
    return space + text if to_the_right else text + space
