"""Git over HTTP and HTTPS as users reach it: the real client, a real Traefik as the panel configures it, the receiver."""

import asyncio
import os
from base64 import b64encode

import pytest

from skypanel.domain.limits import MIB
from skypanel.domain.transcript import detail
from tests.fixtures.proxy import running_proxy
from tests.support.packs import commit_of, gzip_bomb, object_id, pack, request
from tests.support.receiver_harness import end, wait_for

PATIENCE = "1s"
LONGER_S = 2.5


def impatient(static_config):
    """Return the configuration with all timeouts short that are not off, or that Traefik has by itself."""
    for name in ("web", "websecure"):
        timeouts = static_config["entryPoints"][name]["transport"]["respondingTimeouts"]
        static_config["entryPoints"][name]["transport"]["respondingTimeouts"] = {"idleTimeout": PATIENCE} | timeouts
    return static_config | {"serversTransport": {"forwardingTimeouts": {"idleConnTimeout": PATIENCE, "dialTimeout": PATIENCE}}}


@pytest.fixture
async def proxy(receiver, tmp_path):
    async with running_proxy(tmp_path, receiver.http_port, impatient) as made:
        yield made


@pytest.fixture
async def ada(receiver, proxy):
    ada = await receiver.developer()
    (ada.home / ".gitconfig").write_text(f"[http]\n\tsslCAInfo = {proxy.authority}\n")
    return ada


async def quiet(receiver):
    await wait_for("git to end", lambda: receiver.processes() == [])
    await wait_for("the quarantines to go", lambda: receiver.leftovers() == [])
    await wait_for("the requests to end", lambda: not receiver.http.served)


def pushed_ref(receiver):
    return (receiver.repository() / "refs/heads/main").read_text().strip()


@pytest.mark.req("R19.2")
@pytest.mark.parametrize("address", [("http", "skypanel.localhost"), ("https", "localhost"), ("https", "skypanel.localhost")])
async def test_an_app_is_pushed_and_cloned_at_each_address(receiver, proxy, ada, work, address):
    origin = proxy.origin(*address)
    assert "remote:        built" in (await work.push_http(origin=origin)).stderr
    assert pushed_ref(receiver) == await work.head()
    for version in "012":
        cloned = await ada.run(
            "git", "-c", f"protocol.version={version}", "clone", receiver.http_remote("hello", ada.token, origin), version
        )
        assert cloned.status == 0, cloned
    await quiet(receiver)


async def test_without_the_homes_authority_nothing_is_sent(receiver, proxy, ada, work):
    refused = await work.push_http(origin=proxy.origin("https"), config=["http.sslCAInfo=/etc/ssl/certs/ca-certificates.crt"], check=False)
    assert "certificate verification failed" in refused.stderr
    assert not (receiver.home / "repositories").exists()


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_large_push_comes_through_in_small_chunks(receiver, proxy, ada, scheme):
    work = await ada.repository(files={"noise": os.urandom(8 * MIB)})
    await work.push_http(origin=proxy.origin(scheme), config=["http.postBuffer=4096"])
    assert pushed_ref(receiver) == await work.head()


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_refusals_reach_the_pusher(receiver, proxy, ada, work, scheme):
    origin = proxy.origin(scheme)
    wrong = await work.git("push", receiver.http_remote("hello", "wrong", origin), "main", check=False)
    assert "remote: !     This API token is unknown, revoked or expired." in wrong.stderr
    listed = await ada.run("git", "ls-remote", receiver.http_remote("nobody", ada.token, origin))
    assert "remote: !     App nobody not found, or not yours." in listed.stderr


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_gzip_of_gigabytes_is_refused_at_once(receiver, proxy, ada, scheme, tmp_path):
    bomb = tmp_path / "bomb.gz"
    bomb.write_bytes(gzip_bomb(20))
    headers = ("Content-Type: application/x-git-receive-pack-request", "Content-Encoding: gzip", "Expect:")
    # It listens while it sends, as git does by the same library: the answer comes before the body has gone.
    async with asyncio.timeout(8):  # less than a refused body is read on for
        answer = await ada.run(
            "curl", "-sS", "-w", "%{http_code}", "-u", f"ada:{ada.token}", "--cacert", proxy.authority, "--data-binary", f"@{bomb}",
            *(word for header in headers for word in ("-H", header)), f"{proxy.origin(scheme)}/hello.git/git-receive-pack",
        )  # fmt: skip
    *said, status = answer.stdout.splitlines()
    assert (status, said) == ("413", [" !     The limit for a request is 10 MiB. Its size after decompression counts."])
    await quiet(receiver)


async def test_other_paths_and_hosts_lead_to_the_panel(proxy):
    for path in ("/", "/hello.git", "/hello.git/HEAD", "/a/hello.git/info/refs"):
        assert (await proxy.text(path=path, host="localhost"))[1] == "panel: localhost"
    assert (await proxy.text(path="/hello.git/info/refs", host="hello.localhost"))[1] == "panel: hello.localhost"
    status, said = await proxy.text(path="/hello.git/info/refs", host="localhost")
    assert (status, "This is not a git service" in said) == (403, True)


async def test_the_hint_for_lfs_comes_through(proxy):
    status, said = await proxy.text(path="/hello.git/info/lfs/objects/batch", host="localhost", method="POST", data=b"{}")
    assert (status, "git lfs migrate export" in said) == (501, True)


async def test_over_long_headers_are_refused(proxy):
    headers = {"Host": "localhost", "X-Long": "y" * 20_000}
    status, said = await proxy.text(path="/hello.git/info/refs?service=git-upload-pack", headers=headers)
    assert (status, "more than 8190 bytes" in said) == (400, True)


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_silent_build_outlives_the_proxys_patience(receiver, proxy, ada, work, scheme):
    async def build(push, write):
        await write(detail("Silence"))
        done = asyncio.Event()
        asyncio.get_running_loop().call_later(LONGER_S, done.set)
        await done.wait()

    receiver.backend.build = build
    pushed = await work.push_http(origin=proxy.origin(scheme))
    assert "[new branch]" in pushed.stderr


async def half_pushed(proxy, ada, body, length):
    """Return a connection through the proxy on which a part of a push was sent."""
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.settings.address.http_port)
    head = {
        "Host": "localhost",
        "Authorization": f"Basic {b64encode(f'ada:{ada.token}'.encode()).decode()}",
        "Content-Type": "application/x-git-receive-pack-request",
        "Content-Length": length,
    }
    lines = ["POST /hello.git/git-receive-pack HTTP/1.1", *(f"{name}: {value}" for name, value in head.items()), "", ""]
    writer.write("\r\n".join(lines).encode() + body)
    await writer.drain()
    return reader, writer


async def test_an_upload_that_pauses_outlives_the_proxys_patience(receiver, proxy, ada):
    blob = b"web: x\n"
    tree = b"100644 Procfile\0" + bytes.fromhex(object_id("blob", blob).decode())
    commit = commit_of(object_id("tree", tree))
    body = request(object_id("commit", commit)) + pack((1, commit, b""), (2, tree, b""), (3, blob, b""))
    reader, writer = await half_pushed(proxy, ada, body[:50], len(body))
    await wait_for("git", receiver.processes)
    go_on = asyncio.Event()
    asyncio.get_running_loop().call_later(LONGER_S, go_on.set)
    await go_on.wait()
    writer.write(body[50:])
    said = await asyncio.wait_for(reader.readuntil(b"0\r\n\r\n"), 60)
    writer.close()
    assert b"ok refs/heads/main" in said


async def test_a_client_that_vanishes_in_its_upload_leaves_nothing(receiver, proxy, ada):
    body = request(b"1" * 40) + pack((3, os.urandom(MIB), b""))
    _, writer = await half_pushed(proxy, ada, body[: MIB // 2], len(body))
    await wait_for("the quarantine", receiver.leftovers)
    writer.transport.abort()
    await quiet(receiver)
    await wait_for("the repository to go", lambda: list((receiver.home / "repositories").iterdir()) == [])


async def test_hanging_up_leaves_the_build_running(receiver, proxy, ada, work):
    finish = asyncio.Event()

    async def build(push, write):
        await write(detail("Installing"))
        await finish.wait()

    receiver.backend.build = build
    remote = receiver.http_remote("hello", ada.token, proxy.origin("https"))
    client = await ada.start("git", "push", remote, "main", cwd=work.folder)
    await asyncio.wait_for(client.stderr.readuntil(b"Installing"), 60)
    await end(client)
    finish.set()
    await wait_for("the ref", (receiver.repository() / "refs/heads/main").exists)
    await quiet(receiver)


async def test_a_client_that_vanishes_in_its_download_leaves_nothing(receiver, proxy, ada):
    work = await ada.repository(files={"noise": os.urandom(16 * MIB)})
    await work.push_http()
    client = await ada.start("curl", "-sN", "--limit-rate", "100k", "-u", f"ada:{ada.token}", "--cacert", proxy.authority,
        "-H", "Content-Type: application/x-git-upload-pack-request", "--data-binary", "@-",
        f"{proxy.origin('https')}/hello.git/git-upload-pack", stdin=asyncio.subprocess.PIPE)  # fmt: skip
    client.stdin.write(b"0032want " + (await work.head()).encode() + b"\n00000009done\n")
    client.stdin.close()
    await asyncio.wait_for(client.stdout.readexactly(10_000), 60)
    assert receiver.processes()
    await end(client)
    await quiet(receiver)
