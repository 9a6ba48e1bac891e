"""Requests made to hurt, and clients that stall or vanish at every stage, over HTTP."""

import asyncio
import gzip
import io
import json
import os
import signal
from base64 import b64encode
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from gitreceiver.config import GitLimits
from gitreceiver.http import HttpLimits
from skypanel.domain.limits import MIB
from tests.support.packs import gzip_bomb, pack, packet, request, small_push
from tests.support.receiver_harness import running_receiver, wait_for
from tests.support.suspension import suspend

PUSH = "application/x-git-receive-pack-request"
FETCH = "application/x-git-upload-pack-request"
REFS = "/hello.git/info/refs?service=git-receive-pack"
REVOKED = "The API token was revoked or expired during this push."


async def quiet(receiver):
    """Wait until nothing is left of any request."""
    await wait_for("git to end", lambda: receiver.processes() == [])
    await wait_for("the quarantines to go", lambda: receiver.leftovers() == [])
    await wait_for("the requests to end", lambda: not receiver.http.served)


async def nothing_left(receiver):
    """Wait until no repository is left, as no app came of the push."""
    await quiet(receiver)
    await wait_for("the repository to go", lambda: list((receiver.home / "repositories").iterdir()) == [])


def authorization(developer):
    return {"Authorization": f"Basic {b64encode(f'ada:{developer.token}'.encode()).decode()}"}


async def ask(developer, method="POST", path="/hello.git/git-receive-pack", body=b"", **headers):
    """Return the status, the headers and the body of an answer."""
    headers = authorization(developer) | {"Content-Type": PUSH} | {name.replace("_", "-"): value for name, value in headers.items()}
    url = f"http://127.0.0.1:{developer.receiver.http_port}{path}"
    async with aiohttp.ClientSession(auto_decompress=False) as session, session.request(method, url, data=body, headers=headers) as answer:
        return answer.status, answer.headers, await answer.read()


@asynccontextmanager
async def half_asked(developer, path, content_type, *pieces, length=10**9):
    """Yield a connection on which the head of a request was sent, and some of its body."""
    reader, writer = await asyncio.open_connection("127.0.0.1", developer.receiver.http_port)
    head = {"Host": "127.0.0.1", "Content-Type": content_type, "Content-Length": length, **authorization(developer)}
    lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in head.items()), "", ""]
    writer.write("\r\n".join(lines).encode() + b"".join(pieces))
    await writer.drain()
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def chunks(body, size):
    for start in range(0, len(body), size):
        yield body[start : start + size]


async def test_a_hand_made_push_is_taken_whole_in_chunks_and_compressed(receiver, ada):
    for name, body, headers in (
        ("whole", small_push(), {}),
        ("chunks", chunks(small_push(), 7), {}),
        ("gzip", gzip.compress(small_push()), {"Content_Encoding": "gzip"}),
        ("both", chunks(gzip.compress(small_push()), 7), {"Content_Encoding": "gzip"}),
    ):
        status, answered, said = await ask(ada, path=f"/{name}.git/git-receive-pack", body=body, **headers)
        assert (status, answered["Content-Type"]) == (200, "application/x-git-receive-pack-result")
        assert b"ok refs/heads/main" in said
        assert "no-cache" in answered["Cache-Control"]
    assert len(receiver.backend.sources) == 4


@pytest.mark.parametrize(
    ("asked", "status", "words"),
    [
        (("GET", "/hello.git/git-receive-pack", {}), 405, "Method Not Allowed. SkyPanel only speaks git."),
        (("PUT", "/hello.git/git-receive-pack", {}), 405, "Method Not Allowed. SkyPanel only speaks git."),
        (("DELETE", "/hello.git/info/refs", {}), 405, "Method Not Allowed. SkyPanel only speaks git."),
        (("GET", "/hello.git/HEAD", {}), 404, "Not Found. SkyPanel only speaks git."),
        (("GET", "/", {}), 404, "Not Found."),
        (("GET", "/a/b.git/info/refs?service=git-upload-pack", {}), 404, "Not Found."),
        (("GET", "/hello.git/info/refs", {}), 403, "This is not a git service."),
        (("GET", "/hello.git/info/refs?service=git-upload-archive", {}), 403, "This is not a git service."),
        (("GET", "/..%2f..%2fetc.git/info/refs?service=git-upload-pack", {}), 400, "'../../etc' is not a valid app name."),
        (("GET", "/%00%ff.git/info/refs?service=git-upload-pack", {}), 400, "is not a valid app name."),
        (("GET", "/HELLO.git/info/refs?service=git-upload-pack", {}), 400, "'HELLO' is not a valid app name."),
        (("GET", "/www.git/info/refs?service=git-receive-pack", {}), 400, "The name www is reserved."),
        (("GET", "/nobody.git/info/refs?service=git-upload-pack", {}), 404, "App nobody not found, or not yours."),
        (("POST", "/nobody.git/git-upload-pack", {"Content_Type": FETCH}), 404, "App nobody not found, or not yours."),
        (("POST", "/hello.git/git-receive-pack", {"Content_Type": "text/plain"}), 415, "The Content-Type must be application/x-git"),
        (("POST", "/hello.git/git-upload-pack", {}), 415, "The Content-Type must be application/x-git-upload-pack-request."),
        (("POST", "/hello.git/git-receive-pack", {"Content_Encoding": "deflate"}), 415, "The only supported Content-Encoding is gzip"),
        (("POST", "/hello.git/git-receive-pack", {"Content_Encoding": "gzip, gzip"}), 415, "The only supported Content-Encoding is gzip"),
        (("POST", "/hello.git/git-receive-pack", {"Expect": "miracles"}), 417, "Unknown Expect: miracles"),
        (("GET", REFS, {"Host": "evil.example"}), 421, "no git repositories at 'evil.example'."),
        (("GET", REFS, {"X": "y" * 9000}), 400, "more than 8190 bytes"),
        (("GET", f"/{'y' * 9000}.git/info/refs?service=git-receive-pack", {}), 400, "more than 8190 bytes"),
        (("GET", REFS, {"Authorization": "Bearer x"}), 401, "Use an API token as the password"),
        (("GET", REFS, {"Authorization": "Basic %%%"}), 401, "Use an API token as the password"),
    ],
)
async def test_what_is_no_request_of_gits_is_refused_with_one_line(receiver, ada, asked, status, words):
    method, path, headers = asked
    answer = await ask(ada, method, path, **headers)
    assert (answer[0], answer[1]["Content-Type"]) == (status, "text/plain; charset=utf-8")
    assert words in answer[2].decode()
    assert answer[2].count(b"\n") <= 1
    await quiet(receiver)
    assert receiver.backend.pushes == []
    assert not (receiver.home / "repositories").exists()


@pytest.mark.parametrize("what", ["objects/batch", "locks/verify", "locks"])
async def test_a_client_of_lfs_is_told_what_to_do_in_its_own_format(receiver, ada, what):
    body = b'{"operation": "upload", "objects": []}'
    for method in ("GET", "POST"):
        answer = await ask(ada, method, f"/hello.git/info/lfs/{what}", body, Content_Type="application/vnd.git-lfs+json")
        assert (answer[0], answer[1]["Content-Type"]) == (501, "application/vnd.git-lfs+json; charset=utf-8")
        assert json.loads(answer[2])["message"].startswith("SkyPanel does not store Git LFS objects. Take the files out of LFS: git lfs")
    await quiet(receiver)


@pytest.mark.parametrize(
    "noise",
    [b"\x16\x03\x01\x02\x00\x01", b"GET / HTTP/9.9\r\n\r\n", b"BREW / HTTP/1.1\r\n\r\n", b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n"],
)
async def test_what_is_no_http_is_answered_and_dropped(receiver, noise):
    reader, writer = await asyncio.open_connection("127.0.0.1", receiver.http_port)
    writer.write(noise + b"\r\n\r\n")
    assert b" 400 Bad Request" in await asyncio.wait_for(reader.read(), 60)
    writer.close()


@pytest.mark.parametrize(
    "body", [b"zzzz", b"0003", b"ffff", b"0032" + b"x" * 46, b"fff0x", b"\0" * 100, packet(b"shallow x"), packet(b"push-cert\0")]
)
async def test_malformed_packets_are_refused(receiver, ada, body):
    status, _, said = await ask(ada, body=body)
    assert (status, said[:7]) in ((400, b"fatal: "), (400, b"error: "))
    await nothing_left(receiver)


async def test_a_probe_is_answered(receiver, ada):
    """What git sends ahead of a large push."""
    assert (await ask(ada, body=b"0000"))[::2] == (200, b"")
    await nothing_left(receiver)


async def test_gzip_that_is_none_is_refused(receiver, ada):
    status, _, said = await ask(ada, body=b"no gzip" * 100, Content_Encoding="gzip")
    assert status == 400
    assert b"The request's body is damaged" in said
    await nothing_left(receiver)


async def test_gzip_cut_short_is_refused(receiver, ada):
    _, _, said = await ask(ada, body=gzip.compress(small_push())[:-60], Content_Encoding="gzip")
    assert b"ok refs/heads/main" not in said
    assert receiver.backend.pushes == []
    await nothing_left(receiver)


async def test_a_gzip_of_gigabytes_is_broken_off_without_memory(receiver, ada):
    bomb = io.BytesIO(gzip_bomb(10))
    before = resident()
    status, _, said = await ask(ada, body=bomb, Content_Encoding="gzip")
    assert resident() - before < 24 * MIB
    assert (status, said.strip()) == (413, b"!     The limit for a request is 10 MiB. Its size after decompression counts.")
    await nothing_left(receiver)


async def test_wishes_over_the_limit_are_refused(receiver, ada):
    await (await ada.repository()).push_http()
    head = (receiver.repository() / "refs/heads/main").read_text().strip().encode()
    wishes = io.BytesIO(packet(b"want " + head + b"\n") * 300_000)
    status, _, said = await ask(ada, path="/hello.git/git-upload-pack", body=wishes, Content_Type=FETCH)
    assert (status, said.strip()) == (413, b"!     The limit for a request is 10 MiB.")
    await quiet(receiver)


async def test_a_pack_over_the_limit_is_refused_with_the_reason():
    async with running_receiver(git_limits=GitLimits(pack_bytes=MIB)) as receiver:
        work = await (await receiver.developer()).repository(files={"noise": os.urandom(9 * MIB)})
        pushed = await work.push_http(check=False)
        assert pushed.status != 0
        assert "pack exceeds maximum allowed size" in pushed.stderr
        await nothing_left(receiver)


async def test_a_corrupt_pack_is_refused(receiver, ada):
    status, _, said = await ask(ada, body=request(b"1" * 40) + b"PACK" + b"\0" * 200)
    assert status == 200
    assert b"unpack" in said
    assert receiver.backend.pushes == []
    await nothing_left(receiver)


async def test_a_hostile_protocol_version_is_dropped(receiver, ada):
    await (await ada.repository()).push_http()
    path = "/hello.git/info/refs?service=git-upload-pack"
    assert b"version 2" in (await ask(ada, "GET", path, Git_Protocol="version=2"))[2]
    for odd in ("version=2;x=$(id)", "version=2 x", "VERSION=2", "x" * 2000):
        status, _, said = await ask(ada, "GET", path, Git_Protocol=odd)
        assert (status, said[:30]) == (200, b"001e# service=git-upload-pack\n")


async def test_a_token_revoked_during_the_upload_deploys_nothing(receiver, ada):
    body = small_push()
    async with half_asked(ada, "/hello.git/git-receive-pack", PUSH, body[:-30], length=len(body)) as (reader, writer):
        await wait_for("git", receiver.processes)
        del receiver.backend.tokens[ada.token]
        writer.write(body[-30:])
        said = await asyncio.wait_for(reader.readuntil(b"0\r\n\r\n"), 60)
    assert REVOKED.encode() in said
    assert b"Nothing was deployed." in said
    assert b"ng refs/heads/main pre-receive hook declined" in said
    assert receiver.backend.pushes == []
    await nothing_left(receiver)


async def test_a_client_that_vanishes_in_its_headers(receiver):
    _, writer = await asyncio.open_connection("127.0.0.1", receiver.http_port)
    writer.write(b"POST /hello.git/git-receive-pack HTTP/1.1\r\nHost: 127")
    await writer.drain()
    writer.transport.abort()
    await quiet(receiver)


async def test_a_client_that_vanishes_before_its_body(receiver, ada):
    async with half_asked(ada, "/hello.git/git-receive-pack", PUSH):
        await wait_for("git", receiver.processes)
    await nothing_left(receiver)
    assert receiver.backend.pushes == []


async def test_a_client_that_vanishes_within_its_pack(receiver, ada):
    body = request(b"1" * 40) + pack((3, os.urandom(MIB), b""))
    async with half_asked(ada, "/hello.git/git-receive-pack", PUSH, body[: MIB // 2]):
        await wait_for("the quarantine", receiver.leftovers)
    await nothing_left(receiver)
    assert receiver.backend.pushes == []


@pytest.fixture
async def wish(ada):
    """The request for an app of 8 MiB."""
    work = await ada.repository(files={"noise": os.urandom(8 * MIB)})
    await work.push_http()
    return packet(b"want " + (await work.head()).encode() + b"\n") + b"0000" + packet(b"done\n")


async def test_a_client_that_vanishes_within_its_wishes(receiver, ada, wish):
    async with half_asked(ada, "/hello.git/git-upload-pack", FETCH, wish[:20]):
        await wait_for("git", receiver.processes)
    await quiet(receiver)


async def test_a_client_that_vanishes_while_it_fetches(receiver, ada, wish):
    async with half_asked(ada, "/hello.git/git-upload-pack", FETCH, wish, length=len(wish)) as (reader, _):
        await asyncio.wait_for(reader.readexactly(MIB), 60)
    await quiet(receiver)


async def test_a_client_that_does_not_read_is_given_up():
    async with running_receiver(idle_s=1) as receiver:
        ada = await receiver.developer()
        work = await ada.repository(files={"noise": os.urandom(16 * MIB)})
        await work.push_http()
        wish = packet(b"want " + (await work.head()).encode() + b"\n") + b"0000" + packet(b"done\n")
        async with half_asked(ada, "/hello.git/git-upload-pack", FETCH, wish, length=len(wish)) as (_, writer):
            writer.transport.pause_reading()
            await wait_for("git", receiver.processes)
            await quiet(receiver)


async def test_an_answer_before_the_request_has_ended_is_not_kept_for_ever(receiver, ada):
    work = await ada.repository(files={"noise": os.urandom(16 * MIB)})
    await work.push_http()
    wish = packet(b"want " + (await work.head()).encode() + b"\n") + b"0000" + packet(b"done\n")
    async with half_asked(ada, "/hello.git/git-upload-pack", FETCH, wish) as (reader, _):
        assert await asyncio.wait_for(reader.read(), 60) == b""
    await quiet(receiver)


async def test_a_git_that_is_killed_is_said(receiver, ada):
    async with half_asked(ada, "/hello.git/git-receive-pack", PUSH) as (reader, _):
        await wait_for("git", receiver.processes)
        os.kill(receiver.processes()[0], signal.SIGKILL)
        said = await asyncio.wait_for(reader.readuntil(b"log.\n"), 60)
        assert said.startswith(b"HTTP/1.1 503 ")
        assert b"git ended before it could answer. Try again" in said
    await nothing_left(receiver)


async def test_who_comes_while_the_receiver_stops_is_told_so(receiver, ada):
    url = f"http://127.0.0.1:{receiver.http_port}"
    async with aiohttp.ClientSession(headers=authorization(ada)) as session, half_asked(ada, "/one.git/git-receive-pack", PUSH):
        async with session.get(f"{url}{REFS}") as answer:
            assert answer.status == 200
            await answer.read()
        await wait_for("git", receiver.processes)
        closing = asyncio.create_task(receiver.http.close(grace_s=2))
        await asyncio.sleep(0)
        async with session.get(f"{url}{REFS}") as answer:
            assert (answer.status, await answer.text()) == (503, " !     SkyPanel is being restarted. Try again in a moment.\n")
        await closing


@pytest.mark.parametrize("sent", [b"", request(b"1" * 40) + pack((3, os.urandom(MIB), b""))[: MIB // 2]])
async def test_a_stalled_upload_is_told_so(sent):
    async with running_receiver(idle_s=0.5) as receiver:
        ada = await receiver.developer()
        async with half_asked(ada, "/hello.git/git-receive-pack", PUSH, sent) as (reader, _):
            said = await asyncio.wait_for(reader.readuntil(b"again.\n"), 60)
            assert said.startswith(b"HTTP/1.1 400 ")
            assert b"The connection timed out: nothing came for 0 seconds. Try again." in said
            await nothing_left(receiver)


async def test_a_git_that_takes_nothing_holds_back_the_client(receiver, ada):
    """A pusher cannot fill the receiver's memory faster than git reads."""
    async with half_asked(ada, "/hello.git/git-receive-pack", PUSH) as (_, writer):
        await wait_for("git", receiver.processes)
        (git,) = receiver.processes()
        suspend(git)
        before = resident()
        writer.write(request(b"1" * 40))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(write_for_ever(writer), 3)
        grown = resident() - before
        os.kill(git, signal.SIGKILL)
    await quiet(receiver)
    assert grown < 16 * MIB


async def test_requests_are_bounded_by_account_address_and_in_all():
    for limits in (HttpLimits(requests=2), HttpLimits(requests_per_address=2), HttpLimits(requests_per_account=2)):
        async with running_receiver(http_limits=limits) as receiver:
            ada = await receiver.developer()
            async with half_asked(ada, "/one.git/git-receive-pack", PUSH), half_asked(ada, "/two.git/git-receive-pack", PUSH):
                await wait_for("both", lambda receiver=receiver: len(receiver.processes()) == 2)
                listed = await ada.run("git", "ls-remote", receiver.http_remote(token=ada.token))
                assert "remote: !     Too many requests. Try again in a minute." in listed.stderr
            await quiet(receiver)
            assert "App hello not found" in (await ada.run("git", "ls-remote", receiver.http_remote(token=ada.token))).stderr


async def test_each_client_behind_the_proxy_counts_for_itself():
    async with running_receiver(http_limits=HttpLimits(requests_per_address=1)) as receiver:
        ada = await receiver.developer()
        async with half_asked(ada, "/one.git/git-receive-pack", PUSH):
            await wait_for("it", receiver.processes)
            assert (await ask(ada, "GET", REFS))[0] == 429
            assert (await ask(ada, "GET", REFS, X_Forwarded_For="127.0.0.1, 203.0.113.9"))[0] == 200
            assert (await ask(ada, "GET", REFS, X_Forwarded_For="203.0.113.9, 127.0.0.1"))[0] == 429


async def test_behind_a_trusted_proxy_each_of_its_visitors_counts_for_itself():
    async with running_receiver(http_limits=HttpLimits(requests_per_address=1), trusted=("198.51.100.0/24",)) as receiver:
        ada = await receiver.developer()
        async with half_asked(ada, "/one.git/git-receive-pack", PUSH):
            await wait_for("it", receiver.processes)
            assert (await ask(ada, "GET", REFS, X_Forwarded_For="10.1.2.3, 198.51.100.9"))[0] == 200
            assert (await ask(ada, "GET", REFS, X_Forwarded_For="10.1.2.3, 127.0.0.1, 198.51.100.9"))[0] == 429


async def write_for_ever(writer):
    noise = os.urandom(MIB)
    while True:
        writer.write(noise)
        await writer.drain()


def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
