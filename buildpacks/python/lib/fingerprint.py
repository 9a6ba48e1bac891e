"""Print all that decides what a dependency file installs: `fingerprint.py FILE`.

Prints nothing where that cannot be told from files alone (a folder, a branch): then nothing is reused.
"""  # noqa: INP001 - a script, run by path

import re
import sys
from pathlib import Path

BESIDE = ("pyproject.toml",)
NESTED = re.compile(r"(?:-r|-c|--requirement|--constraint)[\s=]*(\S+)")
UNKNOWABLE_LINE = re.compile(r"-e\b|--editable|[./]|\S+\s*@|[a-z+]+://")
# What uv.lock takes from folders is installed after the reused part, so nothing there is unknowable.
LOCKS = {
    "uv.lock": None,
    "poetry.lock": re.compile(r'^type = "(file|directory|git|url)"', re.MULTILINE),
    "Pipfile.lock": re.compile(r'"(path|file|git|editable)":'),
}


def of_requirements(path: Path, seen: frozenset[Path] = frozenset()) -> str | None:
    """Return a requirements file with those that it names, or None."""
    if path in seen or not path.is_file():
        return None
    text = path.read_text(errors="replace")
    parts = [text]
    for line in text.splitlines():
        if nested := NESTED.match(line.strip()):
            inner = of_requirements(path.parent / nested[1], seen | {path})
            if inner is None:
                return None
            parts.append(inner)
        elif UNKNOWABLE_LINE.match(line.strip()):
            return None
    return "\n".join(parts)


def of_lock(path: Path) -> str | None:
    """Return a lock with the file that it was made from, or None."""
    text = path.read_text(errors="replace")
    unknowable = LOCKS[path.name]
    if unknowable and unknowable.search(text):
        return None
    return "\n".join([text, *(file.read_text(errors="replace") for name in BESIDE if (file := path.parent / name).is_file())])


if __name__ == "__main__":
    asked = Path(sys.argv[1])
    if asked.name == "requirements.txt":
        sys.stdout.write(of_requirements(asked) or "")
    elif asked.name in LOCKS:
        sys.stdout.write(of_lock(asked) or "")
