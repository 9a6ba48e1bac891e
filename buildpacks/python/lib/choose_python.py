"""Choose the Python of an app: `choose_python.py BUILD_DIR INDEX`.

Prints five lines: version, interpreter (if the stack has it), URL, SHA-256 and the reason.
"""  # noqa: INP001 - a script, run by path

import json
import re
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

STACK_FOLDERS = (Path("/usr/bin"), Path("/usr/local/bin"))
# An interpreter without ensurepip cannot make the environment that pip lives in.
SAY_VERSION = "import ensurepip, sys, venv; print('.'.join(map(str, sys.version_info[:3])))"
SHOWN = 30

Version = tuple[int, ...]


@dataclass(frozen=True)
class Runtime:
    """A Python that can be had: from the stack by its path, or from an archive."""

    version: Version
    path: str = ""
    url: str = ""
    sha256: str = ""


@dataclass(frozen=True)
class Wish:
    """What an app asks for, and the file that says so. `clauses` is PEP 440's or Poetry's notation."""

    clauses: str
    source: str


def fail(*lines: str) -> NoReturn:
    """Say what is wrong and what to do, and end."""
    sys.exit("\n".join(f" !     {line}" for line in lines))


def version(text: str) -> Version:
    """Return the leading numbers of a version."""
    leading = re.match(r"[\d.]*", text.strip())
    return tuple(int(part) for part in leading[0].split(".") if part) if leading else ()


def written(number: Version) -> str:
    """Return a version as people write it."""
    return ".".join(map(str, number))


def stack() -> list[Runtime]:
    """Return the stack's interpreters, its default first, then the newest first."""
    paths = {path.resolve() for folder in STACK_FOLDERS for path in folder.glob("python3*") if re.fullmatch(r"python3(\.\d+)?", path.name)}
    runtimes = []
    for path in sorted(paths):
        said = subprocess.run([path, "-I", "-c", SAY_VERSION], capture_output=True, text=True, check=False)
        if said.returncode == 0:
            runtimes.append(Runtime(version(said.stdout), str(path)))
    default = str(Path("/usr/bin/python3").resolve())
    return sorted(runtimes, key=lambda runtime: (runtime.path == default, runtime.version), reverse=True)


def mirrored(index: Path) -> list[Runtime]:
    """Return what the runtime mirror offers, the newest first."""
    if not index.is_file():
        return []
    entries = json.loads(index.read_text())
    return sorted(
        (Runtime(version(entry["version"]), url=entry["url"], sha256=entry["sha256"]) for entry in entries),
        key=lambda runtime: runtime.version,
        reverse=True,
    )


def pinned(text: str, source: str) -> Wish:
    """Return the wish of a file that holds one version."""
    lines = [line.strip() for line in text.splitlines()]
    versions = [line for line in lines if line and not line.startswith("#")]
    if len(versions) != 1:
        fail(f"{source} names {len(versions)} versions of Python.", "Write exactly one into it, such as 3.12")
    if not re.fullmatch(r"(python-)?\d+(\.\d+){0,2}", versions[0]):
        fail(f"{source} asks for {versions[0]}, which is no version of Python.", "Write major.minor into it, such as 3.12")
    number = versions[0].removeprefix("python-")
    return Wish(f"=={number}" if number.count(".") == 2 else f"=={number}.*", source)  # noqa: PLR2004 - major.minor.patch


def table(path: Path) -> dict[str, Any]:
    """Return a TOML file's content."""
    try:
        return tomllib.loads(path.read_text())
    except tomllib.TOMLDecodeError as error:
        fail(f"{path.name} is not valid TOML: {error}", "Correct it, commit and push again.")


def locked_by_pipenv(path: Path) -> Wish | None:
    """Return what the Pipfile was locked for."""
    try:
        requires = json.loads(path.read_text()).get("_meta", {}).get("requires", {})
    except json.JSONDecodeError as error:
        fail(f"Pipfile.lock is not valid JSON: {error}", "Write it anew with pipenv lock, commit and push again.")
    number = requires.get("python_full_version") or requires.get("python_version")
    return pinned(number, "Pipfile.lock") if number else None


def wish(app: Path) -> Wish | None:
    """Return what the app asks for; a pin comes before a range."""
    if (path := app / ".python-version").is_file():
        return pinned(path.read_text(), ".python-version")
    if (path := app / "runtime.txt").is_file():
        sys.stderr.write(" !     runtime.txt is the old way to name a Python version.\n !     Write 3.12, say, into .python-version.\n")
        return pinned(path.read_text(), "runtime.txt")
    if (path := app / "Pipfile.lock").is_file() and (locked := locked_by_pipenv(path)):
        return locked
    if (path := app / "pyproject.toml").is_file():
        content = table(path)
        clauses = content.get("project", {}).get("requires-python")
        clauses = clauses or content.get("tool", {}).get("poetry", {}).get("dependencies", {}).get("python")
        if isinstance(clauses, str):
            return Wish(clauses, "pyproject.toml")
    return None


def allows(clauses: str, number: Version) -> bool:
    """Whether a version is within `>=3.11,<3.14`, `==3.12.*`, `^3.11`, `~3.12` or several of them joined by `||`."""
    return any(
        all(_allows_one(clause.strip(), number) for clause in re.split(r",|\s+(?=[<>=!~^])", branch) if clause.strip())
        for branch in clauses.split("||")
    )


def _allows_one(clause: str, number: Version) -> bool:
    match = re.fullmatch(r"(===|==|~=|!=|<=|>=|<|>|\^|~|)\s*v?(\d+(?:\.\d+)*)(\.\*)?.*", clause)
    if match is None:
        return True
    operator, bound = match[1], version(match[2])
    wide = _padded(bound)
    same = number[: len(bound)] == bound
    if operator in {"==", "===", "", "!="}:
        equal = same if match[3] else _padded(number) == wide
        return equal is not (operator == "!=")
    below = {"~=": bound[:-1], "^": bound[:1], "~": bound[:2]}.get(operator)
    if below is not None:
        return number >= wide and number[: len(below)] == below
    return {"<": number < wide, "<=": number <= wide, ">": number > wide, ">=": number >= wide}[operator]


def _padded(number: Version) -> Version:
    return (*number, 0, 0)[:3]


def reason(chosen: Runtime, asked: Wish | None) -> str:
    """Return why it is this version."""
    origin = "the stack's own" if chosen.path else "from the runtime mirror"
    if asked is None:
        return "the stack's default, as the app names none"
    return f"{asked.source} asks for {asked.clauses.removeprefix('==')} ({origin})"


def main(app: Path, index: Path) -> None:
    """Print the choice, or say what can be had."""
    runtimes = [*stack(), *mirrored(index)]
    if not runtimes:
        fail("This stack has no Python that can make a virtual environment.", "Whoever runs the panel can apt install python3-venv")
    asked = wish(app)
    fitting = [runtime for runtime in runtimes if asked is None or allows(asked.clauses, runtime.version)]
    if asked and not fitting:
        versions = sorted({runtime.version for runtime in runtimes}, reverse=True)[:SHOWN]
        fail(
            f"Python {asked.clauses.removeprefix('==')}, which {asked.source} asks for, cannot be had here.",
            f"These can: {', '.join(map(written, versions))}",
            f"Write one of them into .python-version, or {written(versions[0][:2])} for any {written(versions[0][:2])}.",
        )
    chosen = fitting[0]
    sys.stdout.write("\n".join([written(chosen.version), chosen.path, chosen.url, chosen.sha256, reason(chosen, asked)]) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
