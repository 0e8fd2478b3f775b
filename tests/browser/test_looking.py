"""The eyes themselves: what the visitor complains of, and that a page without fault leaves nothing to say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from tests.support import hostile
from tests.support.browser import NARROW, Visitor, axe, overflow_px
from tests.support.site import Site

pytestmark = pytest.mark.browser

FRAME = (
    '<!doctype html><html lang="en"><head><title>t</title><link rel="icon" href="data:,"></head><body>{}</body></html>'
)
STRICT = "default-src 'self'; img-src 'self' data:"


def pages(body: str, policy: str = "") -> Starlette:
    """Return an app whose one page has this body."""

    def show(_: Request) -> Response:
        return HTMLResponse(FRAME.format(body), headers={"content-security-policy": policy} if policy else {})

    return Starlette(routes=[Route("/", show)])


@pytest.mark.parametrize("javascript", [True, False], ids=["with JavaScript", "without"])
@pytest.mark.parametrize(
    ("body", "policy", "complaint"),
    [
        ("<p style='color: red'>x</p>", STRICT, "Content Security Policy"),
        ("<img src='/nowhere.png' alt='x'>", "", "/nowhere.png answered 404"),
        ("<img src='http://127.0.0.1:1/x.png' alt='x'>", "", "failed: net::ERR_"),
    ],
    ids=["style", "missing", "unreachable"],
)
def test_what_a_page_does_wrong_is_complained_of(
    visitor: Visitor, serve: Callable[[Any], Site], body: str, policy: str, complaint: str, javascript: bool
) -> None:
    visitor.page(serve(pages(body, policy)).url, javascript=javascript)

    visitor.excuse(complaint)
    visitor.complaints.clear()  # the same, told in other ways


@pytest.mark.parametrize(
    ("body", "policy", "complaint"),
    [
        ("<script>document.title = 'x'</script>", STRICT, "policy: script-src-elem refused inline"),
        ("<script>console.error('mine')</script>", "", "console error: mine"),
        ("<script>console.warn('mine')</script>", "", "console warning: mine"),
        ("<script>undefined.member</script>", "", "page error: "),
        ("<script>Promise.reject(new Error('mine'))</script>", "", "page error: mine"),
        *((hostile.TEXTS[name], "", "hostile text was run") for name in ("script", "image", "attribute", "comment")),
    ],
)
def test_what_a_script_does_wrong_is_complained_of(
    visitor: Visitor, serve: Callable[[Any], Site], body: str, policy: str, complaint: str
) -> None:
    visitor.page(serve(pages(body, policy)).url)

    visitor.excuse(complaint)
    visitor.complaints.clear()


def test_what_is_not_accessible_is_found_under_the_strictest_policy(
    visitor: Visitor, serve: Callable[[Any], Site]
) -> None:
    page = visitor.page(serve(pages("<main><h1>x</h1><input><img src='data:,' ></main>", STRICT)).url)

    found = axe(page)

    assert [line.partition(" ")[0] for line in found] == ["image-alt", "label"]


def test_a_page_that_is_too_wide_is_measured(visitor: Visitor, serve: Callable[[Any], Site]) -> None:
    page = visitor.page(serve(pages("<pre>" + "W" * 500)).url, width=NARROW)

    assert overflow_px(page) > 1_000
