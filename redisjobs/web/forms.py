"""Read what a form sends, within bounds."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.datastructures import UploadFile
from starlette.requests import Request

from redisjobs.web.problems import RefusedError
from redisjobs.web.view import parse

MOST_BYTES = 64 << 20


async def read(request: Request) -> Sequence[tuple[str, str]]:
    """Return names and values; a file's bytes as text, what is no UTF-8 in it as surrogate escapes.

    Raises:
        RefusedError: there is too much of it.
    """
    if request.headers.get("content-type", "").startswith("multipart/form-data"):
        return await _files(request)
    return parse(await body(request))


async def body(request: Request) -> bytes:
    """Return the bytes of a request.

    Raises:
        RefusedError: more than `MOST_BYTES`.
    """
    pieces, size = [], 0
    async for piece in request.stream():
        size += len(piece)
        if size > MOST_BYTES:
            raise RefusedError(413, "too much at once", f"At most {MOST_BYTES >> 20} MiB: send it in parts.")
        pieces.append(piece)
    return b"".join(pieces)


async def _files(request: Request) -> Sequence[tuple[str, str]]:
    if int(request.headers.get("content-length") or MOST_BYTES + 1) > MOST_BYTES:
        raise RefusedError(413, "too much at once", f"At most {MOST_BYTES >> 20} MiB: send it in parts.")
    found = []
    async with request.form(max_files=1, max_fields=100) as form:
        for name, value in form.multi_items():
            text = (await value.read()).decode("utf-8", "surrogateescape") if isinstance(value, UploadFile) else value
            found.append((name, text))
    return found
