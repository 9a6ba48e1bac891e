"""Runs a system program to its end."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress

from skypanel.host.finishing import to_the_end


class CommandFailed(Exception):
    """A program of the system did not do what it was asked."""


async def call(argv: Sequence[str], stdin: str = "", environment: Mapping[str, str] | None = None) -> str:
    """Return what a program prints; it is never left half-way. Raises CommandFailed with its complaint."""
    return await to_the_end(_call(argv, stdin, environment))


async def undo(commands: Iterable[tuple[Sequence[str], str]], environment: Mapping[str, str]) -> None:
    """Run commands, each with what it reads, that take something back; what is not there, or was never possible, is no error."""
    for argv, stdin in commands:
        with suppress(CommandFailed):
            await call(argv, stdin, environment)


async def _call(argv: Sequence[str], stdin: str, environment: Mapping[str, str] | None) -> str:
    pipe = asyncio.subprocess.PIPE
    # out of reach of a terminal's Ctrl-C, which ends the launcher step by step
    try:
        process = await asyncio.create_subprocess_exec(*argv, stdin=pipe, stdout=pipe, stderr=pipe, env=environment, start_new_session=True)
    except OSError as error:
        raise CommandFailed(f"{argv[0]}: {error.strerror}") from error
    out, complaint = await process.communicate(stdin.encode())
    if process.returncode != 0:
        raise CommandFailed(f"{argv[0]}: {complaint.decode(errors='replace').strip() or f'exit status {process.returncode}'}")
    return out.decode(errors="replace")
