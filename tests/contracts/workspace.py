"""The contract of a builder's workspace, independent of what a step does.

A subclass provides the fixture `workspace`, in which SCRIPTS do what the table says. `builder.py` contains what only real processes can
show.
"""

import pytest

from skypanel.ports.builder import Step, StepFailed
from tests.contracts.builder import fed, output, text

# name: script, exit status, stdout
SCRIPTS = {
    "two lines": ("echo one; echo two", 0, b"one\ntwo\n"),
    "a failure": ("echo half; exit 4", 4, b"half\n"),
    "bytes": (r"printf '\0\1\r\n'", 0, b"\0\1\r\n"),
    "a reader": ("cat >/dev/null", 0, b""),
    "many lines": ("seq 100000", 0, b"".join(b"%d\n" % number for number in range(1, 100_001))),
}


def script(name):
    return Step(("bash", "-c", SCRIPTS[name][0]), {"PATH": "/usr/bin:/bin"})


class WorkspaceContract:
    async def test_a_step_runs_to_its_end_line_by_line(self, workspace):
        exit_, lines = await output(workspace, script("two lines"))
        assert exit_.ok
        assert lines == ["one", "two"]

    async def test_a_failure_is_told_by_its_status(self, workspace):
        exit_, lines = await output(workspace, script("a failure"))
        assert (exit_.code, exit_.reason, exit_.ok) == (4, None, False)
        assert lines == ["half"]

    async def test_steps_run_one_after_another(self, workspace):
        for name in ("a failure", "two lines", "a failure"):
            assert (await output(workspace, script(name)))[0].code == SCRIPTS[name][1]

    async def test_a_step_may_be_fed(self, workspace):
        assert (await output(workspace, script("a reader"), fed(b"one", b"two")))[0].ok

    async def test_an_error_of_what_feeds_a_step_is_the_callers(self, workspace):
        async def broken():
            yield b"half"
            raise LookupError

        with pytest.raises(LookupError):
            await output(workspace, script("a reader"), broken())
        assert (await output(workspace, script("two lines")))[1] == ["one", "two"]

    @pytest.mark.parametrize("name", ["two lines", "bytes", "a reader", "many lines"])
    async def test_stdout_is_read_as_it_is(self, workspace, name):
        assert (await text(workspace, script(name))).encode() == SCRIPTS[name][2]

    async def test_a_failure_is_told_after_what_was_read(self, workspace):
        chunks = []

        async def read():
            async for chunk in workspace.read(script("a failure")):
                chunks.append(chunk)  # noqa: PERF401 - what came before the error counts

        with pytest.raises(StepFailed) as failed:
            await read()
        assert b"".join(chunks) == b"half\n"
        assert failed.value.exit.code == 4

    async def test_who_stops_reading_can_run_the_next_step(self, workspace):
        async for _ in workspace.read(script("many lines")):
            break
        assert (await output(workspace, script("two lines")))[1] == ["one", "two"]
