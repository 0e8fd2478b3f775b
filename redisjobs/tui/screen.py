"""`redisjobs top` on the whole terminal, with textual.

Redis is asked in threads of textual's, so that keys are heard while it is slow or away. Text that came from Redis is
never markup: it is made printable by `rows` and `details`, and put into `Text`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import ClassVar, TypeVar

from msgspec import Struct
from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import DataTable, Input, Static
from textual.worker import get_current_worker

from redisjobs.app import RedisJobs
from redisjobs.errors import RedisJobsError
from redisjobs.tui.details import details
from redisjobs.tui.dialogs import Question, Reading
from redisjobs.tui.overview import Glances, Overview, bars, columns, figures, table
from redisjobs.tui.rows import MOST, Page, Row, Wanted
from redisjobs.tui.tabs import TABS, Act, Tab, perform
from redisjobs.wording import printable

T = TypeVar("T")

EVERY_S = 2.0
_MARK = "●"
_TONES = {"good": "green", "bad": "bold red", "faint": "dim"}
_KEYS = "? help  q quit  / filter  space select  enter details"


class _Seen(Struct, frozen=True):
    """What a look at Redis found, and what was looked for."""

    tab: Tab
    wanted: Wanted
    overview: Overview | None = None
    page: Page = Page()
    queues: Page = Page()
    problem: str = ""


class Top(App[None]):
    """The whole program."""

    ENABLE_COMMAND_PALETTE = False
    TITLE = "redisjobs top"

    def __init__(self, app: RedisJobs) -> None:
        super().__init__()
        self._jobs = app

    def on_mount(self) -> None:
        """Show the tabs."""
        self.push_screen(Board(self._jobs))


class Board(Screen[None]):
    """The tabs."""

    CSS = """
    #title { background: $primary; color: $text; }
    #title.away { background: $error; }
    #tabs { background: $panel; }
    #figures { padding: 1; height: 1fr; }
    #table { height: 1fr; }
    #filter { border: none; height: 1; padding: 0; background: $boost; }
    #keys { background: $panel; color: $text-muted; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "app.quit", "quit"),
        Binding("question_mark,h", "help", "help"),
        Binding("slash", "filter", "filter"),
        Binding("escape", "reset", "forget filter and selection"),
        Binding("tab,right_square_bracket", "step(1)", "next tab"),
        Binding("shift+tab,left_square_bracket", "step(-1)", "previous tab"),
        *(Binding(str(at + 1), f"tab({at})", tab.title) for at, tab in enumerate(TABS)),
        Binding("j", "move('cursor_down')", "down"),
        Binding("k", "move('cursor_up')", "up"),
        Binding("g", "move('scroll_top')", "first"),
        Binding("G", "move('scroll_bottom')", "last"),
        Binding("n", "turn(1)", "next page"),
        Binding("b", "turn(-1)", "previous page"),
        Binding("space", "mark", "select"),
        Binding("a", "mark_all", "select all shown"),
        *(Binding(key, f"act('{key}')") for key in sorted({act.key for tab in TABS for act in tab.acts})),
        Binding("T", "theme", "light or dark"),
    ]

    def __init__(self, app: RedisJobs) -> None:
        super().__init__()
        self._jobs = app
        self._glances = Glances()
        self._tab = TABS[0]
        self._wanted = Wanted()
        self._rows: dict[str, Row] = {}
        self._marked: dict[str, Row] = {}
        self._note = ""
        self._looking = self._again = False

    def compose(self) -> ComposeResult:
        """See `Screen.compose`."""
        yield Static(id="title")
        yield Static(id="tabs")
        yield Static(id="figures")
        yield DataTable[Text](id="table", cursor_type="row", zebra_stripes=True)
        yield Input(placeholder="filter", id="filter")
        yield Static(id="keys")

    def on_mount(self) -> None:
        """Begin to look, and go on."""
        self._input.display = False
        self._open(TABS[0])
        self.set_interval(EVERY_S, self._look)

    # -- looking ------------------------------------------------------------------------------------------------

    @property
    def _table(self) -> DataTable[Text]:
        return self.query_one("#table", DataTable)

    @property
    def _input(self) -> Input:
        return self.query_one("#filter", Input)

    def _look(self) -> None:
        """Look at Redis in a thread; if one does already, once more when it is done."""
        if self._looking:
            self._again = True
            return
        self._looking, self._again = True, False
        tab, wanted = self._tab, self._wanted
        self._in_thread(lambda: self._seen(tab, wanted), self._show)

    def _seen(self, tab: Tab, wanted: Wanted) -> _Seen:
        try:
            overview = self._glances.look(self._jobs)
            queues = TABS[1].read(self._jobs, Wanted()) if tab is TABS[0] else Page()
            return _Seen(tab, wanted, overview, tab.read(self._jobs, wanted), queues)
        except RedisJobsError as error:
            return _Seen(tab, wanted, problem=printable(str(error)))

    def _in_thread(self, ask: Callable[[], T], then: Callable[[T], None]) -> None:
        def run() -> None:
            found = ask()
            if not get_current_worker().is_cancelled:
                self.app.call_from_thread(then, found)

        self.run_worker(run, thread=True)

    def _show(self, seen: _Seen) -> None:
        self._looking = False
        title = self.query_one("#title", Static)
        title.set_class(bool(seen.problem), "away")
        if seen.overview is None:
            title.update(Text(f" {seen.problem}; trying again"))
        else:
            title.update(Text(f" redisjobs top   {datetime.now():%H:%M:%S}   {seen.overview.per_s:,.1f} jobs/s"))
            self._show_tabs(seen.overview)
            if seen.tab is self._tab and seen.wanted == self._wanted:
                self._show_figures(seen.overview, seen.queues)
                self._fill(seen.page)
        if self._again:
            self._look()

    def _show_tabs(self, overview: Overview) -> None:
        told = Text()
        for at, tab in enumerate(TABS):
            count = f" {getattr(overview, tab.counted):,}" if tab.counted else ""
            told.append(f" {at + 1} {tab.title}{count} ", style="reverse" if tab is self._tab else "")
        self.query_one("#tabs", Static).update(told)

    def _show_figures(self, overview: Overview, queues: Page) -> None:
        width = self.size.width - 4
        lines = [*columns(figures(overview), width), "", f"{bars(overview.speeds, width - 10)} jobs/s", ""]
        if not queues.rows:
            lines.append("no queues: nothing was enqueued yet")
        lines += table(TABS[1].headers, [row.cells for row in queues.rows], TABS[1].right) if queues.rows else ()
        self.query_one("#figures", Static).update(Text("\n".join(lines), no_wrap=True, overflow="ellipsis"))

    def _fill(self, page: Page) -> None:
        """Show rows; the cursor stays on the row where it is, if that is still there."""
        shown = self._table
        current, top = self._current(), shown.scroll_y
        at = shown.cursor_row
        self._rows = {row.key: row for row in page.rows}
        self._marked = {key: self._rows.get(key, row) for key, row in self._marked.items()}
        shown.clear()
        for row in page.rows:
            shown.add_row(*self._cells(row), key=row.key)
        if current is not None and current.key in self._rows:
            at = list(self._rows).index(current.key)
        shown.move_cursor(row=at, animate=False, scroll=False)
        shown.scroll_to(y=top, animate=False, immediate=True)
        self._note = page.note or ("" if page.rows else "nothing matches" if self._wanted.text else "nothing here")
        self._show_keys()

    def _cells(self, row: Row) -> list[Text]:
        style = _TONES.get(row.tone, "")
        cells = [
            Text(cell, style=style, justify="right" if at in self._tab.right else "left")
            for at, cell in enumerate(row.cells)
        ]
        return [Text(_MARK if row.key in self._marked else " ", style="bold yellow"), *cells]

    def _show_keys(self) -> None:
        told = [self._note]
        if self._marked:
            told.insert(0, f"{len(self._marked)} selected")
        if self._wanted.text:
            told.insert(0, f"filter: {printable(self._wanted.text)}")
        acts = "  ".join(f"{act.key} {act.verb}" for act in self._tab.acts)
        lines = ["   ".join(filter(None, told)), acts, _KEYS]
        self.query_one("#keys", Static).update(Text("\n".join(filter(None, lines)), no_wrap=True, overflow="ellipsis"))

    # -- keys ---------------------------------------------------------------------------------------------------

    def _open(self, tab: Tab) -> None:
        self._tab, self._wanted, self._rows, self._marked = tab, Wanted(), {}, {}
        self._note = ""
        is_list = bool(tab.headers)
        self.query_one("#figures").display = not is_list
        shown = self._table
        shown.display = is_list
        shown.clear(columns=True)
        shown.add_columns(" ", *tab.headers)
        self._input.display = False
        self._input.clear()
        self._show_keys()
        if is_list:
            shown.focus()
        self._look()

    def _current(self) -> Row | None:
        shown = self._table
        if not shown.is_valid_row_index(shown.cursor_row):
            return None
        return self._rows.get(str(shown.ordered_rows[shown.cursor_row].key.value))

    def action_tab(self, at: int) -> None:
        """Open a tab."""
        self._open(TABS[at])

    def action_step(self, by: int) -> None:
        """Open the next tab, or the one before."""
        self._open(TABS[(TABS.index(self._tab) + by) % len(TABS)])

    def action_move(self, how: str) -> None:
        """Move the cursor."""
        getattr(self._table, f"action_{how}")()

    def action_turn(self, by: int) -> None:
        """Show other rows of a list that is longer than what is shown."""
        offset = max(0, self._wanted.offset + by * MOST)
        if by < 0 or len(self._rows) == MOST:
            self._wanted = Wanted(self._wanted.text, offset)
            self._look()

    def action_mark(self) -> None:
        """Select a row, or no more, and go to the next."""
        row = self._current()
        if row is not None:
            self._mark([row], row.key not in self._marked)
            self._table.action_cursor_down()

    def action_mark_all(self) -> None:
        """Select all rows that are shown; if they are, none."""
        self._mark(list(self._rows.values()), not self._rows.keys() <= self._marked.keys())

    def _mark(self, chosen: Sequence[Row], marked: bool) -> None:
        for row in chosen:
            if marked:
                self._marked[row.key] = row
            else:
                self._marked.pop(row.key, None)
            self._table.update_cell_at((list(self._rows).index(row.key), 0), self._cells(row)[0])  # type: ignore[arg-type]
        self._show_keys()

    def action_filter(self) -> None:
        """Ask for a text that rows must have."""
        if self._tab.headers:
            self._input.display = True
            self._input.focus()

    def action_reset(self) -> None:
        """Forget filter and selection."""
        self._input.display = False
        self._input.clear()
        self._marked = {}
        self._wanted = Wanted()
        self._table.focus()
        self._look()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Filter by what was typed."""
        self._wanted = Wanted(event.value)
        self._input.display = False
        self._table.focus()
        self._look()

    def action_help(self) -> None:
        """Show all keys."""
        self.app.push_screen(Reading("keys", _help()))

    def action_theme(self) -> None:
        """Change between dark and light."""
        self.app.theme = "textual-light" if self.app.current_theme.dark else "textual-dark"

    def on_data_table_row_selected(self) -> None:
        """Show all there is of a row."""
        row = self._current()
        if row is not None:
            self._in_thread(lambda: _told(lambda: details(self._jobs, row)), lambda text: self._read(row, text))

    def _read(self, row: Row, text: str) -> None:
        self.app.push_screen(Reading(_what([row]), text))

    def action_act(self, key: str) -> None:
        """Do what a key does on this tab, to the selected rows or the current one; ask before, if that is due."""
        act = self._tab.act(key)
        current = self._current()
        chosen = list(self._marked.values()) or ([current] if current is not None else [])
        if act is None or not chosen:
            return
        if act.asks:
            question = f"{act.verb[0].upper()}{act.verb[1:]}: {_what(chosen)}?"
            self.app.push_screen(Question(question), lambda yes: self._do(act, chosen) if yes else None)
        else:
            self._do(act, chosen)

    def _do(self, act: Act, chosen: Sequence[Row]) -> None:
        self._in_thread(lambda: _told(lambda: perform(self._jobs, act, chosen)), self._done)

    def _done(self, told: str) -> None:
        self._marked = {}
        self.notify(printable(told), markup=False)
        self._look()


def _told(ask: Callable[[], str]) -> str:
    try:
        return ask()
    except RedisJobsError as error:
        return printable(str(error))


def _what(chosen: Sequence[Row]) -> str:
    first = " ".join(cell for cell in chosen[0].cells[:2] if cell.strip())
    return first if len(chosen) == 1 else f"{len(chosen)} rows, {first} and others"


def _help() -> str:
    keys = [
        (f"1 to {len(TABS)}, tab", "tabs"),
        ("arrows, j k g G", "move"),
        ("n b", "next and previous page"),
        ("/", "filter; escape forgets it"),
        ("space, a", "select a row, all rows shown"),
        ("enter", "details"),
        ("T", "light or dark"),
        ("q", "quit"),
    ]
    lines = [f"{key:<18}{text}" for key, text in keys]
    for tab in TABS:
        lines += ["", tab.title, *(f"  {act.key:<16}{act.verb}" for act in tab.acts)] if tab.acts else []
    return "\n".join(lines)
