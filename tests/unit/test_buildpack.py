import pytest

from skypanel.domain import buildpack
from skypanel.domain.buildpack import Buildpack, Login
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


@pytest.mark.parametrize(
    ("login", "expected"),
    [("ada:pass%40word", Login("ada", "pass@word")), ("a-token", Login("a-token", "")), ("ada:a:b", Login("ada", "a:b"))],
)
def test_the_login_of_a_private_one_is_kept_apart_and_out_of_sight(login, expected):
    pack = buildpack.parse(f"https://{login}@git.example/private.git#v1")
    assert pack == Buildpack("private", "https://git.example/private.git", "v1", expected)
    assert expected.user not in repr(pack)


@pytest.mark.parametrize("text", ["ssh://ada:word@git.example/x", "https://ada:w@word@git.example/x", "https://ada:wo/word@git.example/x"])
def test_a_login_is_not_shown_where_its_url_is_refused(text):
    with pytest.raises(Invalid) as refused:
        buildpack.parse(text)
    assert "word" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("heroku/python", Buildpack("python")),
        ("urn:buildpack:heroku/python", Buildpack("python")),
        ("https://store.example/buildpacks/heroku/nodejs.tgz", Buildpack("nodejs")),
        ("https://git.example/heroku/heroku-buildpack-static.git", Buildpack("static")),
        (
            "https://git.example/heroku/heroku-buildpack-ruby.git",
            Buildpack("heroku-buildpack-ruby", "https://git.example/heroku/heroku-buildpack-ruby.git"),
        ),
        (
            "https://git.example/heroku/heroku-buildpack-python#v200",
            Buildpack("heroku-buildpack-python", "https://git.example/heroku/heroku-buildpack-python", "v200"),
        ),
        (
            "https://git.example/ada/heroku-buildpack-python",
            Buildpack("heroku-buildpack-python", "https://git.example/ada/heroku-buildpack-python"),
        ),
    ],
)
def test_herokus_own_are_ours_where_we_have_them(text, expected):
    assert buildpack.named(text) == expected


@pytest.mark.parametrize(
    "text", ["https://ada:word@git.example/x", "heroku/ruby", "urn:buildpack:heroku/ruby", "https://x.example/buildpacks/a/b.tgz"]
)
def test_a_list_takes_no_login_and_nothing_that_is_not_there(text):
    with pytest.raises(Invalid) as refused:
        buildpack.named(text)
    assert "word" not in str(refused.value)


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
