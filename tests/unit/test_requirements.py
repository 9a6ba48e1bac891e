"""Which acceptance criteria have tests: read from the marks in the tests' text, without running any."""

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
# Each of the twenty requirements has five.
CRITERIA = [f"R{requirement}.{number}" for requirement in range(1, 21) for number in range(1, 6)]


def marks(source: str) -> list[str]:
    """Return the argument of every `pytest.mark.req(...)` in a file's text."""
    calls = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.req")
    return [argument.value if isinstance(argument, ast.Constant) else ast.unparse(argument) for call in calls for argument in call.args]


@cache
def marked() -> frozenset[str]:
    files = (file.read_text() for file in (ROOT / "tests").rglob("*.py"))
    return frozenset(mark for text in files if "pytest.mark.req" in text for mark in marks(text))


def criteria(page: str) -> list[tuple[str, bool]]:
    """Return the criteria of the page of requirements in its order, and whether each is checked."""
    return [(name, box == "x") for box, name in re.findall(r"^- \[([x ])\] (R\d+\.\d+) \S", page, re.MULTILINE)]


def page() -> str:
    return (ROOT / "docs" / "requirements.md").read_text()


def test_the_page_has_every_criterion_once():
    assert [name for name, _ in criteria(page())] == CRITERIA
    assert page().count("\n- ") == len(CRITERIA)


def test_what_the_page_calls_open_has_no_test_and_all_else_has_one():
    assert {name for name, is_checked in criteria(page()) if is_checked} == marked()


def test_every_mark_names_a_criterion():
    assert sorted(marked() - set(CRITERIA)) == []


def test_marks_are_found_wherever_they_stand():
    source = (
        '@pytest.mark.req("R1.1")\ndef one(): ...\n\nclass Two:\n    pytestmark = [pytest.mark.req("R1.2"), pytest.mark.slow("R1.3")]\n'
    )
    assert marks(source) == ["R1.1", "R1.2"]
    assert marks("pytest.mark.req(NAME)") == ["NAME"]


def test_boxes_are_read_as_they_stand():
    assert criteria("- [x] R1.1 One.\n- [ ] R1.2 Two.\n- R1.3 No box.\n") == [("R1.1", True), ("R1.2", False)]
