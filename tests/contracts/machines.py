"""The contract of the port Machines.

A subclass provides the fixtures `machines`, `login`, `another_secret`, `renew_host_key` and `nowhere`. `login` is valid, and SCRIPTS do
there what the table says. `renew_host_key` reinstalls the machine. `nowhere` is a login without a server.
"""

from dataclasses import replace

import pytest

from skypanel.domain.errors import Conflict, Denied, Unavailable
from skypanel.ports.builder import StepFailed

# name: script, exit status, what it prints
SCRIPTS = {
    "two lines": ("echo one; echo two >&2", 0, "one\ntwo\n"),
    "a failure": ("echo half; exit 4", 4, "half\n"),
    "no line end": ("printf 'a b'", 0, "a b\n"),
    "quotes": ("""printf '%s\\n' "it's" '"$HOME"'""", 0, 'it\'s\n"$HOME"\n'),
    "a reader": ("wc -c", 0, "6\n"),
    "many lines": ("seq 20000", 0, "".join(f"{number}\n" for number in range(1, 20_001))),
}


def script(name):
    return ("sh", "-c", SCRIPTS[name][0])


async def chunks():
    yield b"one"
    yield b"two"


class MachinesContract:
    async def run(self, machines, login, name, stdin=None):
        lines = []

        async def write(line):
            lines.append(line)

        async with machines.log_in(login) as shell:
            exit_ = await shell.run(script(name), write, stdin)
        return exit_, "".join(f"{line}\n" for line in lines)

    @pytest.mark.parametrize("name", SCRIPTS)
    async def test_a_command_runs_to_its_end_line_by_line(self, machines, login, name):
        exit_, printed = await self.run(machines, login, name, chunks() if name == "a reader" else None)
        assert (exit_.code, printed) == SCRIPTS[name][1:]

    async def test_commands_run_one_after_another(self, machines, login):
        async with machines.log_in(login) as shell:
            for name in ("two lines", "no line end"):
                assert await shell.read(script(name)) == SCRIPTS[name][2]
            assert await shell.read(script("a reader"), b"sixsix") == "6\n"

    async def test_a_failure_is_told_by_its_status_and_last_line(self, machines, login):
        async with machines.log_in(login) as shell:
            with pytest.raises(StepFailed, match="half") as failed:
                await shell.read(script("a failure"))
        assert failed.value.exit.code == 4

    async def test_the_host_key_is_that_of_the_login(self, machines, login):
        assert await machines.host_key(login.address, login.port) == login.host_key
        assert machines.fingerprint(login.host_key).startswith("SHA256:")

    async def test_another_secret_is_denied(self, machines, login, another_secret):
        with pytest.raises(Denied, match="rejects this"):
            async with machines.log_in(replace(login, secret=another_secret)):
                pass

    async def test_a_changed_host_key_is_a_conflict(self, machines, login, renew_host_key):
        renew_host_key()
        with pytest.raises(Conflict, match=r"has changed.*Nothing was done"):
            async with machines.log_in(login):
                pass

    async def test_where_nobody_answers_is_unavailable(self, machines, nowhere):
        with pytest.raises(Unavailable, match="No SSH server answers"):
            await machines.host_key(nowhere.address, nowhere.port)
        with pytest.raises(Unavailable, match="No SSH server answers"):
            async with machines.log_in(nowhere):
                pass
