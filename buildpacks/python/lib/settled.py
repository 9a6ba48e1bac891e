"""Whether pip and uv would make the same of a requirements file: `settled.py FILE` exits with 0 or 1.

So it is where every line names one version, and nothing is said that one of the two understands in another way.
"""  # noqa: INP001 - a script, run by path

import re
import sys
from pathlib import Path

PINNED = re.compile(
    r"[A-Za-z0-9][\w.-]*\s*(\[[\w.,\s-]*\])?\s*==\s*[0-9][0-9A-Za-z.!+_-]*\s*(;[^#]*?)?(\s*--hash[=\s]\S+)*",
)
NESTED = re.compile(r"(?:-r|-c|--requirement|--constraint)[\s=]*(\S+)")
OPTION = re.compile(r"(?:-i|--index-url|--extra-index-url|-f|--find-links)[\s=]+\S+|--require-hashes|--no-index")


def is_settled(path: Path, seen: frozenset[Path] = frozenset()) -> bool:
    """Look at a file and at those that it names."""
    if path in seen or not path.is_file():
        return False
    text = path.read_text(errors="replace").replace("\\\n", " ")
    lines = (re.sub(r"(^|\s)#.*", "", line).strip() for line in text.splitlines())
    return all(_is_settled_line(line, path, seen) for line in lines if line)


def _is_settled_line(line: str, path: Path, seen: frozenset[Path]) -> bool:
    if nested := NESTED.fullmatch(line):
        return is_settled(path.parent / nested[1], seen | {path})
    return bool(OPTION.fullmatch(line) or PINNED.fullmatch(line))


if __name__ == "__main__":
    sys.exit(not is_settled(Path(sys.argv[1])))
