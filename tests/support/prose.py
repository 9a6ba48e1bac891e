"""Prose as sentences and words, in documents and in code."""

import ast
import inspect
import io
import re
import tokenize
from collections.abc import Iterable, Iterator
from itertools import groupby

from skypanel.domain import errors

MOST_WORDS = 25

_CODE_SPAN = re.compile(r"(`+) ?[^`]+ ?\1")
_END = re.compile(r"[.!?][*_\")]*\s+")
_WORD = re.compile(r"\S*\w\S*")
_DIRECTIVE = re.compile(r"noqa: [A-Z0-9, ]+(?:- )?|type: ignore\[[a-z-]+\]|!.*")
_ERRORS = {name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, errors.SkyPanelError)}
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


def sentences_of_messages(source: str) -> list[str]:
    """Return the sentences of the messages and hints of a module's errors; each inserted value is one word."""
    calls = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call))
    texts = (argument for call in calls if _name(call.func) in _ERRORS for argument in call.args)
    return split(with_short_spans(text) for text in map(_text, texts) if text)


def _name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _text(value: ast.expr) -> str:
    match value:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(map(_text, parts))
        case ast.FormattedValue():
            return "value"
        case ast.IfExp(body=one, orelse=other):
            return f"{_text(one)}\n{_text(other)}"
        case _:
            return ""


def _docstrings(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, _DOCUMENTED) and (text := ast.get_docstring(node, clean=False)):
            yield inspect.cleandoc(text)


def _comments(source: str) -> Iterator[str]:
    """Yield each comment: lines below each other in one column are one."""
    found = [token for token in tokenize.generate_tokens(io.StringIO(source).readline) if token.type == tokenize.COMMENT]
    for _, lines in groupby(enumerate(found), lambda each: (each[1].start[0] - each[0], each[1].start[1])):
        yield "\n".join(_DIRECTIVE.sub("", line.string.removeprefix("#").strip()) for _, line in lines)
