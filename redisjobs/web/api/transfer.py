"""Export jobs as JSON lines and import them. An export hides nothing, so it is for those who may act."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated

from msgspec import Meta, Struct
from starlette.responses import Response, StreamingResponse

from redisjobs.inspector import JobSet, Queue, places
from redisjobs.inspector.transfer import Import, export
from redisjobs.web.api.endpoint import LINES, Call, Endpoint
from redisjobs.web.api.queues import Name
from redisjobs.web.api.sets import PLACES
from redisjobs.web.api.shapes import Asked, checked
from redisjobs.web.problems import RefusedError
from redisjobs.web.texts import TEXTS


class AskedOfQueue(Asked, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which jobs of which queue."""

    name: Name = ""


class Target(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where lines go."""

    to: Annotated[str, Meta(description="One place for all: retries, scheduled, dead or queue:NAME.")] = ""
    dry_run: Annotated[bool, Meta(description="Only check and count.")] = False


class Imported(Struct, kw_only=True):
    """How many jobs there are, or were put."""

    jobs: int
    dry_run: bool


def _of_set(name: str) -> Callable[[Call[Asked, bytes]], Response]:
    return lambda call: _export(call, places.place(call.access, name))


def _of_queue(call: Call[AskedOfQueue, bytes]) -> Response:
    return _export(call, Queue(call.access, call.params.name or call.view.part("queue")))


def _export(call: Call[Asked, bytes] | Call[AskedOfQueue, bytes], source: JobSet | Queue) -> Response:
    if not call.view.user.may_operate:
        raise RefusedError(403, TEXTS.no_export, TEXTS.no_export_remedy)
    query = call.params.query(call.view)
    checked(source.place, "name")
    call.view.note(f"export {source.place}", filter=query.terms())
    return StreamingResponse(_joined(export(source, query)), media_type=LINES)


def imported(call: Call[Target, bytes]) -> Imported:
    """Put lines back."""
    if call.params.to:
        checked(call.params.to, "to")
    lines = call.body.splitlines()
    wanted = Import(lambda name: places.place(call.access, name), call.params.to)
    count = wanted.check(lines)
    if not call.params.dry_run:
        count = sum(wanted.run(lines))
        call.view.note("import", count=count, to=call.params.to)
    return Imported(jobs=count, dry_run=call.params.dry_run)


def _joined(lines: Iterator[list[bytes]]) -> Iterator[bytes]:
    for some in lines:
        if some:
            yield b"\n".join(some) + b"\n"


ENDPOINTS = (
    *(
        Endpoint(
            method="GET",
            path=f"/{name}/export",
            summary=f"Export {name} jobs as JSON lines, byte by byte; nothing is hidden in them",
            respond=_of_set(name),
            params=Asked,
            media=LINES,
        )
        for name in PLACES
    ),
    Endpoint(
        method="GET",
        path="/queues/{queue}/export",
        summary="Export jobs of a queue as JSON lines, byte by byte, in the order they run; nothing is hidden in them",
        respond=_of_queue,
        params=AskedOfQueue,
        media=LINES,
    ),
    Endpoint(
        method="POST",
        path="/import",
        summary="Import lines that were exported, to where they were or to one place",
        respond=imported,
        params=Target,
        answer=Imported,
        takes=LINES,
    ),
)
