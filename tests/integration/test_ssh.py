"""Other machines by SSH: a real sshd."""

import asyncio
import socket
from dataclasses import replace

import asyncssh
import pytest

from skypanel.domain.errors import Conflict, Denied, Invalid, Unavailable
from skypanel.domain.node import SecretKind, SshLogin
from skypanel.drivers.ssh.machines import SshMachines
from tests.contracts.machines import MachinesContract
from tests.fixtures.sshd import sshd
from tests.support.until import until

__all__ = ["sshd"]


@pytest.fixture
def machines():
    return SshMachines()


@pytest.fixture
async def login(sshd, machines):
    host_key = await machines.host_key("127.0.0.1", sshd.port)
    return SshLogin("127.0.0.1", sshd.port, sshd.user, host_key, SecretKind.KEY, sshd.key)


class TestSshMachines(MachinesContract):
    @pytest.fixture
    def another_secret(self, sshd):
        return sshd.new_key("another")

    @pytest.fixture
    def renew_host_key(self, sshd, login):
        def renew():
            sshd.stop()
            sshd.new_key("host_key")
            sshd.start()

        return renew

    @pytest.fixture
    def nowhere(self, login):
        with socket.create_server(("127.0.0.1", 0)) as free:
            return replace(login, port=free.getsockname()[1])


async def test_a_host_key_of_another_kind_is_a_changed_one(machines, login, sshd):
    sshd.stop()
    sshd.new_key("host_key", "ecdsa")
    sshd.start()
    with pytest.raises(Conflict, match="has changed: it may be another"):
        async with machines.log_in(login):
            pass


@pytest.mark.parametrize("secret", ["", "no key", "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n"])
async def test_what_is_no_private_key_is_invalid(machines, login, secret):
    with pytest.raises(Invalid, match="not an SSH private key"):
        async with machines.log_in(replace(login, secret=secret)):
            pass


async def test_a_key_with_a_passphrase_is_invalid(machines, login, sshd):
    locked = sshd.new_key("locked", passphrase="hush hush")
    with pytest.raises(Invalid, match="passphrase"):
        async with machines.log_in(replace(login, secret=locked)):
            pass


async def test_what_is_no_ssh_server_is_unavailable(machines, login):
    async def hello(_reader, writer):
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(hello, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(Unavailable):
            await machines.host_key("127.0.0.1", port)
        with pytest.raises(Unavailable):
            async with machines.log_in(replace(login, port=port)):
                pass


async def test_a_lost_connection_is_unavailable(machines, login, sshd):
    lines = []

    async def write(line):
        lines.append(line)

    async with machines.log_in(login) as shell:
        running = asyncio.create_task(shell.run(("sh", "-c", "echo $PPID; exec sleep 1000"), write))
        await until(lambda: lines)
        sshd.stop()
        with pytest.raises(Unavailable, match="was lost"):
            await asyncio.wait_for(running, 60)


async def test_a_command_ends_with_its_connection(machines, login, tmp_path):
    mark = tmp_path / "pid"

    async def write(line):
        pass

    async with machines.log_in(login) as shell:
        running = asyncio.create_task(shell.run(("sh", "-c", f"echo $$ >{mark}; while echo x; do sleep 0.1; done"), write))
        await until(lambda: mark.exists() and mark.read_text().strip())
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
    pid = mark.read_text().strip()
    await until(lambda: not (tmp_path.parent / "/proc" / pid).exists())


async def test_a_password_is_asked_for_by_those_who_ask(login, machines):
    """asyncssh as the server, as sshd checks the system's own passwords alone."""

    class Server(asyncssh.SSHServer):
        def begin_auth(self, username):
            return True

        def password_auth_supported(self):
            return True

        def validate_password(self, username, password):
            return (username, password) == ("ada", "correct horse")

    key = asyncssh.generate_private_key("ssh-ed25519")

    async def answer(process):
        process.stdout.write("hello\n")
        process.exit(0)

    async with asyncssh.listen("127.0.0.1", 0, server_factory=Server, server_host_keys=[key], process_factory=answer) as server:
        port = server.get_port()
        good = SshLogin("127.0.0.1", port, "ada", await machines.host_key("127.0.0.1", port), SecretKind.PASSWORD, "correct horse")
        async with machines.log_in(good) as shell:
            assert await shell.read(("true",)) == "hello\n"
        with pytest.raises(Denied, match="rejects this password") as denied:
            async with machines.log_in(replace(good, secret="wrong staple")):
                pass
        assert "wrong staple" not in str(denied.value)
