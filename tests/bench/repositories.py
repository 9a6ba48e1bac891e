"""Repositories to push, the same at every run: `git fast-import` is given all that they hold."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from random import Random

COMMITS = 500
TEXTS_PER_COMMIT = 8
TEXT_FILES = 2000
WORDS_PER_TEXT = 400
# What pictures, fonts and archives are to git: bytes that do not shrink.
INCOMPRESSIBLE_BYTES = 26 << 20
WORDS = [
    f"{first}{second}" for first in ("app", "build", "dyno", "git", "release", "route", "slug") for second in ("", "s", "_of", ".py", "()")
]
AUTHOR = "Dev <dev@example.com>"
FIRST_COMMIT_AT = 1_700_000_000


def make_large(path: Path) -> Path:
    """Make a bare repository of about 30 MB with a branch `main`."""
    return _imported(path, _large())


def make_small(path: Path, commits: int) -> Path:
    """Make a bare repository of a few commits, of one changed line each; the branch `at-<number>` ends at that one."""
    return _imported(path, _small(commits))


def _imported(path: Path, stream: Iterator[bytes]) -> Path:
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", path], check=True)
    with subprocess.Popen(["git", "-C", path, "fast-import", "--quiet"], stdin=subprocess.PIPE) as git:
        for part in stream:
            git.stdin.write(part)
    assert git.returncode == 0
    subprocess.run(["git", "-C", path, "repack", "-a", "-d", "-q"], check=True)
    return path


def _small(commits: int) -> Iterator[bytes]:
    for number in range(commits):
        yield from _commit(number, {"README": b"Line %d.\n" % number})
        yield f"reset refs/heads/at-{number}\nfrom refs/heads/main\n\n".encode()


def _large() -> Iterator[bytes]:
    chance = Random(1)
    for number in range(COMMITS):
        files = {_text_path(chance): _text(chance) for _ in range(TEXTS_PER_COMMIT)}
        files[f"assets/{number % 50}/{number}.bin"] = chance.randbytes(INCOMPRESSIBLE_BYTES // COMMITS)
        yield from _commit(number, files)


def _text_path(chance: Random) -> str:
    number = chance.randrange(TEXT_FILES)
    return f"src/part{number % 40}/file{number}.py"


def _text(chance: Random) -> bytes:
    return "\n".join(chance.choices(WORDS, k=WORDS_PER_TEXT)).encode()


def _commit(number: int, files: dict[str, bytes]) -> Iterator[bytes]:
    yield f"commit refs/heads/main\ncommitter {AUTHOR} {FIRST_COMMIT_AT + number} +0000\n".encode()
    yield _data(b"Change %d" % number)
    for path, content in files.items():
        yield f"M 100644 inline {path}\n".encode()
        yield _data(content)


def _data(content: bytes) -> bytes:
    return b"data %d\n%b\n" % (len(content), content)
