"""A machine that is being made a node, over an SSH connection."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

from skypanel.domain import provision as plan
from skypanel.domain import transcript
from skypanel.domain.errors import Unavailable
from skypanel.domain.names import printable
from skypanel.domain.provision import Argv, Survey
from skypanel.ports.builder import StepFailed
from skypanel.ports.nodes import Shell
from skypanel.ports.output import WriteLine

STEP_S = 15 * 60.0


@dataclass(frozen=True)
class NodeShell:
    """The shell on the machine, what the machine has, and where its output goes."""

    shell: Shell
    survey: Survey
    write: WriteLine

    async def do(self, argv: Argv, stdin: AsyncIterator[bytes] | None = None) -> None:
        """Run a command with root's rights. Raises Unavailable if it fails."""
        try:
            async with asyncio.timeout(STEP_S):
                exit_ = await self.shell.run(self.survey.as_root(argv), self._indented, stdin)
        except TimeoutError as error:
            raise Unavailable(f"A step took longer than {STEP_S / 60:g} minutes.", "Its last lines of output are above.") from error
        if not exit_.ok:
            why = exit_.reason or f"it exited with status {exit_.code}"
            raise Unavailable(f"A step failed: {why}.", "See its output above, fix the problem and provision the node again.")

    async def ask(self, argv: Argv, stdin: bytes = b"") -> str:
        """Return the output of a command that runs with root's rights. Raises Unavailable if it fails."""
        try:
            return await self.shell.read(self.survey.as_root(argv), stdin)
        except StepFailed as error:
            reason = printable(str(error), 300)[1:-1]
            raise Unavailable(f"A step failed: {reason}.", "Fix the problem and provision the node again.") from error

    async def place(self, path: str, content: str, mode: str) -> None:
        """Write a file."""
        await self.ask(plan.place_argv(path, mode), content.encode())

    async def _indented(self, line: str) -> None:
        await self.write(transcript.detail(line))
