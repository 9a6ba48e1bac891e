"""Package indexes of builds: what they may be, what a build is told, and that no login is in its log."""

import base64

import pytest

from skypanel.domain.errors import Invalid
from skypanel.domain.indexes import NPMRC, Indexes, read_url, read_urls
from skypanel.embedded.host_indexes import host_indexes

PIP = "https://me:s%40cret@pypi.example.com/simple"
EXTRA = ("http://10.1.2.3:3141/root/pypi",)
NPM = "https://a-token@npm.example.com/npm/"


def test_what_an_index_may_be():
    for url in (PIP, *EXTRA, NPM, "https://pypi.example.com"):
        assert read_url(url) == url
    assert read_urls("https://a/simple, http://b/simple") == "https://a/simple http://b/simple"


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "pypi.example.com",
        "file:///srv/wheels",
        "https://",
        "https://u:se cret@x",
        "https://x?q",
        "https://x:0",
        "https://x:y",
        "ftp://x",
    ],
)
def test_what_is_none_is_refused_and_not_repeated(wrong):
    with pytest.raises(Invalid) as refused:
        read_url(wrong)
    assert "se cret" not in str(refused.value)


def test_a_build_is_told_by_each_tools_own_variables():
    environment = Indexes(PIP, EXTRA, NPM).environment()
    assert environment["PIP_INDEX_URL"] == environment["UV_DEFAULT_INDEX"] == PIP
    assert environment["PIP_EXTRA_INDEX_URL"] == environment["UV_INDEX"] == EXTRA[0]
    assert environment["PIP_TRUSTED_HOST"] == environment["UV_INSECURE_HOST"] == "10.1.2.3:3141"
    assert environment["npm_config_registry"] == environment["YARN_NPM_REGISTRY_SERVER"] == "https://npm.example.com/npm/"
    assert environment["npm_config_userconfig"] == NPMRC
    assert Indexes().environment() == {}


def test_npm_has_its_login_in_a_file():
    assert Indexes(npm=NPM).npmrc() == "//npm.example.com/npm/:_authToken=a-token\n"
    pair = base64.b64encode(b"me:s@cret").decode()
    assert Indexes(npm="https://me:s%40cret@npm.example.com").npmrc() == f"//npm.example.com/:_auth={pair}\n"
    assert Indexes(npm="https://npm.example.com").npmrc() == ""


def test_no_login_is_seen_however_it_is_spelled():
    indexes = Indexes(PIP, EXTRA, NPM)
    pair = "//npm.example.com/npm/:_authToken=a-token"
    for line in (f"Looking in indexes: {PIP}", "the password is s@cret", "s%40cret", pair, NPM, Indexes(npm=PIP).hide("x")):
        hidden = indexes.hide(line)
        assert not any(word in hidden for word in ("s%40cret", "s@cret", "a-token")), hidden
    assert indexes.hide("Collecting flask") == "Collecting flask"
    assert "s%40cret" not in repr(indexes)


def write(root, files):
    for name, body in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(body)


def test_a_machine_tells_its_own(tmp_path):
    pair = base64.b64encode(b"me:p@ss").decode()
    write(
        tmp_path,
        {
            "etc/pip.conf": f"[global]\nindex-url = {PIP}\nextra-index-url =\n    file:///srv/simple\n    {EXTRA[0]}\n",
            "usr/etc/npmrc": f"registry=https://npm.example.com/npm/\n//npm.example.com/npm/:_auth={pair}\n; a=b\n",
        },
    )
    found = {"pip_index_url": PIP, "pip_extra_index_urls": EXTRA[0], "npm_registry": "https://me:p%40ss@npm.example.com/npm/"}
    assert host_indexes({}, tmp_path) == found
    write(
        tmp_path,
        {"me/.npmrc": "//npm.example.com/npm/:_authToken=to/ken\n", "me/.config/pip/pip.conf": "[install]\nindex-url = https://own/\n"},
    )
    own = host_indexes({"HOME": str(tmp_path / "me")}, tmp_path)
    assert own["pip_index_url"] == "https://own/"
    assert own["npm_registry"] == "https://to%2Fken@npm.example.com/npm/"
    told = host_indexes({"PIP_INDEX_URL": "https://told/", "npm_config_registry": "https://npm.told/"}, tmp_path)
    assert (told["pip_index_url"], told["npm_registry"]) == ("https://told/", "https://npm.told/")


@pytest.mark.parametrize(
    "body", ["index-url = x", "[global\n", "[global]\nindex-url = /srv/simple\n", "[global]\nindex-url = https://a b\n"]
)
def test_what_a_build_could_not_use_is_left_out(tmp_path, body):
    write(tmp_path, {"etc/pip.conf": body, "etc/npmrc": "registry"})
    assert host_indexes({}, tmp_path) == {}
