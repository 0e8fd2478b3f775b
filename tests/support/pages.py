"""The fenced blocks of a page of documentation, so that tests run what the page shows.

A comment on the line before a block says what it is: `<!-- file: shop.py -->`. Blocks without one are only shown.
"""

from __future__ import annotations

import re
import shlex
import textwrap
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(
    r"^(?P<indent> *)(?:<!-- (?P<mark>[^>]+) -->\n *)?```(?P<kind>\w+)\n(?P<text>.*?)^(?P=indent)```",
    re.DOTALL | re.MULTILINE,
)


class Block(NamedTuple):
    """A fenced block: what the comment before it says, its language and its text."""

    mark: str
    kind: str
    text: str

    @property
    def shown(self) -> str:
        """What a `# => ` behind the last line says that it gives."""
        return self.text.rpartition("# => ")[2].rstrip("\n")

    @property
    def command(self) -> list[str]:
        """The words of a command, without the variables before it and the folder of its program."""
        words = shlex.split(self.text, comments=True)
        while "=" in words[0]:
            del words[0]
        return [Path(words[0]).name, *words[1:]]


class Page:
    """One page, by its path in the repository."""

    def __init__(self, path: str) -> None:
        self.text = (ROOT / path).read_text("utf-8")
        self.blocks = [
            Block(each["mark"] or "", each["kind"], textwrap.dedent(each["text"]))
            for each in _BLOCK.finditer(self.text)
        ]

    def marked(self, mark: str) -> list[Block]:
        """Return the blocks whose comment is this, in order."""
        return [block for block in self.blocks if block.mark == mark]

    def block(self, mark: str) -> Block:
        """Return the one block whose comment is this."""
        (found,) = self.marked(mark)
        return found

    def write_files(self, folder: Path) -> None:
        """Write the blocks `file: NAME` into a folder."""
        for block in self.blocks:
            if block.mark.startswith("file: "):
                (folder / block.mark.removeprefix("file: ")).write_text(block.text, "utf-8")
