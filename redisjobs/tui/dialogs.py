"""What lies over the tabs for a while: a question, or a text to read."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static


class Question(ModalScreen[bool]):
    """Asks, and is told yes or no. Text is never markup."""

    CSS = """
    Question { align: center middle; }
    Question > Vertical { width: auto; max-width: 90%; height: auto; padding: 1 2; }
    Question > Vertical { border: round $error; background: $surface; }
    Question Static { width: auto; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "yes"),
        Binding("n,escape,q", "answer(False)", "no"),
    ]

    def __init__(self, question: str) -> None:
        super().__init__()
        self._question = question

    def compose(self) -> ComposeResult:
        """See `Screen.compose`."""
        yield Vertical(Static(Text(self._question)), Static(Text("\ny  yes     n  no", style="bold")))

    def action_answer(self, yes: bool) -> None:
        """Give the answer to who asked."""
        self.dismiss(yes)


class Reading(ModalScreen[None]):
    """A text to read, and to scroll. Text is never markup."""

    CSS = """
    Reading { align: center middle; }
    Reading > VerticalScroll { width: 95%; height: 90%; padding: 0 1; border: round $primary; background: $surface; }
    Reading Static { width: 100%; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,enter,question_mark", "close", "close"),
        Binding("j", "by(1)", "down"),
        Binding("k", "by(-1)", "up"),
    ]

    def __init__(self, title: str, text: str) -> None:
        super().__init__()
        self._heading = title
        self._text = text

    def compose(self) -> ComposeResult:
        """See `Screen.compose`."""
        with VerticalScroll() as box:
            box.border_subtitle = "escape closes"
            yield Static(Text(self._heading, style="bold"))  # no title of the border: that would be markup
            yield Static(Text(f"\n{self._text}"))

    def action_close(self) -> None:
        """Go back to the tabs."""
        self.dismiss(None)

    def action_by(self, lines: int) -> None:
        """Scroll."""
        self.query_one(VerticalScroll).scroll_relative(y=lines, animate=False)
