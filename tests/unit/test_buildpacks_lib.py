import hashlib
import os
import subprocess
from pathlib import Path

import pytest

from skypanel.domain.buildpack import BUNDLED

BUILDPACKS = Path(__file__).parents[2] / "buildpacks"


def bash(script, *arguments, **environment):
    parts = "".join(f'source "{BUILDPACKS}/lib/{name}.sh"; ' for name in ("output", "environment", "cache", "fetch"))
    return subprocess.run(
        ["bash", "-c", f"set -euo pipefail; {parts}{script}", "test", *map(str, arguments)],
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("name", BUNDLED)
def test_every_bundled_buildpack_is_whole(name):
    for program in ("detect", "compile", "release"):
        assert os.access(BUILDPACKS / name / "bin" / program, os.X_OK)
    assert (BUILDPACKS / name / "README.md").read_text().startswith("# ")


def test_output_has_herokus_form():
    done = bash("heading one; detail two three; indented printf 'four\\n\\nfive\\n'; warn six seven")
    assert done.stdout == "-----> one\n       two\n       three\n       four\n\n       five\n"
    assert done.stderr == " !     six\n !     seven\n"


def test_an_indented_command_keeps_its_exit_status():
    assert bash("indented sh -c 'echo why >&2; exit 7'").returncode == 7


def test_config_vars_are_exported_but_for_those_that_bend_the_build(tmp_path):
    bending = ("LD_PRELOAD", "SKYPANEL_RUNTIME_MIRROR", "not-a-name", "BUILD_DIR")
    for name in (*bending, "PATH"):
        (tmp_path / name).write_text("/nowhere")
    (tmp_path / "GREETING").write_text("hello\nworld\n")
    done = bash('export_env_dir "$1"; env -0', tmp_path)
    seen = dict(entry.split("=", 1) for entry in done.stdout.split("\0") if entry)
    assert seen["GREETING"] == "hello\nworld\n"
    assert seen["PATH"] == os.environ["PATH"]
    assert not seen.keys() & set(bending)


def test_a_tree_is_restored_under_its_key_only(tmp_path):
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "file").write_text("kept")
    assert bash('cache_dir=$1/cache; cache_save tree one "$1/tree"', tmp_path).returncode == 0
    assert bash('cache_dir=$1/cache; cache_restore tree two "$1/back"', tmp_path).returncode == 1
    assert bash('cache_dir=$1/cache; cache_restore tree one "$1/back"; cat "$1/back/file"', tmp_path).stdout == "kept"


def test_a_tree_without_its_key_is_not_restored(tmp_path):
    (tmp_path / "tree").mkdir()
    assert bash('cache_dir=$1; cache_restore tree "" "$1/back"', tmp_path).returncode == 1


def test_a_changed_buildpack_has_another_version(tmp_path):
    (tmp_path / "lib").mkdir()
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "compile").write_text("one")
    before = bash('buildpack_version "$1/pack"', tmp_path).stdout
    (tmp_path / "pack" / "export").write_text("left by an earlier run")
    assert bash('buildpack_version "$1/pack"', tmp_path).stdout == before
    (tmp_path / "pack" / "compile").write_text("two")
    assert bash('buildpack_version "$1/pack"', tmp_path).stdout != before


def test_a_download_is_verified_and_kept(tmp_path):
    (tmp_path / "source").write_text("content")
    digest = hashlib.sha256(b"content").hexdigest()
    assert bash('fetch_verified "$1/source" "$2" "$1/cache/file"', tmp_path, digest).returncode == 0
    (tmp_path / "source").unlink()
    assert bash('fetch_verified "$1/source" "$2" "$1/cache/file"', tmp_path, digest).returncode == 0


def test_a_download_that_is_not_what_was_promised_is_refused(tmp_path):
    (tmp_path / "source").write_text("something else")
    done = bash('fetch_verified "$1/source" "$2" "$1/cache/file"', tmp_path, hashlib.sha256(b"content").hexdigest())
    assert done.returncode == 1
    assert "is not the file that its index promises" in done.stderr
    assert not list((tmp_path / "cache").iterdir())


@pytest.mark.parametrize(("top", "mode"), [(".", "z"), ("python", "J")])
def test_archives_are_unpacked_with_or_without_a_folder_around(top, mode, tmp_path):
    tree = tmp_path / "tree" / top
    (tree / "bin").mkdir(parents=True)
    (tree / "bin" / "python").write_text("")
    subprocess.run(["tar", f"-c{mode}f", str(tmp_path / "archive"), "-C", str(tmp_path / "tree"), top], check=True)
    assert bash('unpack "$1/archive" "$1/out"', tmp_path).returncode == 0
    assert (tmp_path / "out" / "bin" / "python").exists()


@pytest.mark.parametrize(("variables", "workers"), [({"WEB_MEMORY": "100000000"}, "1"), ({"WEB_CONCURRENCY": "7"}, "7")])
def test_web_concurrency_is_at_least_one_and_yields_to_the_user(variables, workers):
    done = bash(f'source "{BUILDPACKS}/lib/web_concurrency.sh"; echo "$WEB_CONCURRENCY"', **variables)
    assert done.stdout.strip() == workers
