"""The documents for people, and the blocks in them that are run as they stand: those after a line `<!-- run -->`."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCUMENTS = (*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "buildpacks").rglob("*.md")))

_BLOCK = re.compile(r"^<!-- run -->\n```(?P<kind>sh|console)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)


def runnable_blocks(document: Path) -> list[str]:
    """Return a document's blocks as shell scripts; of a console block the lines after `$ `, as the rest is output."""
    return [_script(match["kind"], match["body"]) for match in _BLOCK.finditer(document.read_text())]


def _script(kind: str, body: str) -> str:
    if kind == "sh":
        return body
    return "".join(f"{line.removeprefix('$ ')}\n" for line in body.splitlines() if line.startswith("$ "))
