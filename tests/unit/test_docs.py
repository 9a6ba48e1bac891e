"""What the documents say is so: commands, error lines, links and the blocks that are run."""

import re
from pathlib import Path

import click
import pytest

from skypanel.cli.main import commands
from tests.documents import DOCUMENTS, ROOT, runnable_blocks

SOURCES = ("skypanel", "gitreceiver", "buildpacks", "web")
FOREIGN = {"Permission denied (publickey)"}  # ssh's words
LEAST_PART = 3


CONTEXT = click.Context(commands)


def command_lines(group: click.Group, prefix: str) -> list[str]:
    found = []
    for name in group.list_commands(CONTEXT):
        command = group.get_command(CONTEXT, name)
        path = f"{prefix} {name}"
        found += command_lines(command, path) if isinstance(command, click.Group) else [path]
    return found


@pytest.mark.parametrize("command", command_lines(commands, "skypanel"))
def test_every_command_has_an_example(command):
    page = (ROOT / "docs" / "commands.md").read_text()
    assert re.search(rf"^\| `{command}[ `]", page, re.MULTILINE)


def test_every_example_is_of_a_command():
    page = (ROOT / "docs" / "commands.md").read_text()
    known = command_lines(commands, "skypanel")
    for example in re.findall(r"^\| `([^`]*)`", page, re.MULTILINE):
        assert any(f"{example} ".startswith(f"{command} ") for command in known), example


def product_text() -> str:
    files = (
        file for folder in SOURCES for file in (ROOT / folder).rglob("*") if file.suffix in {".py", ".sh", ".html", ""} and file.is_file()
    )
    # A sentence may be written as several strings, one after the other.
    return re.sub(r'"\s*\n\s*f?"', "", "".join(file.read_text(errors="replace") for file in files))


def test_every_error_line_of_the_troubleshooting_page_is_one():
    page = (ROOT / "docs" / "troubleshooting.md").read_text()
    lines = set(re.findall(r"^\| `([^`]*)`", page, re.MULTILINE)) - FOREIGN
    assert len(lines) > 40
    text = product_text()
    parts = {part.strip() for line in lines for part in re.split(r"<[^>]*>", line)}
    assert [part for part in parts if len(part) >= LEAST_PART and part not in text] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document):
    text = re.sub(r"```.*?```|`[^`]*`", "", document.read_text(), flags=re.DOTALL)
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text)
    assert [link for link in links if "://" not in link and not (document.parent / link).exists()] == []


def test_every_run_mark_stands_before_a_block():
    for document in DOCUMENTS:
        assert len(runnable_blocks(document)) == document.read_text().count("<!-- run -->"), document
    assert any(runnable_blocks(document) for document in DOCUMENTS)


def test_only_commands_are_taken_from_a_console_block(tmp_path: Path):
    page = tmp_path / "page.md"
    page.write_text(
        "<!-- run -->\n```console\n$ echo one\none\n$ echo two\n```\n\n```sh\nnever\n```\n\n<!-- run -->\n```sh\necho three\n```\n"
    )
    assert runnable_blocks(page) == ["echo one\necho two\n", "echo three\n"]
