"""From `git push` to a release that serves: the receiver, the flow and a real database; fakes build and run."""

import asyncio
import re
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import uuid4

import pytest

from skypanel.domain.access import Role
from skypanel.domain.limits import MIB
from skypanel.flow import accounts, receive
from skypanel.flow import branch as branch_flow
from skypanel.store import apps, audit, builds, organizations, releases, settings, tokens
from skypanel.tasks import cancel
from tests.support.packs import commit_of, object_id, pack, request, varint
from tests.support.receiver_harness import PanelBackend, end, running_receiver, wait_for


@pytest.fixture
async def receiver(stage):
    async with running_receiver(make_backend=partial(PanelBackend, stage)) as made:
        yield made


@pytest.fixture
async def workers(stage):
    """Work on what is queued, as soon as it is."""

    async def work():
        while True:
            await stage.work()
            await asyncio.sleep(0.02)

    task = asyncio.create_task(work())
    yield task
    await cancel([task])


@pytest.fixture
async def ada(receiver, stage):
    return await receiver.developer(account=stage.admin)


async def app_of(stage, name="hello"):
    async with stage.panel.transaction() as conn:
        return await apps.by_name(conn, name)


async def test_only_pushes_of_the_chosen_branch_deploy(stage, receiver, workers, work):
    await work.push()
    await branch_flow.choose(stage.panel, await app_of(stage), "release", stage.admin)
    await work.commit({"more": "x"})
    stored = await work.push()
    assert "main is stored, not deployed: only release is." in stored.stderr
    assert await version_of(stage) == 1
    assert "Verifying deploy... done." in (await work.push("main:release")).stderr
    assert await version_of(stage) == 2
    assert "release is the deploy branch and cannot be deleted." in (await work.push(":release", check=False)).stderr
    assert "main is deleted." in (await work.push(":main")).stderr
    assert (await branch_flow.choose(stage.panel, await app_of(stage), " ", stage.admin)).deploy_branches == ("main", "master")


async def version_of(stage, name="hello"):
    app = await app_of(stage, name)
    async with stage.panel.transaction() as conn:
        return (await releases.get(conn, app.current_release_id)).version


async def test_a_push_creates_the_app_and_is_live_when_it_ends(stage, receiver, workers, work):
    pushed = await work.push()
    assert "remote: -----> Creating app hello in " in pushed.stderr
    assert "remote: -----> Python app detected" in pushed.stderr
    assert "remote: Verifying deploy... done." in pushed.stderr
    assert await version_of(stage) == 1
    app = await app_of(stage)
    assert await receiver.repositories.refs(app.id) == {"refs/heads/main": await work.head()}
    first = app.repository_bytes
    assert first > 0
    await work.commit({"large.txt": str(list(range(50_000)))})
    await work.push("HEAD:refs/heads/other")
    assert (await app_of(stage)).repository_bytes > first + 10_000


async def test_a_build_keeps_what_its_commit_says_of_itself(stage, receiver, workers, work):
    await work.commit({"Procfile": "web: ./serve\n"}, "<script>alert(1)</script>\n\nMore.")
    await work.push()
    async with stage.panel.transaction() as conn:
        [build] = await builds.recent(conn, (await app_of(stage)).id, 5)
    assert (build.source.branch, build.source.note.subject) == ("main", "<script>alert(1)</script>")
    assert build.source.note.author == "Ada"


async def test_pushing_again_makes_the_next_release(stage, receiver, workers, work):
    await work.push()
    await work.commit({"Procfile": "web: ./serve --fast\n"})
    pushed = await work.push()
    assert "Released v2" in pushed.stderr
    assert "Creating app" not in pushed.stderr


async def recorded(stage, count):
    async with stage.panel.transaction() as conn:
        return [(entry.action, entry.email, entry.app_name, entry.origin) for entry in reversed(await audit.recent(conn, count))]


async def test_each_push_is_on_record_with_who_pushed_what_from_where(stage, receiver, workers, ada, work):
    who = (stage.admin.email, "hello")
    await work.push()
    assert await recorded(stage, 2) == [("app.create", *who, "ssh 127.0.0.1"), ("app.push", *who, "ssh 127.0.0.1")]
    commit = await work.commit({"Procfile": "web: ./serve --fast\n"})
    await work.push_http()
    await work.push_http(f"{commit}:refs/heads/other", f"{commit}:refs/tags/v1")
    assert await recorded(stage, 2) == [("app.push", *who, "git 127.0.0.1")] * 2
    async with stage.panel.transaction() as conn:
        branch, app = await audit.recent(conn, 2)
    assert branch.details == {"refs": {"other": commit, "tag v1": commit}, "more": 0}
    assert app.details == {"refs": {"main": commit}, "more": 0}
    await work.push(*[f"{commit}:refs/heads/branch{number:02}" for number in range(25)])
    async with stage.panel.transaction() as conn:
        [many] = await audit.recent(conn, 1)
    assert (len(many.details["refs"]), many.details["more"]) == (20, 5)


async def test_a_push_that_is_declined_is_not_on_record(stage, receiver, ada, work):
    await work.git("commit", "-q", "--allow-empty", "-m", "No files")
    await work.git("rm", "-q", "-r", ".")
    await work.git("commit", "-q", "-m", "Nothing")
    assert "contains no files" in (await work.push(check=False)).stderr
    assert "app.push" not in [action for action, *_ in await recorded(stage, 5)]


async def test_a_broken_build_rejects_the_push_and_keeps_the_app(stage, receiver, workers, work):
    stage.panel.builder.answer("bin/compile", code=1, out=b"no such package")
    pushed = await work.push(check=False)
    assert "remote: no such package" in pushed.stderr
    assert "remote:  !     Push rejected, the build failed." in pushed.stderr
    assert "pre-receive hook declined" in pushed.stderr
    app = await app_of(stage)
    assert await receiver.repositories.refs(app.id) == {}
    stage.panel.builder.answer("bin/compile")
    assert "Verifying deploy... done." in (await work.push()).stderr


async def test_a_release_that_does_not_start_rejects_the_push(stage, receiver, workers, work):
    stage.panel.builder.answer("cat", "/app/Procfile", out=b"web: crash\n")
    pushed = await work.push(check=False)
    assert "pre-receive hook declined" in pushed.stderr
    assert "did not go live" in pushed.stderr


async def test_a_second_push_during_a_build_is_told_so(stage, receiver, ada, work):
    first = await ada.start("git", "push", receiver.remote(), "main", cwd=work.folder)
    await asyncio.wait_for(first.stderr.readuntil(b"Building on"), 60)
    await work.commit({"more": "x"})
    second = await work.push(check=False)
    assert f"hello is being built: {stage.admin.email} pushed 0 seconds ago." in second.stderr
    assert "Push again when it has finished." in second.stderr
    branch = await work.push("main:feature")
    assert "feature is stored, not deployed" in branch.stderr
    await stage.work()
    _, rest = await asyncio.wait_for(first.communicate(), 60)
    assert b"Verifying deploy... done." in rest


async def test_a_second_push_during_a_rollout_is_told_so(stage, receiver, ada, work):
    stage.panel.scheduler.hold = asyncio.Event()
    first = await ada.start("git", "push", receiver.remote(), "main", cwd=work.folder)
    await asyncio.wait_for(first.stderr.readuntil(b"Building on"), 60)
    working = asyncio.create_task(stage.work())
    await asyncio.wait_for(stage.panel.scheduler.waiting.wait(), 60)
    await work.commit({"more": "x"})
    second = await work.push(check=False)
    assert "hello is being rolled out" in second.stderr
    stage.panel.scheduler.hold.set()
    await working
    await asyncio.wait_for(first.communicate(), 60)
    assert first.returncode == 0


async def test_the_name_of_another_organization_is_taken(stage, receiver, workers, work):
    await work.push()
    outsider = await stage.outsider()
    async with stage.panel.transaction() as conn:
        theirs = await organizations.add(conn, "Others", billed=False)
        await organizations.add_member(conn, theirs.id, outsider.id, Role.OWNER)
    eve = await receiver.developer("eve", account=outsider)
    pushed = await (await eve.repository()).push(check=False)
    assert pushed.stderr.startswith(" !     The name hello is taken by another organization. Choose another name in your git remote.")
    assert "not found, or not yours" in (await eve.run("git", "ls-remote", receiver.remote())).stderr


async def test_a_viewer_fetches_and_does_not_push(stage, receiver, workers, work):
    await work.push()
    viewer = await receiver.developer("vic", account=await stage.member(Role.VIEWER))
    assert (await viewer.run("git", "clone", "-q", receiver.remote(), "work")).status == 0
    pushed = await viewer.run("git", "push", receiver.remote(), "main", cwd=viewer.home / "work")
    assert "Your role does not allow this on hello." in pushed.stderr
    for remote in (receiver.remote("another"), receiver.http_remote("another", viewer.token)):
        refused = await viewer.run("git", "push", remote, "main", cwd=viewer.home / "work")
        assert "You may not create apps in this organization." in refused.stderr
        # Before it was sent.
        assert "pre-receive" not in refused.stderr
    assert await app_of(stage, "another") is None


async def test_a_setting_turns_the_creating_of_apps_off(stage, receiver, work):
    async with stage.panel.transaction() as conn:
        await settings.put(conn, receive.CREATES_APPS, value=False, account_id=stage.admin.id)
    pushed = await work.push(check=False)
    assert "There is no app hello, and pushes do not create apps on this panel." in pushed.stderr
    assert await app_of(stage) is None


async def test_a_forced_push_says_what_is_gone(stage, receiver, workers, work):
    await work.push()
    old = await work.head()
    await work.git("commit", "-q", "--amend", "-m", "Another history")
    pushed = await work.push("+main")
    assert f"main is overwritten: {old[:7]} is no longer part of it." in pushed.stderr


async def test_an_annotated_tag_on_a_branch_is_refused_with_what_to_push(stage, receiver, workers, work):
    await work.push()
    await work.commit({"more": "x"})
    await work.git("tag", "-a", "-m", "Two", "v2")
    await work.git("tag", "-a", "-m", "Of a tag", "v3", "v2")
    for push in (work.push, work.push_http):
        for tag, branch in (("v2", "main"), ("v3", "main"), ("v2", "other")):
            refused = await push(f"{tag}:refs/heads/{branch}", check=False)
            assert f"{branch} would point to the annotated tag {tag}, but a branch must point to a commit." in refused.stderr
            assert f"git push skypanel '{tag}^{{commit}}:{branch}'" in refused.stderr
    assert "Verifying deploy... done." in (await work.push("v3^{commit}:main")).stderr
    refused = await work.push("+HEAD^{tree}:refs/heads/main", check=False)
    assert "main would point to a tree, but a branch must point to a commit." in refused.stderr


async def test_tags_of_all_kinds_are_stored_and_moved_beside_a_deploy(stage, receiver, workers, work):
    await work.push()
    await work.git("tag", "-a", "-m", "One", "v1")
    await work.git("tag", "-a", "-m", "A tree", "tree", "HEAD^{tree}")
    await work.git("tag", "light-tree", "HEAD^{tree}")
    pushed = await work.push("v1", "tree", "light-tree")
    assert pushed.stderr.count("Tags are not deployed.") == 3
    await work.commit({"more": "x"})
    await work.git("tag", "-f", "-a", "-m", "Again", "v1")
    moved = await work.push("main", "+v1", "+HEAD:refs/tags/tree")
    assert "Verifying deploy... done." in moved.stderr
    tag = (await work.git("rev-parse", "v1")).stdout.strip()
    assert (await receiver.repositories.refs((await app_of(stage)).id))["refs/tags/v1"] == tag


@pytest.mark.parametrize("is_difference", [False, True])
async def test_a_file_over_the_limit_is_refused_on_a_branch_that_is_not_deployed(stage, receiver, workers, ada, is_difference):
    """A megabyte of zeros is a gigabyte, and so is a difference of a few bytes."""
    base = bytes(0xFFFF)
    zeros = base * (101 * MIB // len(base) + 1)
    delta = varint(len(base)) + varint(len(zeros)) + b"\xb0\xff\xff" * (len(zeros) // len(base))
    name = object_id("blob", zeros)
    stored = [(3, base, b""), (7, delta, bytes.fromhex(object_id("blob", base).decode()))] if is_difference else [(3, zeros, b"")]
    tree = b"100644 zeros\0" + bytes.fromhex(name.decode())
    commit = commit_of(object_id("tree", tree))
    body = request(object_id("commit", commit), b"refs/heads/other") + pack((1, commit, b""), (2, tree, b""), *stored)
    answer = await ada.ssh("git-receive-pack hello", stdin=body)
    # A line can be split over two packets.
    said = re.sub(r"[0-9a-f]{4}\x02", "", answer.stdout)
    assert f"An object of the push, {name.decode()[:12]}, is 101.1M; the limit for a file is 100.0M, on any branch." in said
    assert "ng refs/heads/other" in answer.stdout
    await wait_for("the repository to go", lambda: list((receiver.home / "repositories").iterdir()) == [])


async def test_a_file_over_the_limit_is_refused_in_a_history_too(stage, receiver, workers, work):
    await work.commit({"zeros": bytes(101 * MIB)})
    await work.git("rm", "-q", "zeros")
    await work.commit({"more": "x"})
    refused = await work.push(check=False)
    assert "An object of the push, " in refused.stderr
    assert "git log --all --find-object=" in refused.stderr


async def test_the_branch_that_was_deployed_last_is_not_deleted_though_another_could_be(stage, receiver, workers, work):
    await work.push("main:master")
    await work.commit({"more": "x"})
    refused = await work.push("main", ":master", check=False)
    assert "master is the deploy branch and cannot be deleted." in refused.stderr
    await work.push("main")
    assert "master is deleted." in (await work.push(":master")).stderr


async def test_hanging_up_leaves_the_build_running(stage, receiver, ada, work):
    client = await ada.start("git", "push", receiver.remote(), "main", cwd=work.folder)
    await asyncio.wait_for(client.stderr.readuntil(b"Building on"), 60)
    await end(client)
    app = await app_of(stage)
    await stage.work()
    await wait_for("git to end", lambda: receiver.processes() == [])
    assert await receiver.repositories.refs(app.id) == {"refs/heads/main": await work.head()}
    assert await version_of(stage) == 1


async def test_the_same_tree_is_not_built_twice_after_a_receiver_died(stage, receiver, ada, work):
    client = await ada.start("git", "push", receiver.remote(), "main", cwd=work.folder)
    await asyncio.wait_for(client.stderr.readuntil(b"Building on"), 60)
    await receiver.listener.close(grace_s=0.1)
    await client.communicate()
    assert client.returncode != 0
    await stage.work()
    app = await app_of(stage)
    assert await receiver.repositories.refs(app.id) == {}
    receiver.port = await receiver.listener.listen("127.0.0.1", 0)
    known = receiver.home / "known_hosts"
    known.write_text(f"[127.0.0.1]:{receiver.port} {known.read_text().split(' ', 1)[1]}")
    pushing = asyncio.create_task(work.push())
    async with stage.panel.transaction() as conn:
        recent = partial(builds.recent, conn, app.id, 5)
        deadline = asyncio.get_running_loop().time() + 20
        while len(await recent()) < 2:
            assert asyncio.get_running_loop().time() < deadline
    await stage.work()
    assert "Reusing the build" in (await pushing).stderr


async def test_what_dead_receivers_left_is_swept(stage, receiver, workers, work):
    await work.push()
    app = await app_of(stage)
    await receiver.repositories.create(uuid4())
    await receive.sweep(stage.panel, datetime.now(UTC) + timedelta(seconds=1))
    assert [folder.name for folder in (receiver.home / "repositories").iterdir()] == [f"{app.id}.git"]


async def test_a_push_over_http_is_live_when_it_ends(stage, receiver, workers, work):
    pushed = await work.push_http()
    assert "remote: Verifying deploy... done." in pushed.stderr
    app = await app_of(stage)
    assert await receiver.repositories.refs(app.id) == {"refs/heads/main": await work.head()}
    first = app.repository_bytes
    assert first > 0
    await work.commit({"large.txt": str(list(range(50_000)))})
    await work.push("HEAD:refs/heads/other")
    assert (await app_of(stage)).repository_bytes > first + 10_000


async def test_a_token_does_what_its_scope_says_until_it_is_revoked(stage, receiver, workers, ada, work):
    await work.push_http()
    tokens_made = {scope: await accounts.add_token(stage.panel, stage.admin, scope, scope) for scope in ("read", "write", "identity")}
    remotes = {scope: receiver.http_remote("hello", token) for scope, token in tokens_made.items()}
    assert (await ada.run("git", "ls-remote", remotes["read"])).status == 0
    refused = await work.git("push", remotes["read"], "main:other", check=False)
    assert "remote: !     This API token has the scope read, which does not allow that." in refused.stderr
    assert "has the scope identity" in (await ada.run("git", "ls-remote", remotes["identity"])).stderr
    await work.git("push", remotes["write"], "main:other")
    async with stage.panel.transaction() as conn:
        for token in await tokens.of(conn, stage.admin.id):
            await tokens.revoke(conn, stage.admin.id, token.id)
    assert "unknown, revoked or expired" in (await work.push_http(check=False)).stderr


async def test_an_expired_token_is_refused(stage, receiver, ada):
    token = await accounts.add_token(stage.panel, stage.admin, "Old", life=timedelta(seconds=-1))
    assert "unknown, revoked or expired" in (await ada.run("git", "ls-remote", receiver.http_remote("hello", token))).stderr
