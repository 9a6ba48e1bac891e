from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skypanel.domain.errors import Conflict, Invalid
from skypanel.domain.push import (
    MAX_FILE_BYTES,
    MAX_REFS,
    MAX_REPOSITORY_BYTES,
    MAX_UPDATES,
    Kind,
    RefUpdate,
    Tree,
    ago,
    check_branch,
    check_name,
    check_repository,
    check_tree,
    check_updates,
    decide,
)
from skypanel.domain.transcript import size

OLD, NEW, OTHER = "a" * 40, "b" * 40, "c" * 40
MAIN, MASTER = DEFAULT = ("refs/heads/main", "refs/heads/master")


def update(ref, old=None, new=NEW, *, forced=False):
    return RefUpdate(ref if ref.startswith("refs/") else f"refs/heads/{ref}", old, new, forced)


@pytest.mark.parametrize(
    ("updates", "existing", "deployed", "notes"),
    [
        ([update("main")], [], "refs/heads/main", []),
        ([update("main", OLD)], ["refs/heads/main"], "refs/heads/main", []),
        ([update("master")], [], "refs/heads/master", []),
        ([update("feature")], [], None, ["feature is stored, not deployed: only main or master is."]),
        ([update("refs/tags/v1")], [], None, ["tag v1 is stored. Tags are not deployed."]),
        ([update("refs/notes/commits")], [], None, ["refs/notes/commits is stored, not deployed."]),
        ([update("feature", OLD, None)], ["refs/heads/feature"], None, ["feature is deleted."]),
        ([update("refs/tags/v1", OLD, None)], ["refs/tags/v1"], None, ["tag v1 is deleted."]),
        (
            [update("main", OLD, forced=True)],
            ["refs/heads/main"],
            "refs/heads/main",
            ["main is overwritten: aaaaaaa is no longer part of it."],
        ),
        (
            [update("feature", OLD, forced=True)],
            ["refs/heads/feature"],
            None,
            ["feature is overwritten: aaaaaaa is no longer part of it.", "feature is stored, not deployed: only main or master is."],
        ),
        ([update("master"), update("main")], [], "refs/heads/main", []),
        ([update("main", OLD), update("master", OLD, None)], DEFAULT, "refs/heads/main", ["master is deleted."]),
        ([update("master", OLD, None)], ["refs/heads/master", "refs/heads/main"], None, ["master is deleted."]),
        ([update("feature"), update("main"), update("refs/tags/v1")], [], "refs/heads/main", None),
    ],
)
def test_what_is_done_about_a_push(updates, existing, deployed, notes):
    decision = decide(updates, DEFAULT, existing, MAIN)
    assert (decision.deploy.ref if decision.deploy else None) == deployed
    if notes is not None:
        assert list(decision.notes) == notes


@pytest.mark.parametrize(
    ("updates", "existing", "error", "message"),
    [
        ([update("main", OLD, None)], ["refs/heads/main"], Conflict, "main is the deploy branch"),
        ([update("main", OLD, None), update("feature")], ["refs/heads/main"], Conflict, "cannot be deleted"),
        ([update("main"), update("master", new=OTHER)], [], Invalid, "main and master are deploy branches with different commits."),
        ([update("refs/heads/..")], [], Invalid, "is not a branch or a tag"),
        ([update("refs/heads/x.lock")], [], Invalid, "is not a branch or a tag"),
        ([update("refs/heads/a b")], [], Invalid, "is not a branch or a tag"),
        ([RefUpdate("HEAD", None, NEW)], [], Invalid, "is not a branch or a tag"),
        ([RefUpdate("../../x", None, NEW)], [], Invalid, "is not a branch or a tag"),
    ],
)
def test_what_is_refused(updates, existing, error, message):
    with pytest.raises(error) as refused:
        decide(updates, DEFAULT, existing, MAIN)
    assert message in refused.value.message
    assert refused.value.hint


def test_a_repository_has_no_more_refs_than_can_be_read_for_each_push():
    full = [f"refs/tags/v{number}" for number in range(MAX_REFS)]
    decide([update("refs/tags/v0", OLD)], DEFAULT, full, MAIN)
    decide([update("main"), update("refs/tags/v0", OLD, None)], DEFAULT, full, MAIN)
    with pytest.raises(Invalid, match=f"would have {MAX_REFS + 1} branches and tags"):
        decide([update("main")], DEFAULT, full, MAIN)
    decide([update("refs/tags/v0", OLD, None)], DEFAULT, [*full, "refs/tags/one-more", "refs/tags/two-more"], MAIN)


def test_a_push_changes_a_bounded_number_of_refs():
    check_updates(MAX_UPDATES)
    with pytest.raises(Invalid, match=f"changes {MAX_UPDATES + 1} refs"):
        check_updates(MAX_UPDATES + 1)


@pytest.mark.parametrize(
    ("updates", "deploys", "head"),
    [
        ([update("main", OLD, None)], DEFAULT, MAIN),
        ([update("master", OLD, None)], DEFAULT, MASTER),
        ([update("main"), update("master", OLD, None)], DEFAULT, MASTER),
        ([update("master", OLD, None)], DEFAULT, "refs/heads/live"),
        ([update("live", OLD, None)], ("refs/heads/live",), MAIN),
    ],
)
def test_the_branch_that_is_deployed_is_never_deleted_whatever_else_is_there_or_pushed(updates, deploys, head):
    with pytest.raises(Conflict, match="is the deploy branch and cannot be deleted"):
        decide(updates, deploys, [*DEFAULT, "refs/heads/live"], head)


def test_a_branch_is_a_commit():
    check_branch(update("main"), Kind("commit"))
    with pytest.raises(Invalid, match="main would point to the annotated tag v1") as refused:
        check_branch(update("main"), Kind("commit", "v1"))
    assert "git push skypanel 'v1^{commit}:main'" in refused.value.hint
    for kind in (Kind("tree"), Kind("blob", "v1")):
        with pytest.raises(Invalid, match=f"main would point to a {kind.type}, but a branch must point to a commit"):
            check_branch(update("main"), kind)


def test_an_app_may_deploy_another_branch():
    decision = decide([update("main"), update("live")], ("refs/heads/live",), [], MAIN)
    assert decision.deploy.ref == "refs/heads/live"
    assert decision.notes == ("main is stored, not deployed: only live is.",)


def test_many_refs_are_summed_up():
    decision = decide([update(f"refs/tags/v{number}") for number in range(500)], DEFAULT, [], MAIN)
    assert len(decision.notes) == 11
    assert decision.notes[-1] == "... and 490 more like these."


@given(st.lists(st.builds(RefUpdate, st.text(max_size=40), st.sampled_from([None, OLD]), st.sampled_from([None, NEW, OTHER])), max_size=8))
def test_only_a_deploy_branch_is_ever_deployed(updates):
    try:
        decision = decide(updates, DEFAULT, [], MAIN)
    except (Conflict, Invalid):
        return
    assert decision.deploy is None or (decision.deploy.ref in DEFAULT and decision.deploy.new)


def tree(**changes):
    return Tree(**({"files": 2, "size_bytes": 10, "largest_path": "a", "largest_bytes": 8} | changes))


def test_a_plain_tree_may_be_built():
    check_tree(tree())


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (tree(files=0), "The commit contains no files."),
        (tree(submodules=("lib", "vendor/x")), "lib, vendor/x: git submodules without a URL in .gitmodules."),
        (tree(submodules=tuple("abcde")), "a, b, c and 2 more: git submodules"),
        (tree(lfs_pointers=("a.psd",)), "a.psd: Git LFS pointers cannot be deployed"),
        (tree(lfs_pointers=("a\x1b[2J",)), "'a\\x1b[2J': Git LFS"),
        (tree(largest_bytes=MAX_FILE_BYTES + 1), f"a is {size(MAX_FILE_BYTES + 1)}; the limit for a file is"),
        (tree(size_bytes=2**40), "The source is 1024.0G, over the limit of 1.0G. Its largest file is a (8B)."),
    ],
)
def test_a_tree_that_cannot_be_built_is_refused_with_a_way_out(bad, message):
    with pytest.raises(Invalid) as refused:
        check_tree(bad)
    assert message in refused.value.message
    assert refused.value.hint


@pytest.mark.parametrize("name", [b"..", b".", b"", b".git", b".GiT", b"a/b", b"a\0b", b"x" * 256])
def test_names_that_must_not_become_files(name):
    with pytest.raises(Invalid):
        check_name(name, name)


@pytest.mark.parametrize("name", [b".gitignore", b"...", b"-rf", b"a\\b", b"a:b", b"\xff"])
def test_odd_names_that_may(name):
    check_name(name, name)


@pytest.mark.parametrize(
    ("seconds", "words"), [(-5, "0 seconds"), (1, "1 second"), (59, "59 seconds"), (60, "1 minute"), (150, "2 minutes"), (7300, "2 hours")]
)
def test_ages_in_words(seconds, words):
    assert ago(timedelta(seconds=seconds)) == words


def test_a_repository_may_not_grow_without_end():
    check_repository(MAX_REPOSITORY_BYTES)
    with pytest.raises(Invalid, match=r"4\.0G"):
        check_repository(MAX_REPOSITORY_BYTES + 1)
