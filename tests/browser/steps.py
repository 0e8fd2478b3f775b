"""What one does and sees on all of our pages."""

from __future__ import annotations

from playwright.sync_api import Page, expect

SOON_MS = 30_000


def told(page: Page, text: str) -> None:
    """See what a page says about the act before."""
    expect(page.get_by_role("status").first).to_contain_text(text, timeout=SOON_MS)


def sure(page: Page, button: str) -> None:
    """Say yes to what is asked."""
    expect(page.get_by_role("heading", name="Are you sure?")).to_be_visible(timeout=SOON_MS)
    page.get_by_role("button", name=button, exact=True).click()
