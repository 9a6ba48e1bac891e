"""Packs made to hurt, and clients that vanish: the receiver keeps its memory, its processes and its disk."""

import asyncio
import os
import signal
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gitreceiver.config import GitLimits
from skypanel.domain.limits import MIB
from skypanel.domain.transcript import detail
from tests.support.packs import commit_of, object_id, pack, packet, request, small_push, varint
from tests.support.receiver_harness import end, running_receiver, wait_for
from tests.support.suspension import suspend


async def quiet(receiver):
    """Wait until nothing is left of any push."""
    await wait_for("git to end", lambda: receiver.processes() == [])
    await wait_for("the quarantines to go", lambda: receiver.leftovers() == [])
    await wait_for("the connections to end", lambda: not receiver.listener.connected)


async def nothing_left(receiver):
    """Wait until no repository is left, as no app came of the push."""
    await quiet(receiver)
    await wait_for("the repository to go", lambda: list((receiver.home / "repositories").iterdir()) == [])


async def send(ada, body):
    return await ada.ssh("git-receive-pack hello", stdin=body)


async def test_a_hand_made_pack_is_taken(receiver, ada):
    answer = await send(ada, small_push())
    assert "ok refs/heads/main" in answer.stdout
    assert len(receiver.backend.sources) == 1


async def test_a_push_of_tens_of_thousands_of_refs_is_refused(receiver, ada):
    answer = await send(ada, small_push(also=[b"refs/heads/b%05d" % number for number in range(20_000)]))
    assert "The push changes 20001 refs; the limit is 10000." in answer.stdout
    assert "ok refs/heads" not in answer.stdout
    await nothing_left(receiver)


async def test_a_corrupt_pack_is_refused(receiver, ada):
    answer = await send(ada, request(b"1" * 40) + b"PACK" + b"\0" * 200)
    assert "unpack" in answer.stdout
    assert receiver.backend.pushes == []
    await nothing_left(receiver)


async def test_a_pack_cut_short_is_refused(receiver, ada):
    body = pack((3, b"web: x\n", b""))
    answer = await send(ada, request(object_id("blob", b"web: x\n")) + body[:-25])
    assert "unpack" in answer.stdout
    assert receiver.backend.pushes == []
    await quiet(receiver)


async def test_a_pack_without_the_objects_it_promises_is_refused(receiver, ada):
    answer = await send(ada, request(b"1" * 40) + pack((3, b"web: x\n", b"")))
    assert "The push lacks objects that it refers to." in answer.stdout
    assert "ng refs/heads/main" in answer.stdout
    await nothing_left(receiver)


@pytest.mark.parametrize("ref", [b"HEAD", b"refs/heads/..", b"refs/heads/x.lock", b"../../x", b"refs/heads/a\x07b"])
async def test_refs_that_are_none_are_refused(receiver, ada, ref):
    blob = b"x"
    answer = await send(ada, request(object_id("blob", blob), ref) + pack((3, blob, b"")))
    assert b"ok " + ref not in answer.stdout.encode()
    await quiet(receiver)
    assert receiver.backend.apps == {}


async def test_a_pack_over_the_limit_is_refused():
    async with running_receiver(git_limits=GitLimits(pack_bytes=MIB)) as receiver:
        work = await (await receiver.developer()).repository(files={"noise": os.urandom(3 * MIB)})
        pushed = await work.push(check=False)
        assert pushed.status != 0
        assert "pack exceeds maximum allowed size" in pushed.stderr
        await nothing_left(receiver)


async def test_a_difference_that_makes_gigabytes_is_refused(receiver, ada):
    base = b"x" * 0xFFFF
    copies = 2**31 // len(base)
    delta = varint(len(base)) + varint(copies * len(base)) + b"\xb0\xff\xff" * copies
    name = bytes.fromhex(object_id("blob", base).decode())
    answer = await send(ada, request(b"1" * 40) + pack((3, base, b""), (7, delta, name)))
    assert "unpack" in answer.stdout
    assert receiver.backend.pushes == []
    await quiet(receiver)


async def test_a_file_over_the_limit_is_refused_before_it_is_inflated(receiver, ada):
    blob = bytes(101 * MIB)
    tree = b"100644 zeros\0" + bytes.fromhex(object_id("blob", blob).decode())
    commit = commit_of(object_id("tree", tree))
    answer = await send(ada, request(object_id("commit", commit)) + pack((1, commit, b""), (2, tree, b""), (3, blob, b"")))
    assert "zeros is 101.0M; the limit for a file is 100.0M." in answer.stdout
    await quiet(receiver)


@pytest.mark.parametrize("name", [b".git", b".GIT", b"..", b".", b"GIT~1", ".g\u200cit".encode()])
async def test_names_that_would_do_harm_are_refused(receiver, ada, name):
    blob = b"x"
    tree = b"100644 " + name + b"\0" + bytes.fromhex(object_id("blob", blob).decode())
    commit = commit_of(object_id("tree", tree))
    answer = await send(ada, request(object_id("commit", commit)) + pack((1, commit, b""), (2, tree, b""), (3, blob, b"")))
    assert "unpack" in answer.stdout
    assert "ok refs/heads/main" not in answer.stdout
    assert receiver.backend.pushes == []
    await quiet(receiver)


async def test_names_with_a_slash_are_refused(receiver, ada):
    blob = b"x"
    tree = b"100644 a/b\0" + bytes.fromhex(object_id("blob", blob).decode())
    commit = commit_of(object_id("tree", tree))
    answer = await send(ada, request(object_id("commit", commit)) + pack((1, commit, b""), (2, tree, b""), (3, blob, b"")))
    assert "ok refs/heads/main" not in answer.stdout
    await quiet(receiver)


async def test_a_tree_of_billions_of_files_is_refused(receiver, ada):
    objects = [(3, b"x", b"")]
    below = object_id("blob", b"x")
    mode = b"100644"
    for _ in range(10):
        tree = b"".join(mode + b" %02d\0" % number + bytes.fromhex(below.decode()) for number in range(30))
        objects.append((2, tree, b""))
        below, mode = object_id("tree", tree), b"40000"
    commit = commit_of(below)
    answer = await send(ada, request(object_id("commit", commit)) + pack((1, commit, b""), *objects))
    assert "The commit contains more than 150000 files." in answer.stdout
    await quiet(receiver)


async def test_a_client_that_vanishes_before_it_asks(receiver, ada):
    client = await ada.start(
        *ada.ssh_command, "-p", receiver.port, "git@127.0.0.1", "git-receive-pack hello", stdin=asyncio.subprocess.PIPE
    )
    await wait_for("git", receiver.processes)
    await end(client)
    await nothing_left(receiver)


async def test_a_client_that_vanishes_within_its_pack(receiver, ada):
    client = await ada.start(
        *ada.ssh_command, "-p", receiver.port, "git@127.0.0.1", "git-receive-pack hello", stdin=asyncio.subprocess.PIPE
    )
    client.stdin.write(request(b"1" * 40) + pack((3, os.urandom(MIB), b""))[: MIB // 2])
    await client.stdin.drain()
    await wait_for("the quarantine", receiver.leftovers)
    await end(client)
    await quiet(receiver)
    assert receiver.backend.pushes == []
    await nothing_left(receiver)


async def test_a_client_that_vanishes_while_it_fetches(receiver, ada):
    work = await ada.repository(files={"noise": os.urandom(8 * MIB)})
    await work.push()
    client = await ada.start(*ada.ssh_command, "-p", receiver.port, "git@127.0.0.1", "git-upload-pack hello", stdin=asyncio.subprocess.PIPE)
    client.stdin.write(packet(b"want " + (await work.head()).encode() + b"\n") + b"0000" + packet(b"done\n"))
    await asyncio.wait_for(client.stdout.readexactly(MIB), 60)
    await end(client)
    await quiet(receiver)


async def test_a_client_that_does_not_read_is_given_up():
    async with running_receiver(idle_s=2) as receiver:
        ada = await receiver.developer()
        work = await ada.repository(files={"noise": os.urandom(8 * MIB)})
        await work.push()
        client = await ada.start(
            *ada.ssh_command, "-p", receiver.port, "git@127.0.0.1", "git-upload-pack hello", stdin=asyncio.subprocess.PIPE
        )
        client.stdin.write(packet(b"want " + (await work.head()).encode() + b"\n") + b"0000" + packet(b"done\n"))
        await asyncio.wait_for(client.stdout.readexactly(1), 60)
        os.killpg(client.pid, signal.SIGSTOP)
        await wait_for("git to end", lambda: receiver.processes() == [])
        await end(client)
        await quiet(receiver)


async def test_a_git_that_takes_nothing_holds_back_the_client(receiver, ada):
    """A pusher cannot fill the receiver's memory faster than git reads."""
    client = await ada.start(
        *ada.ssh_command, "-p", receiver.port, "git@127.0.0.1", "git-receive-pack hello", stdin=asyncio.subprocess.PIPE
    )
    await wait_for("git", receiver.processes)
    (git,) = receiver.processes()
    suspend(git)
    client.stdin.write(request(b"1" * 40) + pack((3, os.urandom(70 * MIB), b"")))
    before = resident()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(client.stdin.drain(), 3)
    grown = resident() - before
    await end(client)
    os.kill(git, signal.SIGKILL)
    await quiet(receiver)
    assert grown < 48 * MIB


async def test_a_git_that_is_killed_in_the_build_ends_the_push(receiver, ada):
    work = await ada.repository()
    await work.push()
    first = await work.head()

    async def build(push, write):
        await write(detail("Installing"))
        await asyncio.Event().wait()

    receiver.backend.build = build
    await work.commit({"more": "x"})
    client = await ada.start("git", "push", receiver.remote(), "main", cwd=work.folder)
    await asyncio.wait_for(client.stderr.readuntil(b"Installing"), 60)
    os.killpg(os.getpgid(receiver.processes()[0]), signal.SIGKILL)
    await asyncio.wait_for(client.communicate(), 60)
    assert client.returncode != 0
    await wait_for("the push to end", lambda: len(receiver.backend.ended) == 2)
    assert (receiver.repository() / "refs/heads/main").read_text().strip() == first
    # A killed git cannot clean up; the sweep of the next start does.
    await receiver.repositories.sweep(datetime.now(UTC))
    await quiet(receiver)


async def test_a_receiver_that_stops_declines_what_is_not_done(receiver, ada):
    work = await ada.repository()

    async def build(push, write):
        await write(detail("Installing"))
        await asyncio.Event().wait()

    receiver.backend.build = build
    client = await ada.start("git", "push", receiver.remote(), "main", cwd=work.folder)
    seen = await asyncio.wait_for(client.stderr.readuntil(b"Installing"), 60)
    await receiver.listener.close(grace_s=0.1)
    assert receiver.processes() == []
    assert receiver.leftovers() == []
    _, rest = await asyncio.wait_for(client.communicate(), 60)
    assert b"This push was interrupted." in seen + rest
    assert client.returncode != 0
    assert list((receiver.repository() / "refs/heads").iterdir()) == []


def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
