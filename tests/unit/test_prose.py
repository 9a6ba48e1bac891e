"""Sentences of the documents are short, those in tables too; code, headings, lists of links and tables that code writes are none."""

import re

import pytest

from tests.support.documents import ROOT
from tests.support.prose import long_sentences, split, with_short_spans, words

# Bodies of other kinds: tables that are compared word by word, figures, decisions that stand as they were made.
OTHERS = {"requirements.md", "benchmarks.md"}
PAGES = (
    *(ROOT / name for name in ("ARCHITECTURE.md", "README.md", "CONTRIBUTING.md")),
    *sorted(page for page in (ROOT / "docs").glob("*.md") if page.name not in OTHERS),
)

_CODE = re.compile(r"^( *)```.*?^\1```$", re.MULTILINE | re.DOTALL)
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_WRITTEN_BY_CODE = re.compile(r"^<!-- settings: \w+ -->\n(?:\|.*\n)*", re.MULTILINE)
_NO_PROSE = re.compile(r"^(?:#|\||!\[).*$", re.MULTILINE)
_ITEM = re.compile(r"^ *(?:[-*]|\d+\.) ", re.MULTILINE)
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")


def sentences(text: str) -> list[str]:
    """Return the sentences of a page's prose; a code span is one word, and each item of a list begins a sentence."""
    for other in (_CODE, _COMMENT, _NO_PROSE):
        text = other.sub("\n", text)
    text = _LINK.sub(r"\1", with_short_spans(_ITEM.sub("\n\n", text)))
    return split(" ".join(part.split()) for part in text.split("\n\n") if " · " not in part)


def cells(text: str) -> list[str]:
    """Return the sentences of a page's tables; a cell begins a sentence."""
    for other in (_CODE, _WRITTEN_BY_CODE):
        text = other.sub("\n", text)
    rows = (line.strip("|") for line in text.splitlines() if line.startswith("|"))
    return split(cell.strip() for row in rows for cell in _LINK.sub(r"\1", with_short_spans(row)).split("|"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_sentences_are_short(page):
    text = page.read_text()
    assert sentences(text)
    assert long_sentences((*sentences(text), *cells(text))) == []


def test_prose_alone_is_looked_at():
    page = """# A heading. It is none
<!-- run -->
```sh
echo one. two
```
One `git push. now` and [a link. here](x.md). Two
lines!

- an item of **two.** Sentences
- another

| a table. | of words |
| --- | --- |

[One](one.md) · [Two](two.md)
"""
    assert sentences(page) == ["One code and a link", "here", "Two lines!", "an item of **two", "Sentences", "another"]
    assert cells(page) == ["a table.", "of words", "---", "---"]


def test_words_are_counted_without_dashes_and_signs():
    assert len(words("GET /apps - 3 | 4 -- user's code-word")) == 6
