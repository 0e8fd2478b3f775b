"""Every word of the pages stands in texts.py."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from redisjobs.web import render
from redisjobs.web.texts import TEXTS

TEMPLATES = sorted(Path(render.__file__).parent.glob("templates/*.html"))
CODE = re.compile(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", re.DOTALL)
SPOKEN = ("title", "aria-label", "placeholder", "alt", "data-label", "content")
OUR_NAME = ("redisjobs",)


def own_words(template: str) -> list[str]:
    """Return what a template says by itself, in its text and in the attributes that are read out."""
    bare = CODE.sub(" ", template)
    tags = re.findall(r"<[^>]*>", bare)
    said = [re.sub(r"<[^>]*>", " ", bare)]
    said += [value for tag in tags if "<meta" not in tag for value in _spoken(tag)]
    words = [word for text in said for word in re.findall(r"[A-Za-z]{2,}", text.replace("&nbsp;", " "))]
    return [word for word in words if word not in OUR_NAME]


def _spoken(tag: str) -> list[str]:
    return [value for name in SPOKEN for value in re.findall(rf'\s{name}="([^"]*)"', tag)]


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_a_template_has_no_words_of_its_own(path: Path) -> None:
    assert own_words(path.read_text()) == []


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_a_template_asks_for_texts_that_there_are(path: Path) -> None:
    template = path.read_text()
    names = [*re.findall(r"\bt\.(?!at\b)(\w+)", template), *re.findall(r"\bt\.at\(['\"](\w+)['\"]\s*[,)]", template)]

    assert [name for name in names if not hasattr(TEXTS, name)] == []


@pytest.mark.parametrize(
    ("template", "found"),
    [
        ("<p>{{ t.queue }}</p>", []),
        ("<p>Queue {{ name }}</p>", ["Queue"]),
        ('<button title="Stop it">{{ t.stop }}</button>', ["Stop", "it"]),
        ('<a class="button" href="/x">redisjobs</a>', []),
    ],
)
def test_words_in_templates_are_found(template: str, found: list[str]) -> None:
    assert own_words(template) == found
