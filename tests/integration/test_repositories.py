import asyncio
import io
import os
import subprocess
import tarfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
import zstandard

from skypanel.domain.commit import Note
from skypanel.domain.errors import Invalid
from skypanel.domain.push import Kind
from skypanel.drivers.git.remote import pack
from skypanel.drivers.git.repositories import FETCHED, DulwichRepositories
from tests.contracts.repositories import RepositoriesContract

ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "HOME": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    **{f"GIT_{who}_{what}": "ada@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
}


def run(folder, *argv):
    return subprocess.run(argv, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, check=True).stdout.strip()


def git(folder, *arguments):
    return run(folder, "git", *arguments)


@pytest.fixture
def repositories(tmp_path):
    return DulwichRepositories(tmp_path / "repositories")


class TestDulwich(RepositoriesContract):
    pass


@pytest.fixture
def work(tmp_path):
    folder = tmp_path / "work"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    (folder / "Procfile").write_text("web: x\n")
    (folder / "bin").mkdir()
    (folder / "bin/run").write_text("#!/bin/sh\n")
    (folder / "bin/run").chmod(0o755)
    (folder / "link").symlink_to("bin/run")
    commit(folder, "First")
    return folder


def commit(folder, message):
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "--allow-empty", "-m", message)
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture
async def app_id(repositories, work):
    app_id = uuid4()
    await repositories.create(app_id)
    git(work, "push", "-q", repositories.path(app_id), "main")
    return app_id


async def exported(repositories, app_id, commit, quarantine=None):
    return b"".join([chunk async for chunk in repositories.export(app_id, commit, quarantine)])


def unpacked(archive):
    return tarfile.open(fileobj=io.BytesIO(zstandard.ZstdDecompressor().decompressobj().decompress(archive)))


async def test_git_finds_nothing_wrong_with_a_new_repository(repositories):
    app_id = uuid4()
    await repositories.create(app_id)
    assert git(repositories.path(app_id), "fsck", "--strict") == ""
    assert git(repositories.path(app_id), "symbolic-ref", "HEAD") == "refs/heads/main"


async def test_one_repository_comes_of_many_calls(repositories):
    app_id = uuid4()
    await asyncio.gather(*(repositories.create(app_id) for _ in range(10)))
    assert [folder.name for folder in Path(repositories.path(app_id)).parent.iterdir()] == [f"{app_id}.git"]


async def test_refs_are_listed_without_head(repositories, app_id, work):
    git(work, "push", "-q", repositories.path(app_id), "main:topic/größe")
    head = git(work, "rev-parse", "HEAD")
    assert await repositories.refs(app_id) == {"refs/heads/main": head, "refs/heads/topic/größe": head}


async def test_head_can_be_pointed(repositories, app_id):
    await repositories.point_head(app_id, "refs/heads/live")
    assert git(repositories.path(app_id), "symbolic-ref", "HEAD") == "refs/heads/live"


async def test_a_tree_is_looked_through(repositories, app_id, work):
    tree = await repositories.tree(app_id, git(work, "rev-parse", "HEAD"))
    assert (tree.files, tree.size_bytes, tree.largest_path, tree.largest_bytes) == (3, 7 + 10 + 7, "bin/run", 10)
    assert (tree.submodules, tree.lfs_pointers) == ((), ())


async def test_the_same_tree_makes_the_same_bytes(repositories, app_id, work):
    first = git(work, "rev-parse", "HEAD")
    (work / "more").write_text("x")
    second = commit(work, "Second")
    (work / "more").unlink()
    third = commit(work, "Third")
    git(work, "push", "-q", repositories.path(app_id), "main")
    one, two, three = [await exported(repositories, app_id, name) for name in (first, second, third)]
    assert one == three != two


async def test_gnu_tar_unpacks_what_git_checks_out(repositories, app_id, work, tmp_path):
    (work / ("deep/" * 40)).mkdir(parents=True)
    (work / ("deep/" * 40) / ("n" * 200)).write_text("x")
    (work / "empty").write_text("")
    (work / "blocks").write_bytes(os.urandom(512 * 3))
    (work / os.fsdecode(b"latin-\xe9")).write_text("x")
    (work / "far").symlink_to("../" * 60 + "x" * 100)
    head = commit(work, "Odd things")
    git(work, "push", "-q", repositories.path(app_id), "main")
    (tmp_path / "source.tar.zst").write_bytes(await exported(repositories, app_id, head))
    (tmp_path / "out").mkdir()
    run(tmp_path / "out", "tar", "--zstd", "-xf", "../source.tar.zst")
    run(tmp_path, "diff", "-r", "--no-dereference", "--exclude=.git", work, tmp_path / "out")
    assert (tmp_path / "out/bin/run").stat().st_mode & 0o777 == 0o755
    # Zip files, and so wheels that are built from a source, know no earlier time.
    assert (tmp_path / "out/Procfile").stat().st_mtime == datetime(1980, 1, 1, tzinfo=UTC).timestamp()


async def test_quarantined_objects_are_read(repositories, app_id, work):
    """As in a push: what is new is in a folder of its own until it is accepted."""
    old = git(work, "rev-parse", "HEAD")
    (work / "more").write_text("x")
    new = commit(work, "Second")
    quarantine = str(work / ".git/objects")
    with pytest.raises(Invalid, match="lacks objects"):
        await repositories.tree(app_id, new)
    assert (await repositories.tree(app_id, new, quarantine)).files == 4
    assert len(unpacked(await exported(repositories, app_id, new, quarantine)).getnames()) == 4
    assert await repositories.contains(app_id, old, new, quarantine)
    assert not await repositories.contains(app_id, new, old, quarantine)


async def test_packed_and_differing_objects_have_their_sizes(repositories, app_id, work):
    for number in range(30):
        (work / "log").write_text("".join(f"line {line}\n" for line in range(number * 50)))
        (work / f"file{number}").write_text(f"{number}")
        head = commit(work, f"Commit {number}")
    git(work, "push", "-q", repositories.path(app_id), "main")
    git(repositories.path(app_id), "repack", "-adfq", "--depth=50")
    expected = git(work, "ls-tree", "-rl", "HEAD").splitlines()
    tree = await repositories.tree(app_id, head)
    assert tree.size_bytes == sum(int(line.split()[3]) for line in expected)
    assert tree.largest_path == "log"


async def test_a_history_is_compared_through_merges_and_rewrites(repositories, app_id, work):
    first = git(work, "rev-parse", "HEAD")
    git(work, "checkout", "-qb", "side")
    side = commit(work, "Side")
    git(work, "checkout", "-q", "main")
    commit(work, "Main")
    git(work, "merge", "-q", "--no-ff", "-m", "Merge", "side")
    merged = git(work, "rev-parse", "HEAD")
    git(work, "commit", "-q", "--amend", "-m", "Rewritten")
    rewritten = git(work, "rev-parse", "HEAD")
    git(work, "push", "-q", repositories.path(app_id), f"{merged}:refs/heads/merged", "main")
    assert await repositories.contains(app_id, first, merged)
    assert await repositories.contains(app_id, side, merged)
    assert not await repositories.contains(app_id, merged, rewritten)


async def test_the_largest_object_is_found_among_loose_and_packed_ones(repositories, app_id, work):
    (work / "log").write_bytes(b"line\n" * 5000)
    commit(work, "Large")
    git(work, "repack", "-adq")
    packed = git(work, "rev-parse", "HEAD:log")
    assert await repositories.largest(app_id, str(work / ".git/objects")) == (packed, 25_000)
    (work / "log").write_bytes(b"line\n" * 6000)
    commit(work, "Larger")
    loose = git(work, "rev-parse", "HEAD:log")
    assert await repositories.largest(app_id, str(work / ".git/objects")) == (loose, 30_000)


async def test_objects_that_git_cannot_read_are_refused(repositories, app_id, tmp_path):
    (tmp_path / "objects/12").mkdir(parents=True)
    (tmp_path / "objects/12" / ("3" * 38)).write_bytes(b"no object")
    with pytest.raises(Invalid, match="cannot be counted"):
        await repositories.largest(app_id, str(tmp_path / "objects"))


async def test_an_object_is_what_its_tags_stand_for(repositories, app_id, work):
    for name, target in (("v1", "HEAD"), ("v2", "v1"), ("t1", "HEAD^{tree}"), ("b1", "HEAD:Procfile")):
        git(work, "tag", "-a", "-m", name, name, target)
    git(work, "push", "-q", "--tags", repositories.path(app_id))
    found = {
        name: await repositories.kind(app_id, git(work, "rev-parse", name)) for name in ("main", "main^{tree}", "v1", "v2", "t1", "b1")
    }
    assert found == {
        "main": Kind("commit"),
        "main^{tree}": Kind("tree"),
        "v1": Kind("commit", "v1"),
        "v2": Kind("commit", "v2"),
        "t1": Kind("tree", "t1"),
        "b1": Kind("blob", "b1"),
    }
    with pytest.raises(Invalid, match="lacks objects"):
        await repositories.kind(app_id, "1" * 40)


async def test_tags_of_tags_are_followed_for_a_while(repositories, app_id, work):
    target = "HEAD"
    for number in range(11):
        git(work, "tag", "-a", "-m", "x", f"v{number}", target)
        target = f"v{number}"
    git(work, "push", "-q", "--tags", repositories.path(app_id))
    assert (await repositories.kind(app_id, git(work, "rev-parse", "v8"))).type == "commit"
    with pytest.raises(Invalid, match="chain of more than"):
        await repositories.kind(app_id, git(work, "rev-parse", "v10"))


async def test_what_is_no_commit_is_refused(repositories, app_id, work):
    with pytest.raises(Invalid, match="not a commit"):
        await repositories.tree(app_id, git(work, "rev-parse", "HEAD^{tree}"))


async def test_an_export_that_is_given_up_lets_go(repositories, app_id, work):
    for number in range(200):
        (work / f"noise{number}").write_bytes(os.urandom(20_000))
    head = commit(work, "Noise")
    git(work, "push", "-q", repositories.path(app_id), "main")
    for _ in range(5):
        export = repositories.export(app_id, head)
        await anext(export)
        await export.aclose()
    assert (await repositories.tree(app_id, head)).files == 203


async def test_only_stale_quarantines_are_swept(repositories, app_id):
    stale = Path(repositories.path(app_id)) / "objects/tmp_objdir-incoming-abc"
    stale.mkdir()
    (stale / "pack").write_text("x")
    await repositories.sweep(datetime.now(UTC) - timedelta(hours=1))
    assert stale.exists()
    await repositories.sweep(datetime.now(UTC) + timedelta(seconds=1))
    assert not stale.exists()


async def test_what_was_fetched_is_swept_unless_somebody_is_at_it(repositories, app_id):
    root = Path(repositories.path(app_id)).parent
    async with pack.folder(root) as used:
        stale = root / f"{FETCHED}stale"
        (stale / "objects").mkdir(parents=True)
        await repositories.sweep(datetime.now(UTC) - timedelta(hours=1))
        assert stale.exists()
        await repositories.sweep(datetime.now(UTC) + timedelta(seconds=1))
        assert not stale.exists()
        assert used.exists()
    assert not used.exists()


async def test_a_commits_note_is_its_subject_and_author(repositories, app_id, work):
    made = commit(work, "Größe\n\nA body.")
    git(work, "push", "-q", repositories.path(app_id), "main")
    assert await repositories.note(app_id, made) == Note("Größe", "ada@example.com")
    with pytest.raises(Invalid, match="not a commit"):
        await repositories.note(app_id, git(work, "rev-parse", "HEAD^{tree}"))


async def test_two_commits_differ_by_paths(repositories, app_id, work):
    old = git(work, "rev-parse", "HEAD")
    (work / "Procfile").write_text("web: y\n")
    (work / "bin/run").unlink()
    (work / "größe").write_text("x")
    new = commit(work, "Second")
    git(work, "push", "-q", repositories.path(app_id), "main")
    found = await repositories.changes(app_id, old, new, 10)
    assert {(each.path, each.change) for each in found.files} == {("Procfile", "changed"), ("bin/run", "removed"), ("größe", "added")}
    assert not found.has_more
    assert (await repositories.changes(app_id, new, new, 10)).files == ()
    first = await repositories.changes(app_id, old, new, 2)
    assert (len(first.files), first.has_more) == (2, True)
    with pytest.raises(Invalid):
        await repositories.changes(app_id, old, "0" * 40, 10)
