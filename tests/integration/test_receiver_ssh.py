"""Who gets in, and that there is nothing but git inside."""

import asyncio
from pathlib import Path

import asyncssh
import pytest

from gitreceiver.ssh import SshLimits
from skypanel.domain.errors import Unavailable
from tests.support.receiver_harness import contents, end, running_receiver, wait_for

ONLY_GIT = " !     SkyPanel only speaks git. Push with: git push skypanel main"


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("sh",),
        ("git-shell -c x",),
        ("git-receive-pack '/hello.git'; id",),
        ("git receive-pack --help hello",),
        ("git-upload-archive '/hello.git'",),
        ("git -c core.x=y receive-pack hello",),
        ("scp -t /tmp",),
        ("git-receive-pack 'hello",),
        ("",),
    ],
)
async def test_anything_but_git_is_refused_with_one_line(ada, arguments):
    answer = await ada.ssh(*arguments, options=["-T"])
    assert answer.status == 128
    assert answer.stderr.splitlines() == [ONLY_GIT]
    assert answer.stdout == ""


@pytest.mark.parametrize("path", ["../../etc", "/etc/passwd", "..", "a/b.git", "HELLO", "", "$(id)", "-x", "hello\n"])
async def test_odd_names_are_refused(receiver, ada, path):
    answer = await ada.ssh(f"git-receive-pack '{path}'")
    assert answer.status == 128
    assert "is not a valid app name" in answer.stderr
    assert not (receiver.home / "repositories").exists()


async def test_reserved_names_are_refused(ada):
    assert "The name www is reserved." in (await ada.ssh("git-receive-pack '/www.git'")).stderr


@pytest.mark.parametrize(
    "line", ["git-upload-pack '/hello.git'", "git upload-pack hello", "git-upload-pack hello.git", "git-upload-pack '/hello'"]
)
async def test_all_forms_of_the_command_are_understood(ada, line):
    assert "App hello not found" in (await ada.ssh(line)).stderr


async def test_there_is_no_terminal(ada):
    assert "PTY allocation request failed" in (await ada.ssh(options=["-tt"])).stderr


async def test_there_is_no_sftp(ada):
    answer = await ada.ssh("sftp", options=["-s"])
    assert ONLY_GIT in answer.stderr


async def test_ports_are_not_forwarded_to_the_inside(ada, receiver):
    answer = await ada.ssh(options=["-W", f"127.0.0.1:{receiver.port}"])
    assert answer.status != 0
    assert "administratively prohibited: SkyPanel only speaks git." in answer.stderr


async def test_ports_are_not_forwarded_to_the_outside(ada):
    answer = await ada.ssh("git-upload-pack hello", options=["-R", "0:127.0.0.1:9", "-o", "ExitOnForwardFailure=yes"])
    assert "forwarding failed" in answer.stderr


async def test_the_agent_is_not_forwarded(ada):
    answer = await ada.ssh("git-upload-pack hello", options=["-A"])
    assert "App hello not found" in answer.stderr


async def test_an_unknown_key_is_refused(receiver, caplog):
    caplog.set_level("INFO", logger="gitreceiver")
    stranger = await receiver.developer("eve", known=False)
    answer = await stranger.ssh("git-receive-pack hello")
    assert answer.status == 255
    assert "Permission denied (publickey)" in answer.stderr
    assert "no account has this key" in caplog.text


async def test_another_user_than_git_is_refused(ada):
    answer = await ada.ssh("git-receive-pack hello", user="root")
    assert answer.status == 255
    assert "The only SSH user is git." in answer.stderr
    assert "Permission denied (publickey)" in answer.stderr


async def test_a_database_that_is_away_is_said(receiver, ada):
    async def away(fingerprint):
        raise Unavailable("The database does not answer.")

    receiver.listener.authenticate = away
    answer = await ada.ssh("git-receive-pack hello")
    assert "SkyPanel cannot look up keys right now. Try again in a minute." in answer.stderr


async def test_passwords_are_not_asked_for(receiver, ada):
    answer = await ada.ssh("git-receive-pack hello", options=["-o", "PreferredAuthentications=password,keyboard-interactive"])
    assert "Permission denied (publickey)" in answer.stderr


async def test_the_account_is_that_of_the_key_that_signs(receiver, ada):
    """Asking about somebody's public key proves nothing."""
    grace = await receiver.developer("grace")
    answer = await ada.ssh("git-upload-pack hello", options=["-o", f"IdentityFile={grace.home}/.ssh/id_ed25519"])
    assert "App hello not found" in answer.stderr
    work = await ada.repository()
    await work.push()
    assert receiver.backend.pushes[0].account == ada.account


async def test_git_gets_no_environment_but_its_own_and_is_bounded(receiver, ada):
    work = await ada.repository()
    finish = asyncio.Event()

    async def build(push, write):
        await finish.wait()

    receiver.backend.build = build
    client = await ada.start("git", "push", receiver.remote(), "main", cwd=work.folder)
    await wait_for("the build", lambda: receiver.backend.sources)
    git = Path("/proc") / str(min(receiver.processes()))
    environment = contents(git / "environ").split(b"\0")
    limits = contents(git / "limits")
    finish.set()
    await client.communicate()
    assert {entry.split(b"=")[0] for entry in environment if entry} == {
        *(b"PATH", b"HOME", b"LC_ALL", b"GIT_CONFIG_NOSYSTEM", b"GIT_CONFIG_GLOBAL", b"GIT_ADVICE"),
        *(b"SKYPANEL_UPDATES", b"SKYPANEL_LINES", b"SKYPANEL_VERDICT"),
    }
    assert b"Max address space         1073741824" in limits


async def test_a_hostile_protocol_version_is_dropped(receiver, ada):
    work = await ada.repository()
    await work.push()
    answer = await ada.ssh(
        "git-upload-pack hello", options=["-o", "SendEnv=GIT_PROTOCOL"], environment={"GIT_PROTOCOL": "version=2;x=$(id)"}, stdin=b"0000"
    )
    assert "version 2" not in answer.stdout


async def test_too_many_connections_are_turned_away_with_a_reason():
    async with running_receiver(SshLimits(connections_per_address=2)) as receiver:
        ada = await receiver.developer()
        held = [await asyncio.open_connection("127.0.0.1", receiver.port) for _ in range(2)]
        await wait_for("both connections", lambda: receiver.listener.connected.total() == 2)
        answer = await ada.ssh("git-upload-pack hello")
        assert "Too many connections. Try again in a minute." in answer.stderr
        for _, writer in held:
            writer.close()
        await wait_for("them to end", lambda: not receiver.listener.connected)
        assert "App hello not found" in (await ada.ssh("git-upload-pack hello")).stderr


async def test_who_does_not_sign_in_is_dropped():
    async with running_receiver(SshLimits(login_s=0.3)) as receiver:
        reader, writer = await asyncio.open_connection("127.0.0.1", receiver.port)
        await asyncio.wait_for(reader.read(), 60)
        writer.close()


async def test_who_asks_for_nothing_is_dropped():
    async with running_receiver(SshLimits(unused_s=0.3)) as receiver:
        ada = await receiver.developer()
        answer = await ada.ssh(options=["-N"])
        assert "No command was given." in answer.stderr


async def test_who_sends_nothing_is_dropped():
    async with running_receiver(idle_s=0.3) as receiver:
        ada = await receiver.developer()
        client = await ada.start(
            *ada.ssh_command, "-p", receiver.port, "git@127.0.0.1", "git-receive-pack hello", stdin=asyncio.subprocess.PIPE
        )
        said = await asyncio.wait_for(client.stderr.read(), 60)
        assert b"The connection timed out: nothing came for 0 seconds. Try again." in said
        await end(client)
        await wait_for("git to end", lambda: receiver.processes() == [])


async def test_channels_of_a_connection_are_bounded(receiver, ada):
    async with asyncssh.connect(
        "127.0.0.1", receiver.port, username="git", client_keys=[str(ada.home / ".ssh/id_ed25519")], known_hosts=None, config=None
    ) as connection:
        held = [await connection.create_process("git-receive-pack hello", encoding=None) for _ in range(8)]
        with pytest.raises(asyncssh.ChannelOpenError, match="At most 8"):
            await connection.create_process("git-receive-pack hello")
        for process in held:
            process.close()
    await wait_for("git to end", lambda: receiver.processes() == [])


async def test_clients_get_no_slow_cipher(receiver, ada):
    answer = await ada.ssh("git-upload-pack hello", options=["-v"])
    assert "cipher: aes128-ctr" in answer.stderr
    refused = await ada.ssh("git-upload-pack hello", options=["-c", "chacha20-poly1305@openssh.com"])
    assert "no matching cipher" in refused.stderr
