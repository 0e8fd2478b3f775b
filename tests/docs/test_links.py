"""What the pages refer to is there: files, headings, commands."""

from __future__ import annotations

import re
import shlex

import pytest

from tests.support.fleet import cli
from tests.support.pages import ROOT
from tests.support.real_redis import RealRedis

PAGES = sorted(["README.md", *(str(page.relative_to(ROOT)) for page in (ROOT / "docs").glob("*.md"))])
_LINK = re.compile(r"\]\((?!https?://)(?P<file>[^)#\s]*)(?:#(?P<heading>[^)\s]+))?\)")
_COMMAND = re.compile(r"`(redisjobs [^`]+)`")


def anchors(text: str) -> set[str]:
    """Return what a page's headings are linked by."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES)
def test_each_link_leads_somewhere(page: str) -> None:
    file = ROOT / page

    for link in _LINK.finditer(file.read_text("utf-8")):
        target = (file.parent / link["file"]) if link["file"] else file
        assert target.exists(), link[0]
        if link["heading"]:
            assert link["heading"] in anchors(target.read_text("utf-8")), link[0]


@pytest.mark.e2e
def test_each_command_that_a_guide_names_for_another_tools_is_one(redis: RealRedis) -> None:
    """On an empty database: a job that they name is not there, which is status 1, but no wrong usage, which is 2."""
    pages = [(ROOT / page).read_text("utf-8") for page in PAGES if page.startswith("docs/from-")]
    named = {found for page in pages for found in _COMMAND.findall(page)}
    commands = [shlex.split(each)[1:] for each in sorted(named)]
    looking = [words for words in commands if words[0] not in ("worker", "demo", "web", "top")]
    assert len(looking) > 10

    for words in looking:
        cli(redis, *words, *(["--yes"] if "clear" in words else []), status=int("JID" in words))
