import pytest

from skypanel.domain import buildpack
from skypanel.domain.buildpack import Buildpack
from skypanel.domain.errors import Invalid


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("python", Buildpack("python")),
        ("heroku/nodejs", Buildpack("nodejs")),
        ("https://git.example/heroku-buildpack-apt.git", Buildpack("heroku-buildpack-apt", "https://git.example/heroku-buildpack-apt.git")),
        ("https://git.example/inline#v1.2", Buildpack("inline", "https://git.example/inline", "v1.2")),
    ],
)
def test_bundled_names_and_urls(text, expected):
    assert buildpack.parse(text) == expected


@pytest.mark.parametrize("text", ["cobol", "../python", "file:///etc", "ssh://x/y", "https://x/y#--upload-pack=touch", "https://x y", ""])
def test_anything_else_is_refused(text):
    with pytest.raises(Invalid):
        buildpack.parse(text)


def test_several_keep_their_order():
    packs = buildpack.parse_list("# first the assets\nnodejs\n\npython\nhttps://git.example/apt#main\n")
    assert [pack.name for pack in packs] == ["nodejs", "python", "apt"]
    assert [pack.directory(position) for position, pack in enumerate(packs, 1)] == [
        "/tmp/buildpacks/nodejs",
        "/tmp/buildpacks/python",
        "/tmp/buildpacks/3",
    ]


@pytest.mark.parametrize(
    ("release", "expected"),
    [
        (None, {}),
        ({}, {}),
        ("web: a", {}),
        ({"default_process_types": None}, {}),
        ({"default_process_types": ["web"]}, {}),
        ({"default_process_types": {"web": "npm start"}, "config_vars": {}}, {"web": "npm start"}),
        ({":default_process_types": {"web": "x"}}, {"web": "x"}),
    ],
)
def test_default_process_types(release, expected):
    assert buildpack.default_process_types(release) == expected
