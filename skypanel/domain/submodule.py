"""Git submodules: other repositories whose trees are part of an app's tree, each at a commit that the app names."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from skypanel.domain.errors import Invalid
from skypanel.domain.limits import GIB
from skypanel.domain.push import MAX_ENTRIES, Tree, shown
from skypanel.domain.remote import GitUrl, parse_url

MAX_SUBMODULES = 20  # including nested ones
MAX_FETCHED_BYTES = GIB  # for all together, as git packs
FETCH_S = 10 * 60.0

_HERE, _ABOVE = "./", "../"


@dataclass(frozen=True)
class SubmoduleTree:
    """The tree of a submodule's commit (hex), its path in the app, and the folder of its objects."""

    path: str
    commit: str
    objects: str


def resolve(url: str, of: GitUrl | None) -> GitUrl:
    """Return a submodule's URL; a relative one is relative to `of`, the repository that contains it. Raises Invalid."""
    if not url.startswith((_HERE, _ABOVE)):
        return parse_url(url)
    if of is None:
        raise Invalid(
            f"The submodule URL {shown(url)} is relative, which pushes do not support.",
            "Write its full URL into .gitmodules, such as https://example.com/ada/lib.git, commit and push again.",
        )
    base = of.path.rstrip("/")
    while url.startswith((_HERE, _ABOVE)):
        if url.startswith(_ABOVE):
            base = base.rpartition("/")[0]
        url = url.partition("/")[2]
    return parse_url(str(replace(of, path=f"{base}/{url}")))


def whole(tree: Tree, submodules: Mapping[str, Tree]) -> Tree:
    """Return a tree combined with those of its submodules, which `submodules` has by path. Raises Invalid if there are too many files."""
    of_all = [("", tree), *((f"{path}/", submodule) for path, submodule in submodules.items())]
    files = sum(each.files for _, each in of_all)
    if files > MAX_ENTRIES:
        raise Invalid(f"With its submodules, the commit contains more than {MAX_ENTRIES} files.", "Leave out what the app does not need.")
    prefix, largest = max(of_all, key=lambda each: each[1].largest_bytes)
    return Tree(
        files,
        sum(each.size_bytes for _, each in of_all),
        prefix + largest.largest_path,
        largest.largest_bytes,
        tuple(prefix + path for prefix, each in of_all for path in each.submodules if prefix + path not in submodules),
        tuple(prefix + path for prefix, each in of_all for path in each.lfs_pointers),
    )
