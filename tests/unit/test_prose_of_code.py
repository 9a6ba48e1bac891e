"""Sentences of docstrings, comments and messages are short, as those of the documents are."""

import pytest

from tests.support.documents import ROOT
from tests.support.prose import long_sentences, sentences_of_code, sentences_of_messages

PACKAGES = ("buildpacks", "deploy", "gitreceiver", "migrations", "skypanel", "tests", "web", "workers")
MODULES = {package: sorted((ROOT / package).rglob("*.py")) for package in PACKAGES}


@pytest.mark.parametrize("module", [pytest.param(module, id=str(module.relative_to(ROOT))) for each in MODULES.values() for module in each])
def test_sentences_are_short(module):
    source = module.read_text()
    assert long_sentences((*sentences_of_code(source), *sentences_of_messages(source))) == []


@pytest.mark.parametrize("package", PACKAGES)
def test_every_package_has_modules(package):
    assert MODULES[package]


def test_docstrings_and_comments_are_looked_at():
    module = '''#!/usr/bin/env python3
"""Of a module. Two

sentences."""

LIMIT = 3  # a limit
NAME = "text"  # noqa: S105 - a name. And a reason


class Thing:
    """Has `code of. two words`."""

    def run(self):
        """Run."""
        # Over two
        # lines. "Quoted."
        return "# no comment"  # type: ignore[no-any-return]
'''
    docstrings = ["Of a module", "Two", "sentences.", "Has code.", "Run."]
    assert sentences_of_code(module) == [*docstrings, "a limit", "a name", "And a reason", "Over two lines", '"Quoted."']


def test_messages_of_errors_are_looked_at():
    module = """
raise Invalid("It is wrong. Very.", f"Run: `skypanel ps {app.name}`. Or wait {a + b} s")
raise errors.Denied("No." if known else "Ask.")
raise ValueError("Not shown.")
print(KeyError("a"), NotFound(message))
"""
    assert sentences_of_messages(module) == ["It is wrong", "Very.", "Run: code", "Or wait value s", "No", "Ask."]


def test_a_sentence_of_26_words_is_long():
    sentences = [" ".join(["word"] * count) for count in (25, 26)]
    assert long_sentences(sentences) == sentences[1:]
