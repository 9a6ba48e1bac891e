"""What the map says of the code is so: its files, its names and its layers."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

from tests.support.documents import ROOT

PAGE = (ROOT / "ARCHITECTURE.md").read_text()
CELL = re.compile(r"`(?P<file>[^`]*/[^`]*)`(?:: (?P<names>`\w+`(?:, `\w+`)*))?")
TABLES = {"| question | answer | where |": 10, "| word | meaning | where |": 25, "| term | what the product does | where |": 35}


def rows(head: str) -> list[list[str]]:
    """Return the cells of the table that has this head."""
    assert PAGE.count(f"{head}\n") == 1
    lines = PAGE.partition(f"{head}\n")[2].partition("\n\n")[0].splitlines()[1:]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def defined(file: Path) -> set[str]:
    """Return what a module defines: its functions, classes, methods and constants."""
    nodes = list(ast.walk(ast.parse(file.read_text())))
    named = {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)}
    return named | {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}


PLACES = [(row[0], place) for head in TABLES for row in rows(head) for place in row[-1].split("; ")]


@pytest.mark.parametrize(("word", "place"), PLACES)
def test_names_are_where_the_tables_say(word, place):
    found = CELL.fullmatch(place)
    assert found, f"{word}: write a place as `folder/file.py`: `name`, `other`"
    file = ROOT / found["file"]
    assert file.is_file()
    if found["names"]:
        assert set(found["names"].replace("`", "").split(", ")) - defined(file) == set()


@pytest.mark.parametrize(("head", "least"), TABLES.items())
def test_every_row_has_an_answer_of_one_line_and_a_place(head, least):
    table = rows(head)
    assert len(table) >= least
    assert [row for row in table if len(row) != 3 or not all(row)] == []


def test_words_stand_once_and_in_order():
    _, words, terms = ([row[0] for row in rows(head)] for head in TABLES)
    assert len({*words, *terms}) == len(words) + len(terms)
    assert terms == sorted(terms, key=str.lower)


def test_the_table_of_layers_has_the_layers_that_imports_are_held_to():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (held,) = (contract["layers"] for contract in contracts if contract.get("containers") == ["skypanel"])
    levels = [set(level.split(" | ")) for level in held]
    named = [name for row in rows("| layer | holds | what it imports |") for name in re.findall(r"`skypanel\.(\w+)`", row[0])]
    assert sorted(named) == sorted(set().union(*levels))
    heights = [next(height for height, level in enumerate(levels) if name in level) for name in named]
    assert heights == sorted(heights)


def test_files_that_the_text_names_are_there():
    folders = "buildpacks|domain|drivers|embedded|flow|gitreceiver|host|launcher|migrations|settings|store|web|workers"
    names = set(re.findall(rf"`((?:{folders})/[\w/.]+)", PAGE))
    assert len(names) > 20
    assert [name for name in names if not any((root / name).exists() for root in (ROOT, ROOT / "skypanel"))] == []


STANDARD_TERMS = (
    "backpressure", "blackhole", "canonical", "CSRF", "fencing token", "graceful shutdown", "health check", "idempotent", "lease",
    "prefork", "rate limit", "reverse proxy", "rolling deploy", "seccomp", "zero-downtime",
)  # fmt: skip


@pytest.mark.parametrize("term", STANDARD_TERMS)
def test_a_newcomer_finds_a_standard_term(term):
    found = [row for row in rows("| term | what the product does | where |") if term in row[0]]
    assert len(found) == 1
