"""The documentation files: their tables of settings, and code blocks that tests run.

A block that runs follows a line `<!-- run -->`, a table a line `<!-- settings: <name> -->`. `python -m tests.support.documents` rewrites
the tables.
"""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from skypanel.domain.setting import Setting
from skypanel.domain.settings import SETTINGS
from skypanel.settings.declaration import VARIABLES, Variables, WorkerVariables, settings_of

ROOT = Path(__file__).parents[2]
DOCUMENTS = (*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "buildpacks").rglob("*.md")))

_BLOCK = re.compile(r"^<!-- run -->\n```(?P<kind>sh|console)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
_TABLE = re.compile(r"^(?P<mark><!-- settings: (?P<name>\w+) -->\n)(?:\|.*\n)*", re.MULTILINE)


def runnable_blocks(document: Path) -> list[str]:
    """Return a document's blocks as shell scripts. In a console block, only lines after `$ ` are commands."""
    return [_script(match["kind"], match["body"]) for match in _BLOCK.finditer(document.read_text())]


def _script(kind: str, body: str) -> str:
    if kind == "sh":
        return body
    return "".join(f"{line.removeprefix('$ ')}\n" for line in body.splitlines() if line.startswith("$ "))


def tables() -> dict[str, str]:
    """Return the tables of settings, by name."""
    return {
        "variables": _table("variable", VARIABLES),
        "worker": _table("variable", (*settings_of(WorkerVariables).values(), settings_of(Variables)["queues"])),
        "panel": _table("setting", SETTINGS.values()),
    }


def _table(kind: str, settings: Iterable[Setting[Any]]) -> str:
    return "\n".join((f"| {kind} | default | what it is for |", "| --- | --- | --- |", *(_row(setting) for setting in settings), ""))


def _row(setting: Setting[Any]) -> str:
    return f"| `{setting.key}` | {setting.default_in_words} | {'*Secret.* ' if setting.is_sensitive else ''}{setting.meaning} |"


def with_tables(text: str) -> str:
    """Return a document's text with its tables up to date."""
    return _TABLE.sub(lambda match: match["mark"] + tables()[match["name"]], text)


if __name__ == "__main__":
    for document in DOCUMENTS:
        document.write_text(with_tables(document.read_text()))
