import shlex

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gitreceiver.command import Command, Service, parse
from skypanel.domain.errors import Invalid
from skypanel.domain.names import RESERVED_NAMES, check_app_name


@pytest.mark.parametrize("program", ["git-receive-pack", "git receive-pack"])
@pytest.mark.parametrize("path", ["'/hello.git'", "'hello.git'", "/hello", "hello", "'/hello.git/'", '"hello"', "//hello.git"])
def test_the_forms_that_git_clients_send(program, path):
    assert parse(f"{program} {path}") == Command(Service.RECEIVE, "hello")


def test_fetching():
    assert parse("git-upload-pack '/my-app.git'") == Command(Service.UPLOAD, "my-app")


@pytest.mark.parametrize(
    "line",
    [
        "",
        " ",
        "git",
        "git-receive-pack",
        "git receive-pack",
        "git-shell x",
        "git-receive-pack a b",
        "git-receive-pack 'a",
        "bash -c x",
        "git-receive-pack\0a",
    ],
)
def test_anything_else_is_refused_with_what_to_do(line):
    with pytest.raises(Invalid) as refused:
        parse(line)
    assert refused.value.hint == "Push with: git push skypanel main"


@pytest.mark.parametrize(
    "line", ["git-lfs-authenticate hello.git upload", "git-lfs-transfer '/hello.git' download", "git-lfs-authenticate"]
)
def test_a_client_of_lfs_is_told_what_to_do(line):
    with pytest.raises(Invalid, match="does not store Git LFS objects") as refused:
        parse(line)
    assert "git lfs migrate export" in refused.value.hint


@pytest.mark.parametrize("path", ["..", "../x", "/a/b", "/etc/passwd", ".git", "/.git", "a.git.git", "'a;b'", "'$(x)'", "-h", "A", "''"])
def test_a_path_is_an_app_name_and_no_more(path):
    with pytest.raises(Invalid):
        parse(f"git-receive-pack {path}")


@given(st.text(max_size=200))
@example("git-receive-pack '\n/x'")
@example("git-receive-pack " + "a" * 5000)
def test_a_hostile_line_is_refused_or_names_an_app(line):
    try:
        command = parse(line)
    except Invalid:
        return
    assert check_app_name(command.name) == command.name


@given(st.sampled_from(list(Service)), st.from_regex(r"[a-z][a-z0-9]{0,20}", fullmatch=True), st.text(max_size=20))
def test_what_is_quoted_as_git_does_is_read_back(service, name, junk):
    if name not in RESERVED_NAMES:
        assert parse(f"git-{service} {shlex.quote(f'/{name}.git')}") == Command(service, name)
    try:
        parsed = parse(f"git-{service} {shlex.quote(junk)}")
    except Invalid:
        return
    assert parsed.name in junk
