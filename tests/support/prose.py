"""Prose as sentences and words, in documents and in code."""

import ast
import inspect
import io
import re
import tokenize
from collections.abc import Iterable, Iterator
from itertools import groupby

MOST_WORDS = 25

_CODE_SPAN = re.compile(r"(`+) ?[^`]+ ?\1")
_END = re.compile(r"[.!?][*_\")]*\s+")
_WORD = re.compile(r"\S*\w\S*")
_DIRECTIVE = re.compile(r"noqa: [A-Z0-9, ]+(?:- )?|type: ignore\[[a-z-]+\]|!.*")
_DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def with_short_spans(text: str) -> str:
    """Return text with each code span as one word."""
    return _CODE_SPAN.sub("code", text)


def split(paragraphs: Iterable[str]) -> list[str]:
    """Return the sentences of paragraphs that are a line each."""
    return [sentence for paragraph in paragraphs for sentence in _END.split(paragraph) if sentence]


def words(sentence: str) -> list[str]:
    """Return the words of a sentence, without dashes and signs between them."""
    return _WORD.findall(sentence)


def long_sentences(sentences: Iterable[str]) -> list[str]:
    """Return the sentences of more than MOST_WORDS words."""
    return [sentence for sentence in sentences if len(words(sentence)) > MOST_WORDS]


def sentences_of_code(source: str) -> list[str]:
    """Return the sentences of a module's docstrings, then those of its comments without directives such as noqa."""
    texts = (*_docstrings(source), *_comments(source))
    return split(" ".join(part.split()) for text in texts for part in with_short_spans(text).split("\n\n"))


def _docstrings(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, _DOCUMENTED) and (text := ast.get_docstring(node, clean=False)):
            yield inspect.cleandoc(text)


def _comments(source: str) -> Iterator[str]:
    """Yield each comment: lines below each other in one column are one."""
    found = [token for token in tokenize.generate_tokens(io.StringIO(source).readline) if token.type == tokenize.COMMENT]
    for _, lines in groupby(enumerate(found), lambda each: (each[1].start[0] - each[0], each[1].start[1])):
        yield "\n".join(_DIRECTIVE.sub("", line.string.removeprefix("#").strip()) for _, line in lines)
