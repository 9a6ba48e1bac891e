"""Repositories elsewhere: git's own servers by HTTPS and SSH, and hosts that are not what they seem."""

import asyncio
import os
import socket
from contextlib import AsyncExitStack
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from uuid import uuid4

import asyncssh
import pytest

from skypanel.domain.errors import Conflict, Denied, Invalid, NotFound, Unavailable
from skypanel.domain.push import check_tree
from skypanel.domain.remote import RemoteAccess, parse_url
from skypanel.drivers import dialing
from skypanel.drivers.git.remote.remotes import GitRemotes
from skypanel.drivers.git.repositories import DulwichRepositories
from tests.contracts.remotes import RemotesContract
from tests.fixtures.git_host import APP, LOOPBACK, git, git_host
from tests.fixtures.git_host import publish as publish_in
from tests.fixtures.sshd import sshd
from tests.support.until import until

__all__ = ["git_host", "sshd"]

ADVERTISEMENT = {"Content-Type": "application/x-git-upload-pack-advertisement"}
RESULT = {"Content-Type": "application/x-git-upload-pack-result"}


@pytest.fixture
def root(tmp_path):
    return tmp_path / "fetched"


@pytest.mark.req("R19.2")
class TestHttps(RemotesContract):
    @pytest.fixture
    def remotes(self, git_host, root):
        return GitRemotes(root, git_host.authority)

    @pytest.fixture
    def publish(self, git_host):
        return git_host.publish

    @pytest.fixture
    def access(self, git_host):
        return git_host.access


@pytest.fixture
def key(sshd):
    """A deploy key that the server takes."""
    made = GitRemotes(sshd.folder).new_key()
    with (sshd.folder / "authorized_keys").open("a") as file:
        file.write(f'restrict {made.public_key} "the app\'s"\n')
    return made


@pytest.fixture
def by_ssh(sshd, key):
    """What opens a repository of the SSH server."""

    def by_ssh(name, **changes):
        url = parse_url(f"ssh://{sshd.user}@localhost:{sshd.port}{sshd.folder}/{name}.git")
        return replace(RemoteAccess(url, LOOPBACK, key.private_key), **changes)

    return by_ssh


@pytest.mark.req("R19.2")
@pytest.mark.req("R19.5")
class TestSsh(RemotesContract):
    @pytest.fixture
    def remotes(self, root):
        return GitRemotes(root)

    @pytest.fixture
    def publish(self, sshd):
        def publish(name, *arguments):
            commit = publish_in(sshd.folder, name, *arguments)
            # As git's protocol v2 has it, which this server is not told to speak.
            git("-C", sshd.folder / f"{name}.git", "config", "uploadpack.allowAnySHA1InWant", "true")
            return commit

        return publish

    @pytest.fixture
    def access(self, by_ssh):
        return by_ssh


@pytest.fixture
def remotes(git_host, root):
    return GitRemotes(root, git_host.authority)


async def fetch(remotes, access, branch="main"):
    async with remotes.fetch(access, branch) as fetched:
        return fetched.commit


def size_of(folder):
    return sum(file.stat().st_size for file in folder.rglob("*"))


def left(root):
    return list(root.iterdir()) if root.exists() else []


@pytest.mark.req("R19.5")
async def test_the_server_shows_its_host_key_and_another_is_a_conflict(remotes, sshd, by_ssh, root):
    commit = publish_in(sshd.folder, "app")
    shown = (await remotes.branches(by_ssh("app"))).host_key
    assert shown == (sshd.folder / "host_key.pub").read_text().rpartition(" ")[0]
    assert await fetch(remotes, by_ssh("app", host_key=shown)) == commit
    for kind in ("ed25519", "ecdsa"):
        sshd.stop()
        sshd.new_key("host_key", kind)
        sshd.start()
        with pytest.raises(Conflict, match=r"has changed.*Nothing was read"):
            await fetch(remotes, by_ssh("app", host_key=shown))
    assert left(root) == []


@pytest.mark.req("R19.4")
async def test_a_key_that_the_server_does_not_take_is_denied(remotes, sshd, by_ssh):
    publish_in(sshd.folder, "app")
    with pytest.raises(Denied, match="rejects the app's deploy key"):
        await remotes.branches(by_ssh("app", private_key=remotes.new_key().private_key))


async def test_what_an_ssh_server_says_is_passed_on(remotes, by_ssh):
    with pytest.raises(Denied, match=r"is not readable with the app's deploy key: .*does not appear to be a git repository"):
        await remotes.branches(by_ssh("missing"))


@pytest.mark.req("R19.4")
async def test_a_server_that_asks_for_a_login_is_denied(remotes, git_host):
    (git_host.root / "private").mkdir()
    publish_in(git_host.root / "private", "app")
    with pytest.raises(Denied, match="requires authentication, or does not exist"):
        await remotes.branches(git_host.access("private/app"))


@pytest.mark.req("R19.1")
async def test_where_nobody_answers_is_unavailable(remotes, git_host, by_ssh):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    for url in (f"https://localhost:{port}/app.git", f"ssh://git@localhost:{port}/app.git"):
        with pytest.raises(Unavailable, match=f"No server answers at localhost, port {port}"):
            await remotes.branches(RemoteAccess(parse_url(url), LOOPBACK))


async def test_a_host_that_is_not_known_is_unavailable(remotes):
    with pytest.raises(Unavailable, match=r"The host name nowhere\.invalid cannot be resolved"):
        await remotes.branches(RemoteAccess(parse_url("https://nowhere.invalid/app.git"), LOOPBACK))


async def test_a_certificate_that_nobody_vouches_for_is_refused(git_host, root):
    git_host.publish("app")
    with pytest.raises(Unavailable, match="does not trust the certificate"):
        await GitRemotes(root).branches(git_host.access("app"))
    other = parse_url(f"https://127.0.0.1:{git_host.port}/app.git")
    with pytest.raises(Unavailable, match="does not trust the certificate"):
        await GitRemotes(root, git_host.authority).branches(RemoteAccess(other, LOOPBACK))
    assert git_host.asked == []


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "2130706433", "0x7f.1", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]"])
async def test_no_private_address_is_connected_to(remotes, host):
    """Whatever it is called; a listener there would have somebody check_reachable."""
    with socket.create_server(("0.0.0.0", 0)) as listener:
        listener.settimeout(0)
        for scheme in ("https", "ssh"):
            url = parse_url(f"{scheme}://{host}:{listener.getsockname()[1]}/app.git")
            with pytest.raises((Denied, Unavailable), match=r"not a public server|cannot be resolved"):
                await remotes.branches(RemoteAccess(url))
        with pytest.raises(BlockingIOError):
            listener.accept()


def test_an_address_of_this_machine_is_known_whatever_it_looks_like():
    assert dialing.is_own(ip_address("127.0.0.1"), 443)
    assert dialing.is_own(ip_address("::1"), 443)
    assert not dialing.is_own(ip_address("1.1.1.1"), 443)


async def test_a_name_is_looked_up_once_and_only_what_was_checked_is_connected_to(git_host, remotes, monkeypatch):
    """A name server that answers anything else the next time finds nobody who asks."""
    git_host.publish("app")
    lookups, real = [], socket.getaddrinfo

    def getaddrinfo(host, *arguments, **options):
        if host != "127.0.0.1":
            lookups.append(host)
        return real("127.0.0.1", *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    url = parse_url(f"https://rebound.localhost:{git_host.port}/app.git")
    with pytest.raises(Unavailable, match="does not trust the certificate"):
        await remotes.branches(RemoteAccess(url, LOOPBACK))
    assert lookups == ["rebound.localhost"]


@pytest.mark.parametrize(
    ("location", "said"),
    [
        ("https://git.example.com/ada/app.git/info/refs?service=git-upload-pack", "redirects to https://git.example.com/ada/app.git"),
        ("https://localhost:1/app.git", "redirects to https://localhost:1/app.git"),
        ("http://169.254.169.254/latest/meta-data", "redirects to elsewhere"),
        ("file:///etc/passwd", "redirects to elsewhere"),
        ("https://ada:s3cret@example.com/app.git", "redirects to elsewhere"),
        ("", "redirects to elsewhere"),
    ],
)
async def test_redirects_are_told_and_not_followed(remotes, git_host, location, said):
    git_host.answer("moved", 302, {"Location": location})
    with pytest.raises(Invalid, match=said) as refusal:
        await remotes.branches(git_host.access("moved"))
    assert "s3cret" not in str(refusal.value)
    assert len(git_host.asked) == 1


@pytest.mark.parametrize(
    ("status", "kind"), [(404, NotFound), (410, NotFound), (403, Denied), (429, Unavailable), (500, Unavailable), (204, Unavailable)]
)
async def test_other_answers_are_translated(remotes, git_host, status, kind):
    git_host.answer("app", status, {})
    with pytest.raises(kind):
        await remotes.branches(git_host.access("app"))


async def test_a_page_is_no_repository(remotes, git_host):
    git_host.answer("page", 200, {"Content-Type": "text/html"}, b"<html>")
    with pytest.raises(NotFound, match="is not a git repository"):
        await remotes.branches(git_host.access("page"))


@pytest.mark.parametrize(
    "body",
    [b"", b"0000", b"zzzz", b"ffff", b"0003", b"000eversion 9\n", b"001e# service=git-upload-pack\n0000", b"\0" * 100,
     b"001e# service=git-upload-pack\n00000009ERR x", b"001e# service=git-upload-pack\n0000003f" + b"x" * 59],
)  # fmt: skip
async def test_what_is_no_protocol_is_an_error_and_no_crash(remotes, git_host, body):
    git_host.answer("odd", 200, ADVERTISEMENT, body)
    with pytest.raises((Invalid, Unavailable)):
        await remotes.branches(git_host.access("odd"))


@pytest.mark.parametrize("body", [b"", b"0000", b"000dpackfile\n", b"000dpackfile\n0009\x01PACK0000", b"000dpackfile\n0009\x03gone0000"])
async def test_a_pack_that_is_none_is_an_error_and_leaves_nothing(remotes, git_host, root, body):
    commit = git_host.publish("app")
    line = f"{commit} refs/heads/main\0 shallow side-band-64k ofs-delta\n".encode()
    listing = b"001e# service=git-upload-pack\n0000" + b"%04x" % (len(line) + 4) + line + b"0000"

    def answer(request):
        request.send_response(200)
        is_pack = request.command == "POST"
        request.send_header("Content-Type", (RESULT if is_pack else ADVERTISEMENT)["Content-Type"])
        request.end_headers()
        request.wfile.write(body if is_pack else listing)

    git_host.odd["/odd.git"] = answer
    with pytest.raises((Invalid, Unavailable)):
        await fetch(remotes, git_host.access("odd"))
    assert left(root) == []


async def test_a_server_that_does_not_go_on_is_given_up(git_host, root):
    git_host.hang("slow")
    with pytest.raises(Unavailable, match="could not be read within 1 seconds"):
        await GitRemotes(root, git_host.authority, fetch_s=1).branches(git_host.access("slow"))


async def test_an_ssh_server_that_says_nothing_is_given_up(root):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = parse_url(f"ssh://git@localhost:{silent.getsockname()[1]}/app.git")
        with pytest.raises(Unavailable, match="could not be read within 1 seconds"):
            await GitRemotes(root, fetch_s=1).branches(RemoteAccess(url, LOOPBACK))


async def test_a_git_of_an_ssh_server_that_says_nothing_is_given_up(root):
    class Anyone(asyncssh.SSHServer):
        def begin_auth(self, username):
            return False

    started = asyncio.Event()

    async def say_nothing(process):
        started.set()
        await process.stdin.read()

    host_key = asyncssh.generate_private_key("ssh-ed25519")
    async with asyncssh.listen("127.0.0.1", 0, server_factory=Anyone, server_host_keys=[host_key], process_factory=say_nothing) as server:
        url = parse_url(f"ssh://git@localhost:{server.get_port()}/app.git")
        with pytest.raises(Unavailable, match="could not be read within 2 seconds"):
            await fetch(GitRemotes(root, fetch_s=2), RemoteAccess(url, LOOPBACK))
    assert started.is_set()
    assert left(root) == []


async def test_a_fetch_that_nobody_waits_for_any_more_is_at_rest(git_host, root):
    git_host.hang("slow")
    fetching = asyncio.create_task(fetch(GitRemotes(root, git_host.authority), git_host.access("slow")))
    await until(lambda: git_host.asked)
    fetching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await fetching
    assert left(root) == []


async def test_a_repository_that_is_too_large_is_given_up(git_host, root):
    git_host.publish("huge", APP | {"noise": os.urandom(300_000)})
    small = GitRemotes(root, git_host.authority, max_pack_bytes=100_000)
    with pytest.raises(Invalid, match=r"main as git packs it is larger than 97\.7K"):
        await fetch(small, git_host.access("huge"))
    assert left(root) == []


async def test_a_list_of_branches_without_end_is_given_up(remotes, git_host):
    line = b"00e7" + b"a" * 40 + b" refs/heads/" + b"b" * 174 + b"\n"
    first = b"0050" + b"a" * 40 + b" refs/heads/" + b"c" * 15 + b"\0shallow\n"
    git_host.answer("long", 200, ADVERTISEMENT, b"001e# service=git-upload-pack\n0000" + first + line * (17 * 1024 * 1024 // len(line)))
    with pytest.raises(Invalid, match=r"The repository's list of branches is larger than 16\.0M"):
        await remotes.branches(git_host.access("long"))


@pytest.mark.parametrize("name", [b"../../../../../../../../../../etc/passwd", b"x" * 40, b"A" * 41, b"a" * 64, b"\xff" * 40])
async def test_what_is_no_name_of_a_commit_is_refused(remotes, git_host, root, name):
    line = name + b" refs/heads/main\0 shallow side-band-64k ofs-delta\n"
    listing = b"001e# service=git-upload-pack\n0000" + b"%04x" % (len(line) + 4) + line + b"0000"
    git_host.answer("odd", 200, ADVERTISEMENT, listing)
    with pytest.raises(Invalid):
        await remotes.branches(git_host.access("odd"))
    with pytest.raises((Invalid, NotFound)):
        await fetch(remotes, git_host.access("odd"))
    assert left(root) == []


async def test_only_the_newest_commit_of_one_branch_is_fetched(remotes, git_host):
    git_host.publish("app", {"old": os.urandom(200_000)})
    git_host.publish("app", {"other": os.urandom(200_000)}, "other")
    git_host.publish("app", {"old": "gone"})
    async with remotes.fetch(git_host.access("app"), "main") as fetched:
        assert size_of(Path(fetched.objects)) < 100_000


async def test_what_git_refuses_in_a_push_is_refused_here(remotes, git_host):
    commit = git_host.publish("hostile")
    bare = git_host.root / "hostile.git"
    blob = git("-C", bare, "rev-parse", "main:Procfile")
    (bare / "entry").write_bytes(b"100644 ..\0" + bytes.fromhex(blob))
    tree = git("-C", bare, "hash-object", "-w", "-t", "tree", "--literally", bare / "entry")
    bad = git("-C", bare, "commit-tree", "-p", commit, "-m", "Bad", tree)
    git("-C", bare, "update-ref", "refs/heads/main", bad)
    with pytest.raises(Invalid, match=r"Git rejects what the repository sent: .*hasDotdot"):
        await fetch(remotes, git_host.access("hostile"))


async def test_submodules_and_lfs_pointers_are_refused_as_in_a_push(remotes, git_host, tmp_path):
    repositories, app_id = DulwichRepositories(tmp_path / "repositories"), uuid4()
    await repositories.create(app_id)
    other = git_host.publish("other")
    git_host.publish("sub")
    work = git_host.root / "work"
    git("clone", "-q", git_host.root / "sub.git", work)
    git("-C", work, "update-index", "--add", "--cacheinfo", f"160000,{other},vendor/lib")
    git("-C", work, "commit", "-q", "-m", "Sub")
    git("-C", work, "push", "-q", "origin", "main")
    async with remotes.fetch(git_host.access("sub"), "main") as fetched:
        tree = await repositories.tree(app_id, fetched.commit, fetched.objects)
    assert tree.links == ()
    with pytest.raises(Invalid, match="vendor/lib: git submodules"):
        check_tree(tree)
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 12345\n"
    git_host.publish("lfs", {"model.bin": pointer})
    async with remotes.fetch(git_host.access("lfs"), "main") as fetched:
        tree = await repositories.tree(app_id, fetched.commit, fetched.objects)
    with pytest.raises(Invalid, match=r"model\.bin: Git LFS pointers"):
        check_tree(tree)


async def test_a_commit_that_a_server_hands_out_to_nobody_says_what_to_do(sshd, by_ssh, root):
    old = publish_in(sshd.folder, "app")
    publish_in(sshd.folder, "app", {"more": "x"})
    with pytest.raises(NotFound, match="does not have the requested commit") as refused:
        async with GitRemotes(root).fetch_commit(by_ssh("app"), old, 10**6):
            pass
    assert refused.value.hint == "Push the commit there, to a branch."
    assert left(root) == []


async def test_who_holds_what_was_fetched_keeps_no_place_from_others(remotes, git_host):
    commit = git_host.publish("app")
    async with AsyncExitStack() as stack, asyncio.timeout(60):
        for _ in range(12):
            await stack.enter_async_context(remotes.fetch_commit(git_host.access("app"), commit, 10**6))


async def test_a_repository_of_sha256_is_refused(remotes, git_host):
    git("init", "-q", "--bare", "--object-format=sha256", git_host.root / "new.git")
    git("init", "-q", "--object-format=sha256", git_host.root / "work")
    git("-C", git_host.root / "work", "commit", "-q", "--allow-empty", "-m", "One")
    git("-C", git_host.root / "work", "push", "-q", git_host.root / "new.git", "HEAD:refs/heads/main")
    with pytest.raises(Invalid, match="does not use SHA-1"):
        await remotes.branches(git_host.access("new"))
