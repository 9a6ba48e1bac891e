"""The real git client over the real ssh to the receiver: pushes, fetches, and what each is told."""

import asyncio
import io
import os
import re
import signal
import tarfile

import pytest
import zstandard

from skypanel.domain.errors import Invalid
from skypanel.domain.transcript import detail
from tests.support.receiver_harness import wait_for

LFS_POINTER = (
    "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n"
)


def refs(receiver, app="hello"):
    """Return the refs of an app's repository, read by hand."""
    root = receiver.repository(app)
    return {str(file.relative_to(root)): file.read_text().strip() for file in (root / "refs").rglob("*") if file.is_file()}


async def source_of(receiver, number=-1):
    body = receiver.backend.objects.stored["sources", receiver.backend.sources[number].digest]
    return tarfile.open(fileobj=io.BytesIO(zstandard.ZstdDecompressor().decompressobj().decompress(body)))


async def test_a_push_to_a_free_name_creates_the_repository_and_stores_the_source(receiver, work):
    pushed = await work.push()
    assert re.search(r"remote: -----> Received [0-9a-f]{7} on main: 2 files, 23B", pushed.stderr)
    assert "remote:        built" in pushed.stderr
    assert "[new branch]" in pushed.stderr
    assert refs(receiver) == {"refs/heads/main": await work.head()}
    assert [source.commit for source in receiver.backend.sources] == [await work.head()]
    assert receiver.leftovers() == []
    assert receiver.processes() == []


async def test_the_source_holds_the_files_as_they_were_committed(receiver, work):
    (work.folder / "serve").chmod(0o755)
    (work.folder / "link").symlink_to("../serve")
    await work.commit({"dir/größe:\\x": "é", "dir/sub/-rf": b"\0\xff"})
    await work.push()
    source = await source_of(receiver)
    assert {entry.name: entry.mode for entry in source if entry.isfile()} == {
        "Procfile": 0o644,
        "serve": 0o755,
        "dir/größe:\\x": 0o644,
        "dir/sub/-rf": 0o644,
    }
    assert source.getmember("link").linkname == "../serve"
    assert source.extractfile("dir/sub/-rf").read() == b"\0\xff"
    assert {(entry.uid, entry.gid, entry.uname) for entry in source} == {(0, 0, "")}


async def test_lines_arrive_while_the_build_is_running(receiver, ada, work):
    finish = asyncio.Event()

    async def build(push, write):
        await write(detail("Installing"))
        await finish.wait()
        await write(detail("Installed"))

    receiver.backend.build = build
    client = await ada.start("git", "push", receiver.remote(), "main", cwd=work.folder)
    seen = await asyncio.wait_for(client.stderr.readuntil(b"Installing"), 60)
    assert b"remote:        Installing" in seen
    finish.set()
    _, rest = await asyncio.wait_for(client.communicate(), 60)
    assert b"remote:        Installed" in rest
    assert client.returncode == 0


async def test_a_declined_push_changes_nothing_and_says_why(receiver, work):
    await work.push()
    first = await work.head()

    async def build(push, write):
        raise Invalid("It does not build.", "Mend it.")

    receiver.backend.build = build
    await work.commit({"Procfile": "web: false\n"})
    pushed = await work.push(check=False)
    assert pushed.status == 1
    assert "remote:  !     It does not build." in pushed.stderr
    assert "remote:  !     Mend it." in pushed.stderr
    assert "pre-receive hook declined" in pushed.stderr
    assert refs(receiver) == {"refs/heads/main": first}
    assert receiver.leftovers() == []


async def test_a_first_push_that_is_refused_leaves_no_repository(receiver, ada):
    work = await ada.repository(files={"big.psd": LFS_POINTER})
    await work.push(check=False)
    assert receiver.backend.apps == {}
    assert list((receiver.home / "repositories").iterdir()) == []


async def test_pushing_nothing_to_a_free_name_leaves_no_repository(receiver, ada, work):
    await work.git("push", receiver.remote(), "--tags", check=False)
    await wait_for("the repository to go", lambda: not list((receiver.home / "repositories").iterdir()))
    assert receiver.backend.apps == {}


async def test_a_failure_of_the_panel_declines_the_push_and_says_so(receiver, work, caplog):
    async def build(push, write):
        raise ZeroDivisionError

    receiver.backend.build = build
    pushed = await work.push(check=False)
    assert "This push was interrupted" in pushed.stderr
    assert "pre-receive hook declined" in pushed.stderr
    assert "ZeroDivisionError" in caplog.text


async def test_an_app_can_be_cloned_fetched_and_listed(receiver, ada, work):
    await work.push()
    await ada.run("git", "clone", "-q", receiver.remote(), "clone")
    assert (ada.home / "clone" / "Procfile").read_text() == "web: ./serve\n"
    listed = await ada.run("git", "ls-remote", receiver.remote())
    assert f"{await work.head()}\trefs/heads/main" in listed.stdout
    assert (await work.git("fetch", receiver.remote(), "main")).status == 0


async def test_fetching_speaks_version_2_of_the_protocol(receiver, ada, work):
    await work.push()
    listed = await ada.run("git", "-c", "protocol.version=2", "ls-remote", receiver.remote(), environment={"GIT_TRACE_PACKET": "1"})
    assert "version 2" in listed.stderr


async def test_an_empty_app_can_be_cloned(receiver, ada, work):
    await work.push()
    app_id, _ = receiver.backend.apps["hello"]
    await receiver.repositories.remove(app_id)
    cloned = await ada.run("git", "clone", receiver.remote(), "clone")
    assert cloned.status == 0
    assert "empty repository" in cloned.stderr


async def test_fetching_never_creates(receiver, ada):
    listed = await ada.run("git", "ls-remote", receiver.remote("nobody"))
    assert listed.status == 128
    assert listed.stderr.splitlines()[0] == " !     App nobody not found, or not yours."
    assert not (receiver.home / "repositories").exists()


async def test_a_name_of_somebody_else_is_refused(receiver, work):
    await work.push()
    grace = await receiver.developer("grace")
    theirs = await grace.repository()
    pushed = await theirs.push(check=False)
    assert (
        pushed.stderr.splitlines()[0] == " !     The name hello is taken by another organization. Choose another name in your git remote."
    )
    fetched = await grace.run("git", "ls-remote", receiver.remote())
    assert "App hello not found, or not yours." in fetched.stderr


async def test_another_branch_is_stored_and_says_so(receiver, work):
    await work.push()
    pushed = await work.push("main:feature")
    assert "feature is stored, not deployed: only main or master is." in pushed.stderr
    assert set(refs(receiver)) == {"refs/heads/main", "refs/heads/feature"}
    assert len(receiver.backend.sources) == 1


async def test_master_is_deployed_and_cloned_too(receiver, ada, work):
    await work.push("main:master")
    assert len(receiver.backend.sources) == 1
    await ada.run("git", "clone", "-q", receiver.remote(), "clone")
    assert (ada.home / "clone" / "Procfile").exists()


async def test_tags_are_stored_and_say_so(receiver, work):
    await work.git("tag", "-a", "v1", "-m", "First")
    await work.push()
    pushed = await work.push("v1")
    assert "tag v1 is stored. Tags are not deployed." in pushed.stderr
    assert "refs/tags/v1" in refs(receiver)


async def test_several_refs_go_in_one_push(receiver, work):
    await work.git("tag", "v1")
    pushed = await work.push("main", "main:feature", "v1")
    assert "feature is stored" in pushed.stderr
    assert "tag v1 is stored" in pushed.stderr
    assert len(receiver.backend.sources) == 1
    assert len(refs(receiver)) == 3


async def test_the_deploy_branch_cannot_be_deleted(receiver, work):
    await work.push()
    pushed = await work.push(":main", check=False)
    assert "main is the deploy branch and cannot be deleted." in pushed.stderr
    assert "refs/heads/main" in refs(receiver)


async def test_another_branch_can_be_deleted(receiver, work):
    await work.push("main", "main:feature")
    pushed = await work.push(":feature")
    assert "feature is deleted." in pushed.stderr
    assert set(refs(receiver)) == {"refs/heads/main"}


async def test_history_is_only_overwritten_by_force(receiver, work):
    await work.push()
    await work.git("commit", "-q", "--amend", "-m", "Another history")
    refused = await work.push(check=False)
    assert "rejected" in refused.stderr
    pushed = await work.push("+main")
    assert "(forced update)" in pushed.stderr
    assert refs(receiver) == {"refs/heads/main": await work.head()}


async def test_submodules_that_gitmodules_does_not_name_are_refused_with_what_to_do(receiver, work):
    await work.git("update-index", "--add", "--cacheinfo", f"160000,{await work.head()},vendor/lib")
    await work.git("commit", "-q", "-m", "A submodule")
    pushed = await work.push(check=False)
    assert "vendor/lib: git submodules without a URL in .gitmodules" in pushed.stderr
    assert "git rm --cached vendor/lib" in pushed.stderr


async def test_lfs_pointers_are_refused_with_what_to_do(receiver, work):
    await work.commit({"assets/logo.psd": LFS_POINTER})
    pushed = await work.push(check=False)
    assert "assets/logo.psd: Git LFS pointers cannot be deployed" in pushed.stderr
    assert "git lfs migrate export --include=assets/logo.psd" in pushed.stderr


async def test_an_empty_commit_is_refused(receiver, work):
    await work.git("rm", "-rq", ".")
    await work.commit({}, "Nothing")
    pushed = await work.push(check=False)
    assert "The commit contains no files." in pushed.stderr


async def test_a_tag_object_on_the_deploy_branch_is_refused(receiver, work):
    await work.git("tag", "-a", "v1", "-m", "First")
    pushed = await work.push("v1^{tree}:refs/heads/main", check=False)
    assert pushed.status != 0
    assert receiver.leftovers() == []


@pytest.mark.parametrize("transport", ["ssh", "http"])
@pytest.mark.parametrize("version", ["0", "1", "2"])
async def test_a_clone_without_its_files_gets_them_when_they_are_wanted(receiver, ada, work, transport, version):
    first = await work.head()
    await work.commit({"Procfile": "web: ./serve --fast\n"})
    await work.push()
    remote = receiver.remote() if transport == "ssh" else receiver.http_remote(token=ada.token)
    config = ("-c", f"protocol.version={version}")
    cloned = await ada.run("git", *config, "clone", "-q", "--filter=blob:none", remote, "clone")
    assert (cloned.status, cloned.stderr) == (0, "")
    clone = ada.home / "clone"
    assert (clone / "Procfile").read_text() == "web: ./serve --fast\n"
    missing = (await ada.run("git", "rev-list", "--objects", "--missing=print", "--all", cwd=clone)).stdout
    assert missing.count("\n?") == 1
    shown = await ada.run("git", *config, "show", f"{first}:Procfile", cwd=clone)
    assert shown.stdout == "web: ./serve\n"
    await ada.run("git", "commit", "-q", "--allow-empty", "-m", "On top", cwd=clone)
    pushed = await ada.run("git", *config, "push", "origin", "main", cwd=clone)
    assert pushed.status == 0, pushed


async def test_a_shallow_clone_can_be_pushed(receiver, ada, work):
    await work.commit({"more": "1"})
    await ada.run("git", "clone", "-q", "--depth", "1", f"file://{work.folder}", "shallow")
    pushed = await ada.run("git", "push", receiver.remote(), "main", cwd=ada.home / "shallow")
    assert pushed.status == 0, pushed
    assert len(receiver.backend.sources) == 1


async def test_push_options_are_taken(receiver, work):
    assert (await work.git("push", "-o", "anything", receiver.remote(), "main")).status == 0


async def test_many_pushes_at_once(receiver, ada):
    works = [await ada.repository(f"work{number}") for number in range(6)]
    await asyncio.gather(*(work.push(app=f"app{number}") for number, work in enumerate(works)))
    assert sorted(receiver.backend.apps) == [f"app{number}" for number in range(6)]
    assert len({source.digest for source in receiver.backend.sources}) == 1


async def test_two_first_pushes_to_one_name_make_one_app(receiver, ada):
    works = [await ada.repository(f"work{number}") for number in range(2)]
    await asyncio.gather(*(work.push(check=False) for work in works))
    app_id, _ = receiver.backend.apps["hello"]
    await wait_for("the end of both", lambda: receiver.processes() == [])
    assert [folder.name for folder in (receiver.home / "repositories").iterdir()] == [f"{app_id}.git"]


async def test_hanging_up_leaves_the_build_running_and_the_ref_updated(receiver, ada, work):
    finish = asyncio.Event()

    async def build(push, write):
        await write(detail("Installing"))
        await finish.wait()
        for number in range(20_000):
            await write(detail(f"line {number} that nobody reads"))

    receiver.backend.build = build
    client = await ada.start("git", "push", receiver.remote(), "main", cwd=work.folder)
    await asyncio.wait_for(client.stderr.readuntil(b"Installing"), 60)
    os.killpg(client.pid, signal.SIGINT)
    await client.communicate()
    await wait_for("the connection to end", lambda: not receiver.listener.connected)
    finish.set()
    await wait_for("the ref", lambda: refs(receiver) == {"refs/heads/main": receiver.backend.sources[0].commit})
    await wait_for("git to end", lambda: receiver.processes() == [])
    assert receiver.leftovers() == []
