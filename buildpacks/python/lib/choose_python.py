"""Choose the Python of an app: `choose_python.py [--needed] BUILD_DIR OFFERED`.

OFFERED is what the panel can bring, if that was asked for: {"versions": [...], "failure": "why it is not known"}.
Prints three lines: version, interpreter (if the stack has it) and the reason. With --needed it prints what the panel must
provide: nothing, or a version. Without OFFERED it prints `?` and the stack's versions.
"""  # noqa: INP001 - a script, run by path

import json
import re
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

STACK_FOLDERS = (Path("/usr/bin"), Path("/usr/local/bin"))
# An interpreter without ensurepip cannot make the environment that pip lives in.
SAY_VERSION = "import ensurepip, sys, venv; print('.'.join(map(str, sys.version_info[:3])))"
SHOWN = 8
MAX_SHOWN_LENGTH = 40
# https://devguide.python.org/versions: year and month of the last security fixes; later ones follow PEP 602.
LAST_FIXES = {(2, 7): (2020, 1), (3, 5): (2020, 9), (3, 6): (2021, 12), (3, 7): (2023, 6)}
FIRST_YEARLY = (3, 8)
BYTE_ORDER_MARKS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}

Version = tuple[int, ...]


@dataclass(frozen=True)
class Runtime:
    """A Python that can be had: the stack's by its path, or from the panel."""

    version: Version
    path: str = ""


@dataclass(frozen=True)
class Wish:
    """What an app asks for, and the file that says so. `clauses` is PEP 440's or Poetry's notation."""

    clauses: str
    source: str


def warn(*lines: str) -> None:
    """Say what needs the reader."""
    sys.stderr.write("".join(f" !     {line}\n" for line in lines))


def fail(*lines: str) -> NoReturn:
    """Say what is wrong and what to do, and end."""
    warn(*lines)
    sys.exit(1)


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


@dataclass(frozen=True)
class Offer:
    """What the panel can bring, the newest first; or why nobody knows."""

    runtimes: tuple[Runtime, ...] = ()
    failure: str = ""


def offer(path: Path) -> Offer | None:
    """Return what the panel said, or None if it was not asked."""
    if not path.is_file():
        return None
    said = json.loads(path.read_text())
    runtimes = (Runtime(version(each)) for each in said["versions"])
    return Offer(tuple(sorted(runtimes, key=lambda runtime: runtime.version, reverse=True)), said["failure"])


def text_of(path: Path) -> str:
    """Return a file as text, whichever editor wrote it: some of Windows's begin with a mark, or write UTF-16."""
    body = path.read_bytes()
    encoding = BYTE_ORDER_MARKS.get(body[:2], "utf-8-sig")
    return body.decode(encoding, errors="replace").replace("\0", "")


def shown(text: str) -> str:
    """Return what is somebody else's such that it cannot do anything to a terminal."""
    printable = "".join(letter if letter.isprintable() else "?" for letter in text)
    return printable if len(printable) <= MAX_SHOWN_LENGTH else f"{printable[:MAX_SHOWN_LENGTH]}..."


def pinned(text: str, source: str) -> Wish:
    """Return the wish of a file that holds one version."""
    lines = [line.strip() for line in text.splitlines()]
    versions = [line for line in lines if line and not line.startswith("#")]
    if not versions:
        fail(f"{source} is empty.", "Write a version into it, such as 3.12, or remove it: then the stack's own counts.")
    if len(versions) > 1:
        fail(f"{source} names {len(versions)} versions of Python.", "Write exactly one into it, such as 3.12")
    if not re.fullmatch(r"(python-)?[0-9]{1,4}(\.[0-9]{1,4}){0,2}|(python-)?[0-9]{1,4}(\.[0-9]{1,4})?\.\*", versions[0]):
        fail(f"{source} asks for {shown(versions[0])}, which is no version of Python.", "Write major.minor into it, such as 3.12")
    number = versions[0].removeprefix("python-").removesuffix(".*")
    return Wish(f"=={number}" if number.count(".") == 2 else f"=={number}.*", source)  # noqa: PLR2004 - major.minor.patch


def table(path: Path) -> dict[str, Any]:
    """Return a TOML file's content."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        fail(f"{path.name} is not valid TOML: {error}", "Correct it, commit and push again.")


def locked_by_pipenv(path: Path) -> Wish | None:
    """Return what the Pipfile was locked for."""
    try:
        requires = json.loads(path.read_text(encoding="utf-8-sig")).get("_meta", {}).get("requires", {})
    except ValueError as error:
        fail(f"Pipfile.lock is not valid JSON: {error}", "Write it anew with pipenv lock, commit and push again.")
    number = requires.get("python_full_version") or requires.get("python_version")
    return pinned(number, "Pipfile.lock") if number else None


def wish(app: Path) -> Wish | None:
    """Return what the app asks for; a pin comes before a range."""
    if (path := app / ".python-version").is_file():
        if (app / "runtime.txt").is_file():
            warn("runtime.txt is not read: .python-version counts.", "Delete runtime.txt.")
        return pinned(text_of(path), ".python-version")
    if (path := app / "runtime.txt").is_file():
        warn("runtime.txt is the old way to name a Python version.", "Write 3.12, say, into .python-version.")
        return pinned(text_of(path), "runtime.txt")
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


def last_fixes(number: Version) -> str:
    """Return when a version got its last security fixes, such as 2024-10, or nothing if it still gets them."""
    minor = number[:2]
    if len(minor) < len(FIRST_YEARLY) or minor[0] > FIRST_YEARLY[0]:
        return ""
    year, month = (2016 + minor[1], 10) if minor >= FIRST_YEARLY else LAST_FIXES.get(minor, (2015, 1))
    now = datetime.now(UTC)
    return f"{year}-{month:02}" if (year, month) < (now.year, now.month) else ""


def reason(chosen: Runtime, asked: Wish | None) -> str:
    """Return why it is this version."""
    if asked is None:
        return "the stack's default, as the app names none"
    origin = "the stack's own" if chosen.path else "which the stack lacks"
    return f"{asked.source} asks for {shown(asked.clauses.removeprefix('=='))} ({origin})"


def newest_of_each(runtimes: list[Runtime]) -> list[Runtime]:
    """Return the newest patch of each minor version, and all of the stack's."""
    newest: dict[Version, Runtime] = {}
    for runtime in sorted(runtimes, key=lambda runtime: runtime.version):
        newest[runtime.version[:2]] = runtime
    kept = {*newest.values(), *(runtime for runtime in runtimes if runtime.path)}
    return sorted(kept, key=lambda runtime: runtime.version, reverse=True)[:SHOWN]


def refuse(asked: Wish, runtimes: list[Runtime], failure: str) -> NoReturn:
    """Say what cannot be had, why, and what can."""
    numbers = version(asked.clauses.removeprefix("=="))
    ended = last_fixes(numbers) if asked.clauses.startswith("==") else ""
    can = [written(runtime.version) for runtime in newest_of_each(runtimes)]
    fail(
        f"Python {shown(asked.clauses.removeprefix('=='))}, which {asked.source} asks for, cannot be had here.",
        *([f"Python {written(numbers[:2])} is at the end of its life: it has had no security fixes since {ended}."] if ended else []),
        *([f"Which others there are could not be looked up. {shown_whole(failure)}"] if failure else []),
        f"These can: {', '.join(can)}",
        f"Write one of them into .python-version, or {can[0].rpartition('.')[0]} for any {can[0].rpartition('.')[0]}.",
    )


def shown_whole(text: str) -> str:
    """Return a sentence of the panel's."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def choose(app: Path, stacks: list[Runtime], offered: Offer) -> tuple[Runtime, Wish | None]:
    """Return the app's Python and why, or say what can be had."""
    asked = wish(app)
    runtimes = [*stacks, *offered.runtimes]
    fitting = [runtime for runtime in runtimes if asked is None or allows(asked.clauses, runtime.version)]
    if asked and not fitting:
        refuse(asked, runtimes, offered.failure)
    return fitting[0], asked


def needed(app: Path, stacks: list[Runtime], offered: Offer | None) -> str:
    """Return what the panel has to bring, as --needed prints it."""
    asked = wish(app)
    if asked is None or any(allows(asked.clauses, runtime.version) for runtime in stacks):
        return ""
    if offered is None:
        return " ".join(["?", *(written(runtime.version) for runtime in stacks)])
    return next((written(runtime.version) for runtime in offered.runtimes if allows(asked.clauses, runtime.version)), "")


def main(app: Path, path: Path, *, ask: bool) -> None:
    """Print the choice, or what the panel has to bring for it."""
    stacks, offered = stack(), offer(path)
    if ask:
        sys.stdout.write(needed(app, stacks, offered))
        return
    if not stacks:
        fail("This stack has no Python that can make a virtual environment.", "Whoever runs the panel can apt install python3-venv")
    chosen, asked = choose(app, stacks, offered or Offer())
    if ended := last_fixes(chosen.version):
        warn(f"Python {written(chosen.version[:2])} has had no security fixes since {ended}.", "Move on to a newer one.")
    sys.stdout.write("\n".join([written(chosen.version), chosen.path, reason(chosen, asked)]) + "\n")


if __name__ == "__main__":
    main(*map(Path, sys.argv[-2:]), ask=sys.argv[1] == "--needed")
