import pytest

from skypanel.domain.errors import Invalid
from skypanel.domain.push import MAX_ENTRIES, Link, Tree
from skypanel.domain.remote import parse_url
from skypanel.domain.submodule import resolve, whole

HTTPS, SSH = "https://example.com/ada/app.git", "git@example.com:ada/app.git"


@pytest.mark.parametrize(
    ("url", "of", "expected"),
    [
        ("https://other.example/x.git", None, "https://other.example/x.git"),
        ("../lib.git", HTTPS, "https://example.com/ada/lib.git"),
        ("../../bob/lib", HTTPS, "https://example.com/bob/lib"),
        ("./lib.git", HTTPS, "https://example.com/ada/app.git/lib.git"),
        ("./../lib.git", HTTPS, "https://example.com/ada/lib.git"),
        ("../lib.git", SSH, "git@example.com:ada/lib.git"),
        ("../lib.git", "ssh://git@example.com:2222/ada/app.git", "ssh://git@example.com:2222/ada/lib.git"),
    ],
)
def test_a_url_is_read_beside_the_repository_it_belongs_to(url, of, expected):
    assert str(resolve(url, of and parse_url(of))) == expected


@pytest.mark.parametrize("url", ["../../../lib.git/../..", "../..", "../a/../../b", "../-x y", "../x?y"])
def test_what_leads_nowhere_is_refused(url):
    with pytest.raises(Invalid):
        resolve(url, parse_url(HTTPS))


def test_a_whole_counts_all_and_names_files_by_their_whole_path():
    top = Tree(2, 10, "a", 8, ("lib", "bare"), (), (Link("lib", "1" * 40, HTTPS),))
    lib = Tree(3, 100, "big", 90, ("deep",), ("model.bin",), ())
    deep = Tree(1, 5, "x", 5)
    assert whole(top, {"lib": lib, "lib/deep": deep}) == Tree(6, 115, "lib/big", 90, ("bare",), ("lib/model.bin",))


def test_too_many_files_in_all_are_refused():
    with pytest.raises(Invalid, match="With its submodules"):
        whole(Tree(2, 1, "a", 1), {"lib": Tree(MAX_ENTRIES - 1, 1, "b", 1)})
