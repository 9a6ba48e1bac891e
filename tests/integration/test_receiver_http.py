"""The real git client over HTTP to the receiver: pushes, fetches, who gets in, and what each is told."""

import asyncio
import os
import re
import signal

import pytest

from skypanel.domain.errors import Invalid, Unavailable
from skypanel.domain.limits import MIB
from skypanel.domain.transcript import detail
from tests.support.receiver_harness import end, running_receiver, wait_for


def refs(receiver, app="hello"):
    root = receiver.repository(app)
    return {str(file.relative_to(root)): file.read_text().strip() for file in (root / "refs").rglob("*") if file.is_file()}


async def quiet(receiver):
    """Wait until nothing is left of any request."""
    await wait_for("git to end", lambda: receiver.processes() == [])
    await wait_for("the quarantines to go", lambda: receiver.leftovers() == [])
    await wait_for("the requests to end", lambda: not receiver.http.served)


async def test_a_push_to_a_free_name_stores_the_source_and_the_ref(receiver, work):
    pushed = await work.push_http()
    assert re.search(r"remote: -----> Received [0-9a-f]{7} on main: 2 files, 23B", pushed.stderr)
    assert "remote:        built" in pushed.stderr
    assert refs(receiver) == {"refs/heads/main": await work.head()}
    await quiet(receiver)
    assert len(list((receiver.home / "repositories").iterdir())) == 1


async def test_lines_arrive_while_the_build_is_running(receiver, ada, work):
    finish = asyncio.Event()

    async def build(push, write):
        await write(detail("Installing"))
        await finish.wait()
        await write(detail("Installed"))

    receiver.backend.build = build
    client = await ada.start("git", "push", receiver.http_remote(token=ada.token), "main", cwd=work.folder)
    seen = await asyncio.wait_for(client.stderr.readuntil(b"Installing"), 60)
    assert b"remote:        Installing" in seen
    finish.set()
    _, rest = await asyncio.wait_for(client.communicate(), 60)
    assert b"remote:        Installed" in rest
    assert client.returncode == 0


async def test_a_declined_push_changes_nothing_and_says_why(receiver, work):
    await work.push_http()
    first = await work.head()

    async def build(push, write):
        raise Invalid("It does not build.", "Mend it.")

    receiver.backend.build = build
    await work.commit({"Procfile": "web: false\n"})
    pushed = await work.push_http(check=False)
    assert pushed.status == 1
    assert "remote:  !     It does not build." in pushed.stderr
    assert "remote:  !     Mend it." in pushed.stderr
    assert "pre-receive hook declined" in pushed.stderr
    assert refs(receiver) == {"refs/heads/main": first}
    await quiet(receiver)


@pytest.mark.parametrize("version", ["0", "1", "2"])
async def test_every_version_of_the_protocol_is_spoken(receiver, ada, work, version):
    config = ("-c", f"protocol.version={version}")
    await work.push_http(config=[f"protocol.version={version}"])
    await work.commit({"more": "1"})
    await work.push_http("main", "main:feature", config=[f"protocol.version={version}"])
    remote = receiver.http_remote(token=ada.token)
    cloned = await ada.run("git", *config, "clone", remote, "clone", environment={"GIT_TRACE_PACKET": "1"})
    assert cloned.status == 0, cloned
    assert (f"version {version}" in cloned.stderr) == (version != "0")
    assert (ada.home / "clone" / "more").read_text() == "1"
    await work.commit({"more": "2"})
    await work.push_http(config=[f"protocol.version={version}"])
    fetched = await ada.run("git", *config, "fetch", "origin", cwd=ada.home / "clone")
    assert "main       -> origin/main" in fetched.stderr
    listed = await ada.run("git", *config, "ls-remote", remote)
    assert f"{await work.head()}\trefs/heads/main" in listed.stdout


async def test_a_large_push_in_chunks_comes_through(receiver, ada):
    noise = os.urandom(8 * MIB)
    work = await ada.repository(files={"Procfile": "web: x\n", "noise": noise})
    pushed = await work.push_http(config=["http.postBuffer=65536"], environment={"GIT_TRACE_CURL": "1", "GIT_TRACE_CURL_NO_DATA": "1"})
    assert "Send header: Transfer-Encoding: chunked" in pushed.stderr
    await ada.run("git", "clone", "-q", receiver.http_remote(token=ada.token), "clone")
    assert (ada.home / "clone" / "noise").read_bytes() == noise


async def test_a_large_push_in_one_piece_comes_through(receiver, ada):
    work = await ada.repository(files={"Procfile": "web: x\n", "noise": os.urandom(3 * MIB)})
    pushed = await work.push_http(config=["http.postBuffer=50000000"], environment={"GIT_TRACE_CURL": "1", "GIT_TRACE_CURL_NO_DATA": "1"})
    assert "Send header: Transfer-Encoding: chunked" not in pushed.stderr
    assert "refs/heads/main" in refs(receiver)


@pytest.mark.parametrize("version", ["0", "2"])
async def test_long_wishes_are_sent_compressed(receiver, ada, work, version):
    for number in range(40):
        await work.commit({"file": str(number)})
        await work.git("branch", f"branch-{number}")
    await work.push_http("--all")
    trace = {"GIT_TRACE_CURL": "1", "GIT_TRACE_CURL_NO_DATA": "1"}
    remote = receiver.http_remote(token=ada.token)
    cloned = await ada.run("git", "-c", f"protocol.version={version}", "clone", remote, "clone", environment=trace)
    assert cloned.status == 0, cloned
    assert "Send header: Content-Encoding: gzip" in cloned.stderr


async def test_an_empty_app_can_be_cloned_and_fetched(receiver, ada, work):
    await work.push_http()
    app_id, _ = receiver.backend.apps["hello"]
    await receiver.repositories.remove(app_id)
    cloned = await ada.run("git", "clone", receiver.http_remote(token=ada.token), "clone")
    assert cloned.status == 0
    assert "empty repository" in cloned.stderr
    assert (await ada.run("git", "fetch", "origin", cwd=ada.home / "clone")).status == 0


async def test_a_shallow_clone_can_be_made_and_pushed(receiver, ada, work):
    await work.commit({"more": "1"})
    await work.push_http()
    remote = receiver.http_remote(token=ada.token)
    await ada.run("git", "clone", "-q", "--depth", "1", remote, "shallow")
    shallow = ada.home / "shallow"
    assert (await ada.run("git", "rev-list", "--count", "HEAD", cwd=shallow)).stdout.strip() == "1"
    await ada.run("git", "commit", "-q", "--allow-empty", "-m", "On top", cwd=shallow)
    pushed = await ada.run("git", "push", "-o", "anything", "origin", "main", cwd=shallow)
    assert pushed.status == 0, pushed


async def test_branches_tags_and_deletions_are_treated_as_over_ssh(receiver, work):
    await work.git("tag", "v1")
    pushed = await work.push_http("main", "main:feature", "v1")
    assert "feature is stored, not deployed: only main or master is." in pushed.stderr
    assert "feature is deleted." in (await work.push_http(":feature")).stderr
    refused = await work.push_http(":main", check=False)
    assert "main is the deploy branch and cannot be deleted." in refused.stderr
    assert set(refs(receiver)) == {"refs/heads/main", "refs/tags/v1"}


async def test_both_transports_share_repositories(receiver, work):
    await work.push()
    await work.commit({"more": "1"})
    assert "[new branch]" not in (await work.push_http()).stderr
    assert "Everything up-to-date" in (await work.push()).stderr


async def test_many_pushes_at_once(receiver, ada):
    works = [await ada.repository(f"work{number}") for number in range(6)]
    await asyncio.gather(*(work.push_http(app=f"app{number}") for number, work in enumerate(works)))
    assert sorted(receiver.backend.apps) == [f"app{number}" for number in range(6)]
    await quiet(receiver)


async def test_two_first_pushes_to_one_name_make_one_app(receiver, ada):
    works = [await ada.repository(f"work{number}") for number in range(2)]
    await asyncio.gather(*(work.push_http(check=False) for work in works))
    app_id, _ = receiver.backend.apps["hello"]
    await quiet(receiver)
    assert [folder.name for folder in (receiver.home / "repositories").iterdir()] == [f"{app_id}.git"]


@pytest.mark.req("R3.1")
async def test_without_a_token_git_is_asked_for_one(receiver, ada, work):
    for remote in (receiver.http_remote(), receiver.http_remote("nobody")):
        listed = await ada.run("git", "ls-remote", remote)
        assert "could not read Username" in listed.stderr
    answer = await ada.run("curl", "-si", f"{receiver.http_remote()}/info/refs?service=git-upload-pack")
    assert answer.stdout.startswith("HTTP/1.1 401")
    assert 'WWW-Authenticate: Basic realm="SkyPanel"' in answer.stdout
    assert "Use an API token as the password, with any user name." in answer.stdout


@pytest.mark.parametrize("token", ["wrong", "%00", "a:b", "%F0%9F%98%80"])
async def test_an_unknown_token_is_refused(receiver, ada, work, token):
    pushed = await work.git("push", receiver.http_remote(token=token), "main", check=False)
    assert pushed.status == 128
    assert "remote: !     This API token is unknown, revoked or expired." in pushed.stderr
    assert "Authentication failed" in pushed.stderr
    assert not (receiver.home / "repositories").exists()


async def test_a_credential_helper_provides_the_token(receiver, ada, work):
    (ada.home / ".git-credentials").write_text(f"http://anybody:{ada.token}@127.0.0.1:{receiver.http_port}\n")
    await work.git("-c", "credential.helper=store", "push", receiver.http_remote(), "main")
    assert receiver.backend.pushes[0].account == ada.account


async def test_a_token_for_reading_fetches_and_does_not_push(receiver, ada, work):
    await work.push_http()
    receiver.backend.weak_tokens.add(ada.token)
    assert (await ada.run("git", "ls-remote", receiver.http_remote(token=ada.token))).status == 0
    pushed = await work.push_http("main:other", check=False)
    assert "remote: !     This token is for reading." in pushed.stderr
    assert "error: 403" in pushed.stderr


async def test_an_app_of_somebody_else_is_not_found(receiver, work):
    await work.push_http()
    grace = await receiver.developer("grace")
    theirs = await grace.repository()
    fetched = await grace.run("git", "clone", receiver.http_remote(token=grace.token), "clone")
    assert "remote: !     App hello not found, or not yours." in fetched.stderr
    assert "not found" in fetched.stderr.splitlines()[-1]
    pushed = await theirs.push_http(check=False)
    assert "remote: !     The name hello is taken by another organization." in pushed.stderr
    nobody = await grace.run("git", "clone", receiver.http_remote("nobody", token=grace.token), "clone")
    assert nobody.stderr.replace("nobody", "hello") == fetched.stderr


async def test_a_database_that_is_away_is_said(receiver, ada):
    async def away(token, service):
        raise Unavailable("The database does not answer.", "Try again in a minute.")

    receiver.http.authenticate = away
    listed = await ada.run("git", "ls-remote", receiver.http_remote(token=ada.token))
    assert "remote: !     The database does not answer. Try again in a minute." in listed.stderr


async def test_a_token_revoked_during_the_build_stops_it(receiver, ada, work):
    async def build(push, write):
        await write(detail("Installing"))
        await asyncio.Event().wait()

    receiver.backend.build = build
    client = await ada.start("git", "push", receiver.http_remote(token=ada.token), "main", cwd=work.folder)
    await asyncio.wait_for(client.stderr.readuntil(b"Installing"), 60)
    del receiver.backend.tokens[ada.token]
    _, rest = await asyncio.wait_for(client.communicate(), 60)
    assert b"remote:  !     The API token was revoked or expired during this push. Nothing was deployed." in rest
    assert b"pre-receive hook declined" in rest
    assert receiver.backend.abandoned == [(receiver.backend.pushes[0], "The API token was revoked or expired during this push.")]
    assert receiver.backend.ended == receiver.backend.pushes
    assert refs(receiver) == {}
    await quiet(receiver)


async def test_a_token_revoked_as_the_build_ends_does_not_move_the_ref(receiver, ada, work):
    finish = asyncio.Event()

    async def build(push, write):
        await write(detail("Installing"))
        await finish.wait()

    receiver.backend.build = build
    client = await ada.start("git", "push", receiver.http_remote(token=ada.token), "main", cwd=work.folder)
    await asyncio.wait_for(client.stderr.readuntil(b"Installing"), 60)
    del receiver.backend.tokens[ada.token]
    finish.set()
    _, rest = await asyncio.wait_for(client.communicate(), 60)
    assert b"during this push. The release stays, but its branches are not stored." in rest
    assert b"pre-receive hook declined" in rest
    assert refs(receiver) == {}
    await quiet(receiver)


async def test_hanging_up_leaves_the_build_running_and_the_ref_updated(receiver, ada, work):
    finish = asyncio.Event()

    async def build(push, write):
        await write(detail("Installing"))
        await finish.wait()
        for number in range(20_000):
            await write(detail(f"line {number} that nobody reads"))

    receiver.backend.build = build
    client = await ada.start("git", "push", receiver.http_remote(token=ada.token), "main", cwd=work.folder)
    await asyncio.wait_for(client.stderr.readuntil(b"Installing"), 60)
    os.killpg(client.pid, signal.SIGINT)
    await client.communicate()
    finish.set()
    await wait_for("the ref", lambda: refs(receiver) == {"refs/heads/main": receiver.backend.sources[0].commit})
    await quiet(receiver)


async def test_a_silent_build_outlives_the_idle_limit():
    async with running_receiver(idle_s=0.2) as receiver:
        work = await (await receiver.developer()).repository()
        finish = asyncio.Event()

        async def build(push, write):
            asyncio.get_running_loop().call_later(1, finish.set)
            await finish.wait()

        receiver.backend.build = build
        await work.push_http()
        assert "refs/heads/main" in refs(receiver)


async def test_a_receiver_that_stops_declines_what_is_not_done(receiver, ada, work):
    async def build(push, write):
        await write(detail("Installing"))
        await asyncio.Event().wait()

    receiver.backend.build = build
    client = await ada.start("git", "push", receiver.http_remote(token=ada.token), "main", cwd=work.folder)
    seen = await asyncio.wait_for(client.stderr.readuntil(b"Installing"), 60)
    await receiver.http.close(grace_s=0.1)
    assert receiver.processes() == []
    assert receiver.leftovers() == []
    _, rest = await asyncio.wait_for(client.communicate(), 60)
    assert b"This push was interrupted." in seen + rest
    assert client.returncode != 0
    assert refs(receiver) == {}
    await end(client)
