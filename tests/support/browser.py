"""A real Chromium that looks at pages and complains: of errors, of what the policy refused, of what is not accessible.

Must not know: which pages there are.
Always holds: what a page said while a test looked at it fails the test, but for what the test excused.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, ConsoleMessage, Page, Request, Response, sync_playwright

SETUP = Path(__file__).parents[2] / "scripts" / "browser-setup"
WIDE, NARROW = 1280, 390
"""Widths in pixels: a desk, and a hand."""
HEIGHTS = {WIDE: 800, NARROW: 844}
EXCUSE_S = 30.0
"""How long an expected complaint may take to come."""

_WATCH = """
document.addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI, sourceFile, lineNumber }) =>
  console.error(`policy: ${violatedDirective} refused ${blockedURI} ${sourceFile}:${lineNumber}`));
Object.defineProperty(window, "hostile", { set: (what) => console.error(`hostile text was run: ${what}`) });
"""


class MissingError(Exception):
    """There is no Chromium or no axe-core here; the message says how to get them."""


def installed() -> tuple[str, Path]:
    """Return the paths of Chromium and of axe-core. Raises MissingError."""
    found = subprocess.run([SETUP, "--installed"], capture_output=True, text=True, check=False)
    if found.returncode:
        raise MissingError("no Chromium or no axe-core for the browser tests; install them: scripts/browser-setup")
    chromium, axe_file = found.stdout.splitlines()
    return chromium, Path(axe_file)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run a Chromium. While it runs, this thread can have no other event loop."""
    program, _ = installed()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield browser
        browser.close()


class Visitor:
    """Opens pages, each with a fresh profile, and keeps what they complained of."""

    def __init__(self, browser: Browser) -> None:
        self.complaints: list[str] = []
        self._browser = browser
        self._contexts: list[Any] = []

    def page(self, url: str, *, width: int = WIDE, dark: bool = False, javascript: bool = True, **more: Any) -> Page:
        """Open a page, and wait until it is loaded; `more` goes to Playwright's `new_context`."""
        context = self._browser.new_context(
            base_url=url,
            viewport={"width": width, "height": HEIGHTS.get(width, 800)},
            color_scheme="dark" if dark else "light",
            java_script_enabled=javascript,
            reduced_motion="reduce",
            locale="en-GB",
            **more,
        )
        self._contexts.append(context)
        context.add_init_script(_WATCH)
        page: Page = context.new_page()
        self._listen(page)
        page.goto(url)
        return page

    def excuse(self, text: str) -> None:
        """Wait for a complaint that contains a text, and forget all that do: the test wanted it."""
        deadline = time.monotonic() + EXCUSE_S
        while not any(text in line for line in self.complaints) and time.monotonic() < deadline:
            self._contexts[-1].pages[-1].wait_for_timeout(20)  # lets the browser speak
        kept = [line for line in self.complaints if text not in line]
        assert len(kept) < len(self.complaints), f"nobody complained of {text!r}, only: {self.complaints}"
        self.complaints = kept

    def leave(self) -> None:
        """Close all pages, after their last word."""
        for context in self._contexts:
            for page in context.pages:
                page.evaluate("0")
            context.close()

    def _listen(self, page: Page) -> None:
        def console(message: ConsoleMessage) -> None:
            if message.type in ("error", "warning"):
                self.complaints.append(f"console {message.type}: {message.text} ({message.location.get('url', '')})")

        def failed(request: Request) -> None:
            if request.failure != "net::ERR_ABORTED":  # a stream that ends because the page is left
                self.complaints.append(f"{request.method} {request.url} failed: {request.failure}")

        def answered(response: Response) -> None:
            if response.status >= 400:
                self.complaints.append(f"{response.request.method} {response.url} answered {response.status}")

        page.on("console", console)
        page.on("pageerror", lambda error: self.complaints.append(f"page error: {error}"))
        page.on("requestfailed", failed)
        page.on("response", answered)
        page.on("crash", lambda _: self.complaints.append("the page crashed"))


def axe(page: Page) -> list[str]:
    """Return what axe-core finds serious or critical: its rule, what it says, and where."""
    _, file = installed()
    page.evaluate(file.read_text("utf-8"))
    found: Mapping[str, Any] = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{rule['id']} ({rule['impact']}): {rule['help']}: {[node['target'] for node in rule['nodes']][:5]}"
        for rule in found["violations"]
        if rule["impact"] in ("serious", "critical")
    ]


def overflow_px(page: Page) -> int:
    """Return by how many pixels a page is wider than its window: 0 if nobody must scroll sideways."""
    wider: int = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return wider
