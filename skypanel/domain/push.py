"""Rules for a push: which update to deploy, which refs to accept, and which trees can be built."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta

from skypanel.domain.account import Account
from skypanel.domain.app import DEFAULT_DEPLOY_BRANCHES, App
from skypanel.domain.errors import Conflict, Invalid
from skypanel.domain.ids import AppId
from skypanel.domain.limits import GIB, MIB
from skypanel.domain.names import printable
from skypanel.domain.transcript import size

MAX_SOURCE_BYTES = GIB
MAX_REPOSITORY_BYTES = 4 * GIB
MAX_FILE_BYTES = 100 * MIB
MAX_ENTRIES = 150_000
MAX_NAME_BYTES = 255
MAX_PATH_BYTES = 4095
MAX_NOTES = 10
MAX_UPDATES = 10_000  # in one push
MAX_REFS = 10_000  # in one repository: every fetch and push reads each ref

_BRANCH = "refs/heads/"
_TAG = "refs/tags/"
# https://git-scm.com/docs/git-check-ref-format; git calls its hook also for refs that it then rejects itself.
_REF = re.compile(r"refs/[^/]+/(?!/)[^\x00-\x20\x7f~^:?*\[\\]+")
_NO_REF = re.compile(r"\.\.|@\{|//|/\.|\.lock(/|$)|[./]$")
_FORBIDDEN_NAMES = frozenset({b"", b".", b"..", b".git"})


@dataclass(frozen=True)
class RefUpdate:
    """A ref with its old and new object (hex); None means that the ref does not exist.

    `forced` is set if the old commit is not part of the new history.
    """

    ref: str
    old: str | None
    new: str | None
    forced: bool = False

    @property
    def label(self) -> str:
        """The ref for a message: a branch without its prefix, a tag as `tag v1`."""
        if self.ref.startswith(_TAG):
            return f"tag {self.ref.removeprefix(_TAG)}"
        return self.ref.removeprefix(_BRANCH)

    @property
    def is_branch(self) -> bool:
        """Whether it updates a branch, which always points to a commit."""
        return self.ref.startswith(_BRANCH)

    @property
    def rewrites_branch(self) -> bool:
        """Whether a branch moves from one commit to another, which could lose history."""
        return self.is_branch and self.old is not None and self.new is not None


@dataclass(frozen=True)
class Push:
    """Ref updates that wait for a decision. Until then `quarantine` holds their objects.

    `app_id` identifies the repository, even if there is no app called `name` yet.
    """

    account: Account
    app_id: AppId
    name: str
    updates: tuple[RefUpdate, ...]
    quarantine: str | None


@dataclass(frozen=True)
class Decision:
    """The update to deploy, if any, and sentences about the others."""

    deploy: RefUpdate | None
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Kind:
    """The type of an object: commit, tree or blob. For an annotated tag it is the type of its target, and `tag` is its name."""

    type: str
    tag: str | None = None


@dataclass(frozen=True)
class Link:
    """A submodule of a tree: its path, its commit (hex), and its URL as in .gitmodules."""

    path: str
    commit: str
    url: str


@dataclass(frozen=True)
class Tree:
    """What a commit contains: its files, their total size, and what may prevent a build.

    `submodules` are the paths of all submodules, `links` are those whose origin .gitmodules names.
    """

    files: int
    size_bytes: int
    largest_path: str
    largest_bytes: int
    submodules: tuple[str, ...] = ()
    lfs_pointers: tuple[str, ...] = ()
    links: tuple[Link, ...] = ()


def deploy_refs(app: App | None) -> tuple[str, ...]:
    """Return the refs whose pushes are built; `app` is None for an app that the push would create."""
    branches = app.deploy_branches if app else DEFAULT_DEPLOY_BRANCHES
    return tuple(f"{_BRANCH}{branch}" for branch in branches)


def decide(updates: Sequence[RefUpdate], deploys: Sequence[str], existing: Collection[str], head: str) -> Decision:
    """Decide about ref updates; `existing` are the refs before them, `head` is the ref that was deployed last.

    Raises Conflict or Invalid to reject the whole push.
    """
    for update in updates:
        if not _REF.fullmatch(update.ref) or _NO_REF.search(update.ref):
            raise Invalid(f"{printable(update.ref)} is not a branch or a tag.", "Push branches and tags.")
    _check_refs(updates, existing)
    wanted = [update for update in updates if update.ref in deploys and update.new]
    kept = (head,) if head in deploys else deploys
    for update in updates:
        if update.new is None and update.ref in kept:
            raise Conflict(f"{update.label} is the deploy branch and cannot be deleted.", "Push other commits to it, or destroy the app.")
    if len({update.new for update in wanted}) > 1:
        branches = " and ".join(update.label for update in wanted)
        raise Invalid(f"{branches} are deploy branches with different commits.", "Push only one of them.")
    wanted.sort(key=lambda update: deploys.index(update.ref))
    deploy = wanted[0] if wanted else None
    return Decision(deploy, _notes(updates, deploys))


def _check_refs(updates: Sequence[RefUpdate], existing: Collection[str]) -> None:
    added = {update.ref for update in updates if update.new}.difference(existing)
    count = len(existing) + len(added) - sum(update.new is None for update in updates)
    if added and count > MAX_REFS:
        raise Invalid(
            f"With this push the repository would have {count} branches and tags, over the limit of {MAX_REFS}.",
            "Push fewer of them, or delete some that are not needed: git push skypanel :<branch>",
        )


def _notes(updates: Sequence[RefUpdate], deploys: Sequence[str]) -> tuple[str, ...]:
    notes = [note for update in updates for note in _note(update, deploys)]
    if len(notes) > MAX_NOTES:
        notes[MAX_NOTES:] = [f"... and {len(notes) - MAX_NOTES} more like these."]
    return tuple(notes)


def _note(update: RefUpdate, deploys: Sequence[str]) -> tuple[str, ...]:
    if update.new is None:
        return (f"{update.label} is deleted.",)
    forced = (f"{update.label} is overwritten: {(update.old or '')[:7]} is no longer part of it.",) if update.forced else ()
    if update.ref in deploys:
        return forced
    if update.ref.startswith(_BRANCH):
        branches = " or ".join(ref.removeprefix(_BRANCH) for ref in deploys)
        return (*forced, f"{update.label} is stored, not deployed: only {branches} is.")
    if update.ref.startswith(_TAG):
        return (f"{update.label} is stored. Tags are not deployed.",)
    return (f"{update.label} is stored, not deployed.",)


def check_name(name: bytes, path: bytes) -> None:
    """Check one name in a tree. Raises Invalid if it must not become a file."""
    if name.lower() in _FORBIDDEN_NAMES or b"/" in name or b"\0" in name:
        raise Invalid(
            f"{printable(path.decode(errors='replace'))} is not a path that can be deployed.", "Rename it, commit, and push again."
        )
    if len(name) > MAX_NAME_BYTES or len(path) > MAX_PATH_BYTES:
        raise Invalid(f"{printable(path.decode(errors='replace'))} is too long for a path.", "Shorten it, commit, and push again.")


def check_branch(update: RefUpdate, kind: Kind) -> None:
    """Raise Invalid if a branch would point to something other than a commit: git would reject it after the build."""
    if kind.type != "commit":
        raise Invalid(f"{update.label} would point to a {kind.type}, but a branch must point to a commit.", "Push a commit to it.")
    if kind.tag is not None:
        tag = shown(kind.tag)
        raise Invalid(
            f"{update.label} would point to the annotated tag {tag}, but a branch must point to a commit.",
            f"Push the commit that it points to: git push skypanel '{tag}^{{commit}}:{update.label}'",
        )


def check_updates(count: int) -> None:
    """Raise Invalid if a push changes more refs than MAX_UPDATES."""
    if count > MAX_UPDATES:
        raise Invalid(f"The push changes {count} refs; the limit is {MAX_UPDATES}.", "Push fewer branches and tags at once.")


def check_object(name: str, size_bytes: int) -> None:
    """Raise Invalid if an object (hex) of a push is larger than MAX_FILE_BYTES, whether it is deployed or not."""
    if size_bytes > MAX_FILE_BYTES:
        raise Invalid(
            f"An object of the push, {name[:12]}, is {size(size_bytes)}; the limit for a file is {size(MAX_FILE_BYTES)}, on any branch.",
            f"Find its commit: git log --all --find-object={name[:12]}. Then remove it from the history that you push.",
        )


def check_repository(size_bytes: int, max_bytes: int = MAX_REPOSITORY_BYTES) -> None:
    """Raise Invalid if a push would make a repository larger than `max_bytes`."""
    if size_bytes > max_bytes:
        raise Invalid(
            f"This push would make the repository {size(size_bytes)}, over the limit of {size(max_bytes)}.",
            "Push less history, and only the branch that is deployed.",
        )


def check_tree(tree: Tree, max_bytes: int = MAX_SOURCE_BYTES) -> None:
    """Raise Invalid if a tree cannot be built; the hint says what to do."""
    if not tree.files and not tree.submodules:
        raise Invalid("The commit contains no files.", "Add your app to it: git add -A && git commit, then push again.")
    if tree.submodules:
        path = shown(tree.submodules[0])
        raise Invalid(
            f"{_listed(tree.submodules)}: git submodules without a URL in .gitmodules.",
            f"Add it with: git submodule add URL {path}. Or commit the files themselves:"
            f" git rm --cached {path} && rm -rf {path}/.git && git add {path}. Then commit and push again.",
        )
    if tree.lfs_pointers:
        path = shown(tree.lfs_pointers[0])
        raise Invalid(
            f"{_listed(tree.lfs_pointers)}: Git LFS pointers cannot be deployed, because SkyPanel does not store LFS files.",
            f"Take them out of LFS: git lfs migrate export --include={path}, then push again; or have the build download them.",
        )
    if tree.largest_bytes > MAX_FILE_BYTES:
        raise Invalid(
            f"{shown(tree.largest_path)} is {size(tree.largest_bytes)}; the limit for a file is {size(MAX_FILE_BYTES)}.",
            "Remove it from the commit, and keep such files in object storage.",
        )
    if tree.size_bytes > max_bytes:
        raise Invalid(
            f"The source is {size(tree.size_bytes)}, over the limit of {size(max_bytes)}."
            f" Its largest file is {shown(tree.largest_path)} ({size(tree.largest_bytes)}).",
            "Remove what the app does not need from the commit, and push again.",
        )


def ago(age: timedelta) -> str:
    """Return an age in words, such as `3 minutes`."""
    seconds = max(int(age.total_seconds()), 0)
    for unit, length in (("hour", 3600), ("minute", 60)):
        if seconds >= length:
            count = seconds // length
            return f"{count} {unit}" if count == 1 else f"{count} {unit}s"
    return "1 second" if seconds == 1 else f"{seconds} seconds"


def shown(path: str) -> str:
    """Return a path for a message, escaped unless it is printable ASCII."""
    return path if path.isprintable() and path.isascii() else printable(path)


def _listed(paths: Sequence[str]) -> str:
    names = ", ".join(shown(path) for path in paths[:3])
    return names if len(paths) <= 3 else f"{names} and {len(paths) - 3} more"  # noqa: PLR2004 - three paths are enough for a message
