import runpy
from pathlib import Path

import pytest

LIB = Path(__file__).parents[2] / "buildpacks" / "python" / "lib"
choose_python = runpy.run_path(str(LIB / "choose_python.py"))
pipfile = runpy.run_path(str(LIB / "pipfile.py"))
settled = runpy.run_path(str(LIB / "settled.py"))
fingerprint = runpy.run_path(str(LIB / "fingerprint.py"))


@pytest.mark.parametrize(
    ("clauses", "version", "allowed"),
    [
        (">=3.11", (3, 11, 0), True),
        (">=3.11", (3, 10, 9), False),
        (">=3.11,<3.13", (3, 13, 0), False),
        (">=3.11, <3.13", (3, 12, 7), True),
        (">=3.11 <3.13", (3, 13, 1), False),
        ("==3.12.*", (3, 12, 9), True),
        ("==3.12.*", (3, 11, 9), False),
        ("==3.12.4", (3, 12, 4), True),
        ("==3.12.4", (3, 12, 5), False),
        ("!=3.12.*", (3, 12, 5), False),
        ("!=3.12.4", (3, 12, 5), True),
        ("~=3.11", (3, 14, 0), True),
        ("~=3.11.2", (3, 11, 9), True),
        ("~=3.11.2", (3, 12, 0), False),
        ("^3.11", (3, 14, 0), True),
        ("^3.11", (4, 0, 0), False),
        ("~3.11", (3, 12, 0), False),
        ("~2.7 || ^3.11", (3, 12, 0), True),
        ("3.12", (3, 12, 0), True),
        ("*", (3, 11, 0), True),
        ("<=3.11", (3, 11, 0), True),
    ],
)
def test_a_range_allows_what_its_notation_says(clauses, version, allowed):
    assert choose_python["allows"](clauses, version) is allowed


@pytest.mark.parametrize(
    ("text", "clauses"),
    [
        ("3.12\n", "==3.12.*"),
        ("# ours\n\n3.12.4\n", "==3.12.4"),
        ("python-3.11.2\n", "==3.11.2"),
        ("3", "==3.*"),
        ("  3.11  \r\n", "==3.11.*"),
        ("python-3.11.2\r", "==3.11.2"),
        ("3.11.*\n", "==3.11.*"),
        ("3.*", "==3.*"),
    ],
)
def test_a_version_file_pins(text, clauses):
    assert choose_python["pinned"](text, ".python-version").clauses == clauses


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be-bom"])
def test_a_version_file_is_read_whichever_editor_wrote_it(encoding, tmp_path):
    text = "# ours\n3.11\n"
    body = b"\xfe\xff" + text.encode("utf-16-be") if encoding == "utf-16-be-bom" else text.encode(encoding)
    (tmp_path / ".python-version").write_bytes(body)
    assert choose_python["wish"](tmp_path).clauses == "==3.11.*"


NO_ONE_VERSION = [
    "",
    "3.12\n3.11\n",
    "pypy3.10",
    "3.13t",
    "latest",
    '"3.11"',
    "3.11.2.*",
    "myproject-env",
    "\u0663.\u0661\u0661",
    "3." + "1" * 5000,
]


@pytest.mark.parametrize("text", NO_ONE_VERSION)
def test_a_version_file_that_names_no_one_version_says_what_to_write(text, capsys):
    with pytest.raises(SystemExit):
        choose_python["pinned"](text, ".python-version")
    assert "into it, such as 3.12" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "\n\n", "# ours\n"])
def test_a_version_file_that_names_none_is_called_empty(text, capsys):
    with pytest.raises(SystemExit):
        choose_python["pinned"](text, ".python-version")
    assert ".python-version is empty." in capsys.readouterr().err


@pytest.mark.parametrize("body", [b"3.11\x1b[2J\n", b"\x1b]0;title\x07", b"3.1\x001\x9b31m", b"\xff3.11", b"\xff\xfe3\x00\x1b"])
def test_no_control_character_of_a_version_file_comes_to_a_terminal(body, tmp_path, capsys):
    (tmp_path / ".python-version").write_bytes(body)
    with pytest.raises(SystemExit):
        choose_python["wish"](tmp_path)
    said = capsys.readouterr().err
    assert "which is no version of Python" in said
    assert said.replace("\n", "").isprintable()


@pytest.mark.parametrize(("name", "body"), [("Pipfile.lock", b"\xff"), ("pyproject.toml", b"\xff\xfe["), ("pyproject.toml", b"[")])
def test_a_file_that_cannot_be_read_says_which(name, body, tmp_path, capsys):
    (tmp_path / name).write_bytes(body)
    with pytest.raises(SystemExit):
        choose_python["wish"](tmp_path)
    assert f"{name} is not valid" in capsys.readouterr().err


def test_a_runtime_txt_beside_a_python_version_is_said_not_to_count(tmp_path, capsys):
    (tmp_path / "runtime.txt").write_text("python-3.9.1\n")
    (tmp_path / ".python-version").write_text("3.11\n")
    assert choose_python["wish"](tmp_path).clauses == "==3.11.*"
    assert " !     runtime.txt is not read: .python-version counts." in capsys.readouterr().err


STACK = [choose_python["Runtime"]((3, 11, 2), "/usr/bin/python3.11")]
OFFER = choose_python["Offer"](tuple(choose_python["Runtime"](number) for number in [(3, 14, 1), (3, 13, 5), (3, 13, 4), (3, 9, 20)]))


@pytest.mark.parametrize(
    ("wanted", "before", "after"),
    [("3.11", "", ""), ("3.13", "? 3.11.2", "3.13.5"), ("3.13.4", "? 3.11.2", "3.13.4"), ("3.12", "? 3.11.2", "")],
)
def test_the_panel_is_told_what_to_bring(wanted, before, after, tmp_path):
    (tmp_path / ".python-version").write_text(wanted)
    assert choose_python["needed"](tmp_path, STACK, None) == before
    assert choose_python["needed"](tmp_path, STACK, OFFER) == after


def test_what_cannot_be_had_comes_with_what_can_and_why(tmp_path, capsys):
    (tmp_path / ".python-version").write_text("3.12")
    with pytest.raises(SystemExit):
        choose_python["choose"](tmp_path, STACK, OFFER)
    said = capsys.readouterr().err
    assert " !     These can: 3.14.1, 3.13.5, 3.11.2, 3.9.20\n" in said
    assert "end of its life" not in said
    with pytest.raises(SystemExit):
        choose_python["choose"](tmp_path, STACK, choose_python["Offer"](failure="The network failed: nobody there."))
    said = capsys.readouterr().err
    assert " !     Which others there are could not be looked up. The network failed: nobody there.\n" in said
    assert " !     These can: 3.11.2\n" in said


@pytest.mark.parametrize(
    ("number", "since"), [((2, 7), "2020-01"), ((3, 4, 1), "2015-01"), ((3, 9, 1), "2025-10"), ((3, 99), ""), ((3,), "")]
)
def test_it_is_known_which_versions_are_over(number, since):
    assert choose_python["last_fixes"](number) == since


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("flask==3.1.0\ngunicorn[gevent]==23.0.0 ; python_version >= '3.9'  # why\n\n", True),
        ("a==1 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\n", True),
        ("--index-url https://host/simple\n--require-hashes\na==1.0.post1\n", True),
        ("-r more.txt\n", True),
        ("flask>=3\n", False),
        ("flask\n", False),
        ("flask=!=3\n", False),
        ("a==1.*\n", False),
        ("a===1\n", False),
        ("-e .\n", False),
        ("./wheels/a.whl\n", False),
        ("a @ https://host/a.whl\n", False),
        ("a==1 --global-option=x\n", False),
        ("-r gone.txt\n", False),
        ("--pre\na==1\n", False),
    ],
)
def test_uv_does_what_pip_would_where_every_version_is_named(text, same, tmp_path):
    path = tmp_path / "requirements.txt"
    path.write_text(text)
    (tmp_path / "more.txt").write_text("b==2\n")
    assert settled["is_settled"](path) is same


def test_a_pin_comes_before_a_range(tmp_path):
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "a"\nrequires-python = ">=3.11"\n')
    assert choose_python["wish"](tmp_path).clauses == ">=3.11"
    (tmp_path / "Pipfile.lock").write_text('{"_meta": {"requires": {"python_version": "3.12"}}}')
    assert choose_python["wish"](tmp_path).clauses == "==3.12.*"
    (tmp_path / ".python-version").write_text("3.13")
    assert choose_python["wish"](tmp_path).clauses == "==3.13.*"


def test_runtime_txt_is_read_and_called_old(tmp_path, capsys):
    (tmp_path / "runtime.txt").write_text("python-3.12.4\n")
    assert choose_python["wish"](tmp_path).clauses == "==3.12.4"
    assert " !     runtime.txt is the old way" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("entry", "line"),
    [
        ("*", "pkg"),
        ("==1.2", "pkg==1.2"),
        ({"version": "*", "extras": ["a", "b"]}, "pkg[a,b]"),
        ({"version": "==1", "markers": "python_version >= '3.9'"}, "pkg==1 ; (python_version >= '3.9')"),
        ({"version": "==1", "sys_platform": "== 'linux'"}, "pkg==1 ; (sys_platform == 'linux')"),
        ({"version": "==1", "hashes": ["sha256:aa", "sha256:bb"]}, "pkg==1 --hash=sha256:aa --hash=sha256:bb"),
        ({"git": "https://host/r.git", "ref": "abc"}, "pkg @ git+https://host/r.git@abc"),
        ({"path": ".", "editable": True}, "-e ."),
    ],
)
def test_a_pipfile_entry_becomes_a_requirement(entry, line):
    assert pipfile["requirement"]("pkg", entry) == line


@pytest.mark.parametrize(
    "line", ["-e .", ".", "./wheels/a.whl", "a @ git+https://host/r.git", "git+https://host/r.git@main", "-r gone.txt"]
)
def test_what_a_requirements_file_cannot_tell_is_not_reused(line, tmp_path):
    path = tmp_path / "requirements.txt"
    path.write_text(f"flask==3\n{line}\n")
    assert fingerprint["of_requirements"](path) is None


def test_a_fingerprint_covers_files_that_are_named(tmp_path):
    path = tmp_path / "requirements.txt"
    path.write_text("-r more.txt\nflask==3 --hash=sha256:aa  # a @ comment is none\n")
    (tmp_path / "more.txt").write_text("gunicorn==1\n")
    before = fingerprint["of_requirements"](path)
    (tmp_path / "more.txt").write_text("gunicorn==2\n")
    assert before
    assert fingerprint["of_requirements"](path) != before
