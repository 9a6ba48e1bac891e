"""A commit's tree: inspected, and written as a canonical tar, whose bytes depend only on the tree."""

import stat
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from itertools import chain, islice

from dulwich.config import ConfigFile, parse_submodules
from dulwich.diff_tree import TreeChange, tree_changes
from dulwich.errors import ApplyDeltaError, ChecksumMismatch, FileFormatException
from dulwich.objects import Commit, ObjectID, Tag, parse_tree
from dulwich.objects import Tree as GitTree

from skypanel.domain.commit import Note
from skypanel.domain.comparison import Change, FileChange, FileChanges
from skypanel.domain.errors import Invalid
from skypanel.domain.limits import MIB
from skypanel.domain.names import printable
from skypanel.domain.push import MAX_ENTRIES, Kind, Link, Tree, check_name
from skypanel.domain.transcript import size
from skypanel.drivers.git.objects import BoundedStore
from skypanel.drivers.sources import tar as source_tar

MAX_TREE_BYTES = 16 * MIB  # of one folder's listing: about 400,000 names
SUBMODULE = 0o160000
MODULES = b".gitmodules"
MAX_MODULES_BYTES = 64 * 1024
MAX_NOTE_BYTES = 4096
MAX_TAGS = 10  # in a chain
# https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md
LFS_VERSION = b"version https://git-lfs.github.com/spec/"
LFS_MAX_BYTES = 1024


@dataclass(frozen=True)
class Entry:
    """A file, symbolic link or submodule of a tree."""

    path: bytes
    mode: int
    id: ObjectID


@contextmanager
def readable() -> Iterator[None]:
    """Translate dulwich's errors for missing or damaged objects into Invalid."""
    try:
        yield
    except KeyError:
        raise Invalid("The push lacks objects that it refers to.", "Check your repository: git fsck.") from None
    except (FileFormatException, ChecksumMismatch, ApplyDeltaError, zlib.error) as error:
        raise Invalid(f"The push contains an object that cannot be read: {error}.", "Check your repository: git fsck.") from error


@readable()
def kind(store: BoundedStore, name: str) -> Kind:
    """Return the type of an object; for an annotated tag, its name and the type of its target. Raises Invalid."""
    found = store[ObjectID(name.encode())]
    tag = _text(found.name) if isinstance(found, Tag) else None
    for _ in range(MAX_TAGS):
        if not isinstance(found, Tag):
            return Kind(found.type_name.decode(), tag)
        found = store[found.object[1]]
    raise Invalid(f"{name[:7]} is a chain of more than {MAX_TAGS} tags.", "Push a branch.")


@readable()
def look_through(store: BoundedStore, commit: str) -> Tree:
    """Return what a commit contains. Raises Invalid if it is not a commit, or if it cannot be written as files."""
    files = total = largest = 0
    largest_path = b""
    submodules: list[Entry] = []
    modules = b""
    pointers: list[str] = []
    for entry in walk(store, commit):
        if entry.mode == SUBMODULE:
            submodules.append(entry)
            continue
        length, _ = store.sizes(entry.id)
        files, total = files + 1, total + length
        if entry.path == MODULES and stat.S_ISREG(entry.mode) and length <= MAX_MODULES_BYTES:
            modules = store.get_raw(entry.id)[1]
        if length > largest:
            largest, largest_path = length, entry.path
        if len(LFS_VERSION) < length <= LFS_MAX_BYTES and stat.S_ISREG(entry.mode) and store.get_raw(entry.id)[1].startswith(LFS_VERSION):
            pointers.append(_text(entry.path))
    urls = _urls(modules)
    paths = tuple(_text(entry.path) for entry in submodules)
    links = (Link(path, entry.id.decode(), urls[path]) for path, entry in zip(paths, submodules, strict=True) if path in urls)
    return Tree(files, total, _text(largest_path), largest, paths, tuple(pointers), tuple(links))


@readable()
def note(store: BoundedStore, commit: str) -> Note:
    """Return the subject and author of a commit. Raises Invalid."""
    found = _commit(store, commit)
    return Note.of(_words(found.message), _words(found.author))


@readable()
def changes(store: BoundedStore, old: str, new: str, limit: int) -> FileChanges:
    """Return at most `limit` paths that differ between two commits, in git's order. Raises Invalid."""
    found = list(islice(tree_changes(store, _root(store, old), _root(store, new), change_type_same=True), limit + 1))
    return FileChanges(tuple(_file_change(each) for each in found[:limit]), has_more=len(found) > limit)


def _file_change(found: TreeChange) -> FileChange:
    entry = found.new or found.old
    path = _words(entry.path) if entry and entry.path else ""
    if found.old is None or found.old.path is None:
        return FileChange(path, Change.ADDED)
    return FileChange(path, Change.REMOVED if found.new is None or found.new.path is None else Change.CHANGED)


def _words(text: bytes) -> str:
    # An encoding that a commit names is ignored: only old commits of a few tools name one.
    return text[:MAX_NOTE_BYTES].decode("utf-8", "replace")


def _urls(modules: bytes) -> dict[str, str]:
    """Return the URLs of a .gitmodules by path. Raises Invalid."""
    try:
        # The file is untrusted, so its includes are not followed.
        config = ConfigFile.from_file(BytesIO(modules), expand_includes=False)
        return {_text(path): _text(url) for path, url, _ in parse_submodules(config)}
    except ValueError as error:
        raise Invalid(f".gitmodules cannot be read: {printable(str(error), 200)}.", "Check it with: git submodule status") from error


def walk(store: BoundedStore, commit: str, at: bytes = b"") -> Iterator[Entry]:
    """Yield the entries of a commit in git's order, including those of all folders. Their paths start with `at`. Raises Invalid."""
    seen = 0
    waiting = [Entry(at, stat.S_IFDIR, _root(store, commit))]
    while waiting:
        entry = waiting.pop()
        if not stat.S_ISDIR(entry.mode):
            yield entry
            continue
        children = _children_of(store, entry)
        seen += len(children)
        # A few kilobytes of nested trees can contain billions of files.
        if seen > MAX_ENTRIES:
            raise Invalid(
                f"The commit contains more than {MAX_ENTRIES} files.",
                "Remove what the app does not need, such as node_modules, and push again.",
            )
        waiting.extend(reversed(children))


def _root(store: BoundedStore, commit: str) -> ObjectID:
    return ObjectID(_commit(store, commit).tree)


def _commit(store: BoundedStore, commit: str) -> Commit:
    found = store[ObjectID(commit.encode())]
    if not isinstance(found, Commit):
        raise Invalid(f"{commit[:7]} is a {found.type_name.decode()}, not a commit.", "Push a branch.")
    return found


def _children_of(store: BoundedStore, folder: Entry) -> list[Entry]:
    length, _ = store.sizes(folder.id)
    if length > MAX_TREE_BYTES:
        raise Invalid(
            f"A folder's listing is {size(length)}; the limit is {size(MAX_TREE_BYTES)}.", "Spread its files over several folders."
        )
    kind, text = store.get_raw(folder.id)
    if kind != GitTree.type_num:
        raise Invalid(f"{folder.id.decode()[:7]} is not a tree.")
    prefix = folder.path + b"/" if folder.path else b""
    entries = [Entry(prefix + name, mode, ObjectID(id_)) for name, mode, id_ in parse_tree(text, sha_len=20)]
    for entry in entries:
        check_name(entry.path.removeprefix(prefix), entry.path)
    return entries


def tar(store: BoundedStore, commit: str, submodules: Mapping[str, tuple[BoundedStore, str]]) -> Iterator[bytes]:
    """Yield a commit's files as a zstd tar. `submodules` maps the paths of submodules to their object stores and commits."""
    compressor = source_tar.compressor()
    with readable():
        for piece in chain(_plain_tar(_files(store, commit, submodules)), (source_tar.END,)):
            for start in range(0, len(piece), MIB):
                if compressed := compressor.compress(memoryview(piece)[start : start + MIB]):
                    yield compressed
        yield compressor.flush()


def _files(
    store: BoundedStore, commit: str, submodules: Mapping[str, tuple[BoundedStore, str]], at: bytes = b""
) -> Iterator[tuple[BoundedStore, Entry]]:
    for entry in walk(store, commit, at):
        if entry.mode != SUBMODULE:
            yield store, entry
        elif (path := _text(entry.path)) in submodules:
            yield from _files(*submodules[path], submodules, entry.path)


def _plain_tar(files: Iterable[tuple[BoundedStore, Entry]]) -> Iterator[bytes]:
    for store, entry in files:
        _, body = store.get_raw(entry.id)
        if stat.S_ISLNK(entry.mode):
            yield source_tar.link(_text(entry.path), _text(body))
            continue
        yield source_tar.file(_text(entry.path), len(body), is_program=bool(entry.mode & 0o111))
        yield body
        yield source_tar.padding(len(body))


def _text(path: bytes) -> str:
    return path.decode("utf-8", "surrogateescape")
