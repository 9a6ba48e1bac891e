import runpy
from pathlib import Path

import pytest

LIB = Path(__file__).parents[2] / "buildpacks" / "python" / "lib"
choose_python = runpy.run_path(str(LIB / "choose_python.py"))
pipfile = runpy.run_path(str(LIB / "pipfile.py"))
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
    [("3.12\n", "==3.12.*"), ("# ours\n\n3.12.4\n", "==3.12.4"), ("python-3.11.2\n", "==3.11.2"), ("3", "==3.*")],
)
def test_a_version_file_pins(text, clauses):
    assert choose_python["pinned"](text, ".python-version").clauses == clauses


@pytest.mark.parametrize("text", ["", "3.12\n3.11\n", "pypy3.10", "3.13t", "latest"])
def test_a_version_file_that_names_no_one_version_says_what_to_write(text):
    with pytest.raises(SystemExit, match=r"into it, such as 3\.12"):
        choose_python["pinned"](text, ".python-version")


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
