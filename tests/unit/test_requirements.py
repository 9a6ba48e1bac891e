"""Which acceptance criteria have tests: read from the marks in the tests' text, without running any."""

import ast
from collections import Counter
from pathlib import Path

TESTS = Path(__file__).parents[1]
# R1.1 to R20.5: each of the twenty has five.
CRITERIA = {f"R{requirement}.{number}" for requirement in range(1, 21) for number in range(1, 6)}
PROVEN = {
    *("R1.1", "R1.2", "R1.3", "R1.4", "R1.5", "R12.2"),
    *("R3.2", "R4.1", "R4.2", "R4.5", "R6.1", "R6.3", "R8.2", "R8.3", "R8.4", "R8.5", "R12.1", "R12.3", "R12.4", "R12.5"),
    *("R3.3", "R6.4", "R6.5", "R15.3", "R18.1", "R18.2", "R18.3", "R18.4", "R18.5"),
    *("R3.1", "R4.3", "R10.1", "R10.2", "R10.3", "R10.4", "R10.5", "R15.4", "R20.3"),
    *("R4.4", "R16.1", "R16.2", "R16.3", "R16.4", "R16.5"),
    *("R5.1", "R5.2", "R5.3", "R5.4", "R5.5", "R20.5"),
    *("R14.1", "R14.2", "R14.3", "R14.4", "R14.5", "R15.1", "R15.2", "R15.5", "R20.1", "R20.2", "R20.4"),
}


def marks(source: str) -> list[str]:
    """Return the argument of every `pytest.mark.req(...)` in a file's text."""
    calls = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.req")
    return [argument.value if isinstance(argument, ast.Constant) else ast.unparse(argument) for call in calls for argument in call.args]


def all_marks() -> Counter[str]:
    return Counter(mark for file in TESTS.rglob("*.py") for mark in marks(file.read_text()))


def test_what_the_first_step_promises_has_a_test_each():
    assert sorted(PROVEN - all_marks().keys()) == []


def test_every_mark_names_a_criterion():
    assert sorted(all_marks().keys() - CRITERIA) == []


def test_marks_are_found_wherever_they_stand():
    source = (
        '@pytest.mark.req("R1.1")\ndef one(): ...\n\nclass Two:\n    pytestmark = [pytest.mark.req("R1.2"), pytest.mark.slow("R1.3")]\n'
    )
    assert marks(source) == ["R1.1", "R1.2"]
    assert marks("pytest.mark.req(NAME)") == ["NAME"]
