"""The tables of a page of HTML, ours or Ruby's: what each cell says, apart from its badges, code and moments."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from playwright.sync_api import Page

_READ = """(html) => {
  const read = (cell) => {
    const bare = cell.cloneNode(true);
    const texts = (selector) => [...cell.querySelectorAll(selector)].map(({ textContent }) => textContent.trim());
    bare.querySelectorAll(".label, .badge, .args, form, time").forEach((part) => part.remove());
    return {
      text: bare.textContent.replace(/\\s+/g, " ").trim(),
      badges: texts(".label, .badge").filter((text) => text),
      args: texts(".args, .args-extended").join(),
      times: [...cell.querySelectorAll("time")].map(({ dateTime }) => dateTime),
    };
  };
  const parsed = new DOMParser().parseFromString(html, "text/html");
  return [...parsed.querySelectorAll("table")].map((table) => {
    const rows = [...table.rows];
    if (!table.tHead && rows.every(({ cells }) => cells.length === 2 && cells[0].tagName === "TH"))
      return [rows.map(({ cells }) => [cells[0].textContent.trim(), read(cells[1])])];
    const names = [...table.querySelectorAll("thead th")];
    const heads = (names.length ? names : [...rows[0].cells]).map(({ textContent }) => textContent.trim());
    return rows.filter((row) => row.querySelector("td")).map(({ cells }) => [...cells].map(
      (cell, at) => [heads[at] || "", read(cell)]));
  });
}"""


class Cell(NamedTuple):
    """One cell: its text without what follows, its badges, the arguments of a job in it, and its moments."""

    text: str
    badges: list[str]
    args: str
    times: list[str]

    @property
    def at(self) -> int:
        """Its first moment, in whole Unix seconds."""
        return int(datetime.fromisoformat(self.times[0]).timestamp())

    @property
    def number(self) -> float:
        """The number that its text begins with."""
        return float(self.text.split()[0].replace(",", ""))


Row = dict[str, Cell]


def tables(reader: Page, html: str) -> list[list[Row]]:
    """Return the rows of each table of some HTML, parsed and not run in an empty page, whose policy refuses nothing.

    A table of names beside values is one row.
    """
    found: list[list[list[tuple[str, Any]]]] = reader.evaluate(_READ, html)
    return [[{head: Cell(**cell) for head, cell in row} for row in table] for table in found]
