"""Runs system programs to completion."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress

from skypanel.host.cancellation import complete_despite_cancel


class CommandFailed(Exception):
    """A system program failed. Its message is what the program wrote to stderr."""


async def call(argv: Sequence[str], stdin: str = "", environment: Mapping[str, str] | None = None) -> str:
    """Run a program and return its output. Cancelling the call waits for the program's end. Raises CommandFailed."""
    return await complete_despite_cancel(_call(argv, stdin, environment))


async def undo(commands: Iterable[tuple[Sequence[str], str]], environment: Mapping[str, str]) -> None:
    """Run cleanup commands, each with its stdin. A command that fails is ignored: there may be nothing to undo."""
    for argv, stdin in commands:
        with suppress(CommandFailed):
            await call(argv, stdin, environment)


async def _call(argv: Sequence[str], stdin: str, environment: Mapping[str, str] | None) -> str:
    pipe = asyncio.subprocess.PIPE
    # A new session: Ctrl-C in a terminal does not reach the program, so the launcher can shut down in order.
    try:
        process = await asyncio.create_subprocess_exec(*argv, stdin=pipe, stdout=pipe, stderr=pipe, env=environment, start_new_session=True)
    except OSError as error:
        raise CommandFailed(f"{argv[0]}: {error.strerror}") from error
    out, complaint = await process.communicate(stdin.encode())
    if process.returncode != 0:
        raise CommandFailed(f"{argv[0]}: {complaint.decode(errors='replace').strip() or f'exit status {process.returncode}'}")
    return out.decode(errors="replace")
