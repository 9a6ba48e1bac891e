"""What an uploaded archive may contain. A build uses it in place of a commit."""

from dataclasses import dataclass, field

from skypanel.domain.errors import Invalid
from skypanel.domain.limits import MIB
from skypanel.domain.push import MAX_ENTRIES, MAX_FILE_BYTES, MAX_NAME_BYTES, MAX_PATH_BYTES, MAX_SOURCE_BYTES, shown
from skypanel.domain.transcript import size

# Room for what a tar adds to the files: headers, padding, and blocks after the end.
MAX_PLAIN_BYTES = MAX_SOURCE_BYTES + 256 * MIB
MAX_HEADERS = 4 * MAX_ENTRIES
MAKE = "Make it with `git archive --format=tar.gz -o app.tgz HEAD`, and upload it again."
LEAVE_OUT = "Leave it out and upload the archive again."

Parts = tuple[str, ...]


@dataclass
class Contents:
    """What was read of an archive so far. Each call adds one entry; it raises Invalid if the entry must not become a file."""

    files: int = 0
    size_bytes: int = 0
    _entries: int = 0
    # A folder is a dictionary. The value of another entry says whether a hard link may point to it.
    _tree: dict[str, "Node"] = field(default_factory=dict)

    def add_folder(self, path: str) -> None:
        """Add a folder; the root is allowed."""
        self._folder(parts(path), path)

    def add_file(self, path: str, size_bytes: int) -> str:
        """Add a file, and return its normalized path."""
        if size_bytes > MAX_FILE_BYTES:
            raise Invalid(f"{shown(path)} is {size(size_bytes)}; the limit for a file is {size(MAX_FILE_BYTES)}.", LEAVE_OUT)
        self.size_bytes += size_bytes
        if self.size_bytes > MAX_SOURCE_BYTES:
            raise Invalid(f"The archive unpacks to more than {size(MAX_SOURCE_BYTES)}.", "Leave out what the app does not need.")
        return "/".join(self._add(path, is_file=True))

    def add_link(self, path: str, target: str) -> str:
        """Add a symbolic link and return its normalized path. The target must be inside the archive."""
        if len(target.encode(errors="surrogateescape")) > MAX_PATH_BYTES:
            raise Invalid("The archive contains a link whose target is too long.", LEAVE_OUT)
        place = self._add(path, is_file=False)
        # No folder on the way is a link, so this many steps up stay inside the archive, whatever the links are.
        steps = [step for step in target.split("/") if step not in {"", "."}]
        up = next((number for number, step in enumerate(steps) if step != ".."), len(steps))
        if not target or target.startswith("/") or "\0" in target or up >= len(place) or ".." in steps[up:]:
            raise Invalid(f"{shown(path)} is a link to {shown(target)}, which is outside the archive.", LEAVE_OUT)
        return "/".join(place)

    def add_hard_link(self, path: str, target: str) -> tuple[str, str]:
        """Add a hard link to an earlier file, and return both normalized paths."""
        node: Node | None = self._tree
        wanted = parts(target)
        for part in wanted:
            node = node.get(part) if isinstance(node, dict) else None
        if node is not True:
            raise Invalid(f"{shown(path)} is a link to {shown(target)}, which is not an earlier file of the archive.", LEAVE_OUT)
        return "/".join(self._add(path, is_file=True)), "/".join(wanted)

    def check(self) -> None:
        """Raise Invalid if the archive is empty, because nothing can be built from it."""
        if not self.files:
            raise Invalid("The archive contains no files.", MAKE)

    def _add(self, path: str, *, is_file: bool) -> Parts:
        found = parts(path)
        if not found:
            raise Invalid(f"{shown(path)} is not a valid file path.", MAKE)
        folder = self._folder(found[:-1], path)
        if found[-1] in folder:
            raise Invalid(f"{shown(path)} is in the archive twice.", MAKE)
        self._count()
        folder[found[-1]] = is_file
        self.files += 1
        return found

    def _folder(self, found: Parts, path: str) -> dict[str, "Node"]:
        folder = self._tree
        for part in found:
            inside = folder.get(part)
            if inside is None:
                self._count()
                inside = folder[part] = {}
            if not isinstance(inside, dict):
                raise Invalid(f"{shown(path)} is inside something that is not a folder.", MAKE)
            folder = inside
        return folder

    def _count(self) -> None:
        self._entries += 1
        if self._entries > MAX_ENTRIES:
            raise Invalid(
                f"The archive contains more than {MAX_ENTRIES} files.", "Leave out what the app does not need, such as node_modules."
            )


Node = dict[str, "Node"] | bool


def parts(path: str) -> Parts:
    """Return the parts of an entry's path. Raises Invalid if it leaves the archive, or if no push could contain it."""
    if len(path) > 2 * MAX_PATH_BYTES:
        raise Invalid("The archive contains a file whose path is too long.", "Shorten it and upload the archive again.")
    found = tuple(part for part in path.split("/") if part not in {"", "."})
    if path.startswith("/") or ".." in found or "\0" in path:
        raise Invalid(f"{shown(path)} points outside the archive.", "Use paths relative to the root of the app.")
    if any(part.lower() == ".git" for part in found):
        raise Invalid("The archive contains a .git folder.", MAKE)
    lengths = [len(part.encode(errors="surrogateescape")) for part in found]
    if any(length > MAX_NAME_BYTES for length in lengths) or sum(lengths) + len(lengths) > MAX_PATH_BYTES:
        raise Invalid(f"{shown(path[:MAX_NAME_BYTES])}... is too long for a path.", "Shorten it and upload the archive again.")
    return found


def unreadable() -> Invalid:
    """Return the error for bytes that are not a complete archive."""
    return Invalid("This is not a complete .tgz archive: it is truncated, damaged or in another format.", MAKE)


def unfit(path: str) -> Invalid:
    """Return the error for an entry that is not a file, folder or link."""
    return Invalid(f"{shown(path)} is a device, a pipe or another special file.", LEAVE_OUT)
