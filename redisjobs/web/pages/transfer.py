"""Export a set as JSON lines, and import such lines: jobs byte by byte as they were.

An export hides nothing, so it is for those who may act.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from starlette.responses import Response, StreamingResponse

from redisjobs.inspector.places import place
from redisjobs.inspector.transfer import Import, export
from redisjobs.web.pages.path import Path
from redisjobs.web.pages.sets import SETS
from redisjobs.web.problems import RefusedError
from redisjobs.web.texts import TEXTS
from redisjobs.web.view import View

_MOST = 8 << 20  # characters of an import: the page that asks sends them back


def _export(name: str) -> Callable[[View], Response]:
    def show(view: View) -> Response:
        if not view.user.may_operate:
            raise RefusedError(403, TEXTS.no_export, TEXTS.no_export_remedy)
        query = view.query(view.params)
        lines = export(SETS[name](view.access), query)
        view.note(f"export {name}", filter=query.terms())
        headers = {"content-disposition": f'attachment; filename="{name}.jsonl"'}
        return StreamingResponse(_joined(lines), media_type="application/jsonl", headers=headers)

    return show


def show(view: View) -> Response:
    """Show where to give a file or lines."""
    return view.page("import.html")


def act(view: View) -> Response:
    """Import lines; asks with how many there are."""
    text = view.field("file") or view.field("lines")
    if len(text) > _MOST:
        raise RefusedError(413, TEXTS.too_large, TEXTS.too_large_remedy)
    lines = text.encode("utf-8", "surrogateescape").splitlines()
    wanted = Import(lambda name: place(view.access, name))
    count = wanted.check(lines)
    if not count:
        return view.go("/import", TEXTS.nothing_to_import)
    if not view.sure:
        question = TEXTS.at("import_ask", count=count)
        return view.ask(question, TEXTS.do_import, details=[TEXTS.import_note], back=view.url("/import"))
    put = sum(wanted.run(lines))
    view.note("import", count=put)
    return view.go("/import", TEXTS.at("imported", count=put))


def _joined(lines: Iterator[list[bytes]]) -> Iterator[bytes]:
    for some in lines:
        if some:
            yield b"\n".join(some) + b"\n"


LOOKS = (*(Path(f"/{name}/export", _export(name)) for name in SETS), Path("/import", show))
ACTS = (Path("/import", act),)
