"""What the panel brings to a build, and what it says where it cannot."""

import json
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from skypanel.domain.errors import Unavailable
from skypanel.domain.manifest import Exit
from skypanel.domain.runtime import Runtime
from skypanel.flow import runtimes
from skypanel.ports.builder import Step, StepFailed


@dataclass
class Compiler:
    """A build whose buildpack says each of `said` in turn."""

    said: list[str]
    panel: SimpleNamespace
    lines: list[str] = field(default_factory=list)
    fed: list[bytes] = field(default_factory=list)

    async def write(self, line):
        self.lines.append(line)

    def step(self, *argv, network=False, **environment):
        return Step(argv, environment, network=network)

    async def must(self, error, step, stdin=None):
        self.fed.append(b"".join([chunk async for chunk in stdin]))

    async def text(self, step):
        said = self.said.pop(0)
        if said == "fails":
            raise StepFailed(Exit(1))
        return said


class Runtimes:
    def __init__(self, *, kept=(), list_fails=False, fetch_fails=False):
        self._kept, self._list_fails, self._fetch_fails = list(kept), list_fails, fetch_fails
        self.fetched = []

    async def offered(self, language, mirror):
        if self._list_fails:
            raise Unavailable("The network failed: nobody there.")
        return {version: Runtime(language, version, f"{mirror}/{version}") for version in ("3.13.1", "3.12.9")}

    async def kept(self, offered):
        return self._kept

    async def fetch(self, runtime, mirror):
        if self._fetch_fails:
            raise Unavailable("The network failed: nobody there.")
        self.fetched.append((runtime.version, mirror))

    async def read(self, runtime):
        yield b"an archive"


def compiler(*said, **options):
    return Compiler(list(said), SimpleNamespace(runtimes=Runtimes(**options)))


async def provide(compiler, language="python"):
    await runtimes.provide(compiler, language, "/tmp/buildpacks/python", "/mirror")


@pytest.mark.parametrize("said", ["", "fails"])
async def test_nothing_is_brought_where_the_stack_does(said):
    build = compiler(said)
    await provide(build)
    assert (build.fed, build.lines) == ([], [])


async def test_a_buildpack_without_a_language_is_not_asked():
    await provide(compiler(), "static")


async def test_what_is_asked_for_is_downloaded_and_fed():
    build = compiler("? 3.11.2", "3.13.1")
    await provide(build)
    assert build.panel.runtimes.fetched == [("3.13.1", "/mirror")]
    assert json.loads(build.fed[0]) == {"versions": ["3.13.1", "3.12.9"], "failure": ""}
    assert build.fed[1:] == [b"an archive"]
    assert build.lines == ["-----> Downloading Python 3.13.1"]


async def test_what_is_kept_is_not_said_to_be_downloaded():
    build = compiler("? 3.11.2", "3.13.1", kept=["3.13.1"])
    await provide(build)
    assert build.lines == []
    assert build.fed[1:] == [b"an archive"]


@pytest.mark.parametrize("said", ["", "../../etc/passwd", "3.99.1"])
async def test_what_is_not_on_the_list_is_not_brought(said):
    build = compiler("? 3.11.2", said)
    await provide(build)
    assert build.panel.runtimes.fetched == []


async def test_a_list_that_cannot_be_read_is_told_to_the_buildpack():
    build = compiler("? 3.11.2", "", list_fails=True)
    await provide(build)
    assert json.loads(build.fed[0]) == {"versions": [], "failure": "The network failed: nobody there."}


async def test_a_download_that_fails_says_why_and_what_is_here():
    with pytest.raises(Unavailable) as failed:
        await provide(compiler("? 3.11.2", "3.13.1", kept=["3.12.9"], fetch_fails=True))
    assert failed.value.message == "Python 3.13.1 could not be downloaded. The network failed: nobody there."
    assert failed.value.hint == "Push again, or use a version that is available: 3.11.2, 3.12.9."
