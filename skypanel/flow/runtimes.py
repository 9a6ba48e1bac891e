"""Interpreters for builds: if the stack lacks the version that an app requests, the panel provides it.

A bundled buildpack's `bin/runtime` prints what it needs. Nothing: the stack has it. A line of `?` and the stack's versions: it must first
know what is available. Otherwise: a version. It never fails, because `bin/compile` reports invalid requests.
"""

import json
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from typing import Protocol

from skypanel.domain import transcript
from skypanel.domain.errors import Invalid, SkyPanelError, Unavailable
from skypanel.domain.runtime import LANGUAGES, RUNTIMES_DIRECTORY, Runtime
from skypanel.ports.builder import Step, StepFailed
from skypanel.ports.output import WriteLine
from skypanel.ports.panel import Panel

UNKNOWN = "?"
_SHOWN = 10


class Compiler(Protocol):
    """What this module needs of a build."""

    @property
    def panel(self) -> Panel: ...  # noqa: D102
    @property
    def write(self) -> WriteLine: ...  # noqa: D102
    def step(self, *argv: str, network: bool = False, **environment: str) -> Step: ...  # noqa: D102
    async def must(self, error: SkyPanelError, step: Step, stdin: AsyncIterable[bytes] | None = None) -> None: ...  # noqa: D102
    async def text(self, step: Step) -> str: ...  # noqa: D102


async def provide(compiler: Compiler, language: str, buildpack: str, mirror: str) -> None:
    """Provide the interpreter that a bundled buildpack requests; `buildpack` is its folder in the workspace.

    Raises Unavailable, which lists the versions that are available without a download.
    """
    if language not in LANGUAGES:
        return
    requested = await _requested(compiler, buildpack)
    if not requested.startswith(UNKNOWN):
        return
    stack = requested.removeprefix(UNKNOWN).split()
    offered = await _offer(compiler, language, mirror)
    if runtime := offered.get(await _requested(compiler, buildpack)):
        await _download(compiler, runtime, mirror, [*stack, *await compiler.panel.runtimes.kept(offered)])


async def _requested(compiler: Compiler, buildpack: str) -> str:
    try:
        return (await compiler.text(compiler.step(f"{buildpack}/bin/runtime", "/app"))).strip()
    except StepFailed:
        return ""


async def _offer(compiler: Compiler, language: str, mirror: str) -> Mapping[str, Runtime]:
    """Write the available versions for the buildpack, or the reason why they are unknown."""
    offered: Mapping[str, Runtime] = {}
    failure = ""
    try:
        offered = await compiler.panel.runtimes.offered(language, mirror)
    except Unavailable as error:
        failure = error.message
    listing = json.dumps({"versions": list(offered), "failure": failure}).encode()
    script = 'mkdir -p "${1%/*}" && exec cat >"$1"'
    step = compiler.step("bash", "-c", script, "offer", f"{RUNTIMES_DIRECTORY}/{language}/offered.json")
    await compiler.must(Invalid("The build's disk is full.", "Make the build smaller, and push again."), step, _once(listing))
    return offered


async def _download(compiler: Compiler, runtime: Runtime, mirror: str, others: list[str]) -> None:
    runtimes = compiler.panel.runtimes
    if runtime.version not in others:
        await compiler.write(transcript.heading(f"Downloading {runtime.name}"))
    try:
        await runtimes.fetch(runtime, mirror)
    except Unavailable as error:
        raise Unavailable(
            f"{runtime.name} could not be downloaded. {error.message}",
            f"Push again, or use a version that is available: {', '.join(others[:_SHOWN])}.",
        ) from error
    step = compiler.step("tar", "-x", "-C", f"{RUNTIMES_DIRECTORY}/{runtime.language}")
    await compiler.must(Invalid(f"{runtime.name} could not be unpacked.", "Push again."), step, runtimes.read(runtime))


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body
