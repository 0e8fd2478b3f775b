"""Prometheus' text format, version 0.0.4: what a monitoring system reads of counters and gauges."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Literal, TypeAlias

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Kind: TypeAlias = Literal["counter", "gauge"]


class Family:
    """Samples of one name, told apart by their labels; a counter's name ends in `_total`."""

    def __init__(self, name: str, kind: Kind, text: str) -> None:
        self.name, self.kind, self.text = name, kind, text
        self._samples: dict[tuple[tuple[str, str], ...], float] = {}

    def add(self, value: float, **labels: str) -> None:
        """Add a sample; of those with equal labels, which a reader would refuse, the last one counts."""
        self._samples[tuple((name, _valid(label)) for name, label in labels.items())] = value

    def lines(self) -> Iterable[str]:
        """Return the lines that say what it is, and a line for each sample."""
        yield f"# HELP {self.name} {self.text}"
        yield f"# TYPE {self.name} {self.kind}"
        for labels, value in self._samples.items():
            told = ",".join(f'{name}="{_escaped(label)}"' for name, label in labels)
            yield f"{self.name}{'{' + told + '}' if told else ''} {_number(value)}"


def render(families: Iterable[Family]) -> str:
    """Return the text of all families."""
    return "".join(f"{line}\n" for family in families for line in family.lines())


def _valid(text: str) -> str:
    """Return a text as Unicode can have it: names of queues may be any bytes."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _escaped(label: str) -> str:
    return label.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _number(value: float) -> str:
    if math.isfinite(value):
        return repr(value)
    return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
