"""What was measured, as one Markdown table, as JSON, and as bar charts in SVG.

Must not know: how it was measured.
Always holds: every peer that has a figure has a row, whoever wins.
"""

from __future__ import annotations

import argparse
import json
import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from benchmarks.runs import Group, Run, Settings, medians, options, ratio, settings_of, tell
from benchmarks.support import BenchmarkError, machine, redis_version

OURS, REAL = "ours", "sidekiq8"
HEAD = ("benchmark", "peer", "median", "lowest..highest", "and", f"{OURS} / it", f"it / {REAL}")
BAR_PX, ROW_PX, NAME_PX, VALUE_PX = 420, 24, 130, 130


def markdown(groups: Sequence[Group]) -> str:
    """Return one table with a line for each peer of each group."""
    lines = [HEAD, *((":---",) * 2 + ("---:",) * 5,), *(row for group in groups for row in rows(group))]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def rows(group: Group) -> list[tuple[str, ...]]:
    """Return the cells of a group, line by line."""
    first, *more = group.figures
    found: list[tuple[str, ...]] = []
    for peer, runs in group.runs.items():
        middle, values = medians(runs), [run[first.key] for run in runs]
        spread = f"{min(values):{first.form}}..{max(values):{first.form}}"
        others = ", ".join(figure.of(middle) for figure in more)
        found.append(
            (group.title, peer, first.of(middle), spread, others, _ratio(group, OURS, peer), _ratio(group, peer, REAL))
        )
    return found


def svg(group: Group) -> str:
    """Return a bar chart of a group's first figure; dark and light pages both can show it."""
    figure = group.figures[0]
    values = {peer: medians(runs)[figure.key] for peer, runs in group.runs.items()}
    highest = max(values.values()) or 1.0
    width, height = NAME_PX + BAR_PX + VALUE_PX, ROW_PX * (len(values) + 1) + 12
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
        ' font-family="sans-serif" font-size="13" fill="#777">',
        f'<text x="4" y="17" font-weight="bold">{escape(group.title)}, {escape(figure.unit)}</text>',
    ]
    for line, (peer, value) in enumerate(values.items(), start=1):
        top, length = ROW_PX * line + 4, max(1.0, BAR_PX * value / highest)
        colour = "#c8443c" if peer.startswith(OURS) else "#8a93a6"
        lines += [
            f'<text x="{NAME_PX - 6}" y="{top + 14}" text-anchor="end">{escape(peer)}</text>',
            f'<rect x="{NAME_PX}" y="{top}" width="{length:.1f}" height="{ROW_PX - 6}" rx="2" fill="{colour}"/>',
            f'<text x="{NAME_PX + length + 6:.1f}" y="{top + 14}">{value:{figure.form}}</text>',
        ]
    return "\n".join([*lines, "</svg>", ""])


def write_charts(groups: Sequence[Group], folder: Path) -> list[Path]:
    """Draw each group in which somebody can be compared; return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for group in groups:
        if len(group.runs) > 1:
            name = re.sub(r"[^a-z0-9]+", "-", group.title.lower()).strip("-")
            files.append(folder / f"{name}.svg")
            files[-1].write_text(svg(group))
    return files


def as_json(groups: Sequence[Group], settings: Settings) -> dict[str, Any]:
    """Return all that was measured, for programs."""
    return {
        "about": settings.about,
        "rounds": settings.rounds,
        "threads": settings.threads,
        "quick": settings.quick,
        "broken": settings.broken,
        "groups": [
            {"title": group.title, "peers": {name: _all(runs) for name, runs in group.runs.items()}} for group in groups
        ],
    }


def heading(settings: Settings) -> list[str]:
    """Name the machine, the server and the settings; peers tell of themselves as they are looked up."""
    runs = f"{settings.rounds} round{'s' if settings.rounds > 1 else ''}, {settings.threads} threads"
    return [machine(), f"{redis_version()}, loopback TCP, no AOF, no RDB", runs + (", quick" if settings.quick else "")]


def alone(summary: str, measure: Callable[[Settings], list[Group]]) -> int:
    """Run one benchmark by itself and print its table; return the exit code."""
    args = options(summary).parse_args()
    return finish(args, settings_of(args), [measure])


def finish(
    args: argparse.Namespace,
    settings: Settings,
    benchmarks: Sequence[Callable[[Settings], list[Group]]],
    folder: Path | None = None,
) -> int:
    """Run some benchmarks, print the report, draw charts into a folder if one is given; 1 if something broke."""
    for line in heading(settings):
        settings.note(line)
    groups: list[Group] = []
    for measure in benchmarks:
        try:
            groups += measure(settings)
        except BenchmarkError as error:  # a peer is missing, or the like
            tell(f"broke: {error}")
            settings.broken.append(str(error).partition("\n")[0])
    absent = set(settings.peers).difference(*(group.runs for group in groups))
    settings.broken.extend(f"{name} took no part" for name in sorted(absent))
    found = as_json(groups, settings)
    text = "\n".join([*(f"- {line}" for line in settings.about), "", markdown(groups)])
    text += "".join(f"\n- broke: {line}" for line in settings.broken)
    print(json.dumps(found, indent=2) if args.json else text)
    if folder is not None:
        for file in write_charts(groups, folder):
            tell(f"wrote {file}")
        (folder / "results.json").write_text(json.dumps(found, indent=2) + "\n")
        (folder / "results.md").write_text(text + "\n")
    return 1 if settings.broken else 0


def _all(runs: Sequence[Run]) -> dict[str, Any]:
    return {"median": medians(runs), "rounds": list(runs)}


def _ratio(group: Group, one: str, other: str) -> str:
    if one == other or one not in group.runs or other not in group.runs:
        return ""
    value = ratio(group.runs[one], group.runs[other], group.figures[0].key)
    return "" if math.isnan(value) else f"{value:.2f}x"
