"""Run a command and indent its output: `indented.py VERDICT COMMAND...`; the exit status is the command's.

Routine lines of package managers are marked as dim: they stay in the build's log, and the pusher does not see them.
It ends with the command. Background processes of the command may keep the output open, but it does not wait for them.
If the command fails because of a server, it writes a file VERDICT that names the server.
"""  # noqa: INP001 - a script, run by path

import errno
import os
import re
import select
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

INDENT = b" " * 7
# The panel cuts longer lines, and one that never ends is not to be held whole.
MAX_LINE_BYTES = 16 * 1024
CHUNK_BYTES = 64 * 1024
MAX_PIPE_BYTES = 1024 * 1024
LAST_LINES = 200
NOT_FOUND = 127

# The panel knows these lines by how they begin.
ASIDE, ASIDE_END = b"\x1b[2m" + INDENT, b"\x1b[0m"
_ROUTINE = re.compile(
    rb"(?:Collecting|Downloading|Using cached|Requirement already satisfied:|Looking in (?:indexes|links):|Installing collected packages:"
    rb"|Building wheels? for|Created wheel for|Stored in directory:|Installing build dependencies|Getting requirements to build"
    rb"|Preparing metadata|Running command|Processing /|Attempting uninstall:|Found existing installation:|Uninstalling) ?"  # pip
    rb"|\+ [\w.-]+==[\w.+!-]+$"  # uv
    rb"|npm (?:warn|WARN) deprecated\b|npm notice\b"
    rb"|warning (?:.+ > .+|\S+@\S+: .*)$"  # Yarn 1, of packages of packages
    rb"|\xe2\x9e\xa4 YN00(?:02|13|19|60|61|86): "  # Yarn 2 and later
    rb"|WARN +(?:deprecated|\d+ deprecated)\b|Progress: resolved\b",  # pnpm
)

_ERRNO = r"(?:ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ESOCKETTIMEDOUT|ERR_SOCKET_TIMEOUT|EHOSTUNREACH|ENETUNREACH)"
# How each tool reports that a server is unreachable or fails. What a package's own scripts print about servers does not
# match.
_OUTAGE = re.compile(
    rf"npm (?:error|ERR!) code (?:{_ERRNO}|E5\d\d|E429)\b"
    rf"|^error .*\b{_ERRNO}\b|trouble with your network connection"  # Yarn 1
    rf"|\bYN0\d+:.*\b{_ERRNO}\b"  # Yarn 2 and later
    rf"|\bERR_PNPM_(?:META_FETCH_FAIL|FETCH_5\d\d|FETCH_429)\b|^\W*{_ERRNO}\s+request to "
    r"|connection broken by '(?!\w*InvalidHeader)|^\s*ERROR: HTTP error (?:5\d\d|429)\b|^\s*ERROR: Could not .*Max retries exceeded"  # pip
    r"|error sending request for url|HTTP status (?:server error|client error \(429)"  # uv
    r"|All attempts to connect to ",  # Poetry
    re.IGNORECASE,
)
_HOST = re.compile(
    r"https?://(?:[^\s/@]*@)?(?P<host>[A-Za-z0-9.:\[\]-]+)|host='(?P<pool>[^']+)'|(?:ENOTFOUND|EAI_AGAIN) (?P<name>[A-Za-z0-9.-]+)"
)


def unreachable(lines: list[str]) -> str | None:
    """Return the server that what a tool printed says could not be reached, "" for one that it does not name, None where none is."""
    if not any(map(_OUTAGE.search, lines)):
        return None
    # pip names the server in no line but that which lists its indexes.
    for line in (*filter(_OUTAGE.search, lines), *reversed(lines)):
        if found := _HOST.search(line):
            return found["host"] or found["pool"] or found["name"]
    return ""


def pieces(line: bytes) -> list[bytes]:
    """Return a line cut into such as are not too long."""
    return [line[start : start + MAX_LINE_BYTES] for start in range(0, max(len(line), 1), MAX_LINE_BYTES)]


class Lines:
    """Bytes as indented lines, as soon as they are complete."""

    def __init__(self) -> None:
        self.last: deque[bytes] = deque(maxlen=LAST_LINES)
        self._rest = b""
        self._asides = 0

    def feed(self, chunk: bytes) -> None:
        """Print what is complete with `chunk`."""
        *whole, rest = (self._rest + chunk).split(b"\n")
        *begun, self._rest = pieces(rest)
        self._print([*(piece for line in whole for piece in pieces(line)), *begun])

    def end(self) -> None:
        """Print what is left, and how many lines were set apart."""
        self._print([self._rest] if self._rest else [])
        if self._asides:
            more = b"1 line more is" if self._asides == 1 else b"%d lines more are" % self._asides
            self._print([b"(" + more + b" in the build's log)"])

    def _print(self, whole: list[bytes]) -> None:
        self.last.extend(whole)
        sys.stdout.buffer.write(b"".join(map(self._indented, whole)))
        sys.stdout.buffer.flush()

    def _indented(self, line: bytes) -> bytes:
        if _ROUTINE.match(line.lstrip()):
            self._asides += 1
            return ASIDE + line + ASIDE_END + b"\n"
        return (INDENT if line else b"") + line + b"\n"


def output(process: "subprocess.Popen[bytes]", pipe: int) -> Iterator[bytes]:
    """Yield what a command prints until it has ended, and what is in the pipe then."""
    ended, end = os.pipe()
    threading.Thread(target=lambda: (process.wait(), os.close(end)), daemon=True).start()
    os.set_blocking(pipe, False)
    with suppress(BlockingIOError):
        while ended not in select.select([pipe, ended], [], [])[0]:
            if not (chunk := os.read(pipe, CHUNK_BYTES)):
                return
            yield chunk
        # As much as a pipe can hold, and no more: what goes on in the background is not followed for ever.
        for _ in range(MAX_PIPE_BYTES // CHUNK_BYTES):
            yield os.read(pipe, CHUNK_BYTES)


def started(argv: list[str], pipe: int) -> "subprocess.Popen[bytes]":
    """Start a command; a script without a #! is bash's, as it is where bash runs it. Raises OSError."""
    try:
        return subprocess.Popen(argv, stdout=pipe, stderr=pipe)
    except OSError as error:
        if error.errno != errno.ENOEXEC:
            raise
        return subprocess.Popen(["bash", *argv], stdout=pipe, stderr=pipe)


def main(verdict: Path, argv: list[str]) -> int:
    """Run a command, and return its exit status."""
    pipe, write = os.pipe()
    try:
        process = started(argv, write)
    except OSError as error:
        sys.stdout.write(f"{INDENT.decode()}{argv[0]}: {error.strerror}\n")
        return NOT_FOUND
    os.close(write)
    lines = Lines()
    for chunk in output(process, pipe):
        lines.feed(chunk)
    lines.end()
    status = process.wait()
    host = unreachable([line.decode(errors="replace") for line in lines.last]) if status else None
    verdict.unlink(missing_ok=True)
    if host is not None:
        verdict.write_text(host)
    return 128 - status if status < 0 else status


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
