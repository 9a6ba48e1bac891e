"""Whether somebody means to destroy or stop something."""

import io
import sys

import pytest

from skypanel.cli import asking
from skypanel.domain.errors import Invalid

CONSEQUENCE = "Acme is deleted for good."


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def typed(monkeypatch):
    def type_(text, *, terminal=True):
        monkeypatch.setattr(sys, "stdin", Terminal(text) if terminal else io.StringIO(text))

    return type_


@pytest.mark.parametrize("terminal", [True, False])
def test_the_option_answers(typed, terminal):
    typed("", terminal=terminal)
    asking.confirm("Acme", "Acme", CONSEQUENCE)
    with pytest.raises(Invalid, match="The name to confirm with is Acme, not 'acme'"):
        asking.confirm("Acme", "acme", CONSEQUENCE)


def test_a_terminal_asks_and_says_what_would_happen(typed, capsys):
    typed("Acme\n")
    asking.confirm("Acme", None, CONSEQUENCE)
    shown = capsys.readouterr()
    assert (shown.out, CONSEQUENCE in shown.err, "type the name Acme" in shown.err) == ("", True, True)


@pytest.mark.parametrize("answer", ["", "y", "yes", "ACME"])
def test_any_other_answer_changes_nothing(typed, answer):
    typed(f"{answer}\n")
    with pytest.raises(Invalid, match="Nothing was changed"):
        asking.confirm("Acme", None, CONSEQUENCE)


def test_a_script_without_the_option_is_told_of_it(typed):
    typed("Old Acme\n", terminal=False)
    with pytest.raises(Invalid, match="deleted for good") as refused:
        asking.confirm("Old Acme", None, CONSEQUENCE)
    assert refused.value.hint == "If that is meant, add: --confirm 'Old Acme'"
