"""The panel is installed as a wheel: what must be executable has to stay so, and what is asked of Debian is asked once."""

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    argv = (sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder))
    subprocess.run(argv, cwd=ROOT, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


def test_programs_stay_executable(wheel, tmp_path):
    pip = (
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
        "--no-compile",
        "--target",
        str(tmp_path),
        str(wheel),
    )
    subprocess.run(pip, check=True, capture_output=True)
    wanted = [file.relative_to(ROOT) for file in (*ROOT.glob("buildpacks/*/bin/*"), ROOT / "gitreceiver/hook/pre-receive")]
    assert len(wanted) > 1
    assert not [str(file) for file in wanted if not os.access(tmp_path / file, os.X_OK)]


def test_every_file_of_the_packages_is_in_it(wheel):
    packed = set(zipfile.ZipFile(wheel).namelist())
    packages = ("skypanel", "gitreceiver", "web", "workers", "buildpacks", "migrations")
    files = [file for package in packages for file in (ROOT / package).rglob("*") if file.is_file() and "__pycache__" not in file.parts]
    assert not [file for file in files if str(file.relative_to(ROOT)) not in packed]


def deploy(script, *arguments, cwd=ROOT, **environment):
    return subprocess.run(
        (ROOT / "deploy" / script, *arguments), cwd=cwd, env={**os.environ, **environment}, check=False, capture_output=True, text=True
    )


def test_make_env_says_where_the_environment_is():
    told = subprocess.run(
        ("make", "--no-print-directory", "--dry-run", "env"), cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.splitlines()
    assert re.fullmatch(r'echo "The environment is in (/opt/skypanel/env-[0-9a-f]{8}|.*/\.venv)"', told[-1])


def test_nothing_is_installed_where_nothing_is_missing():
    done = deploy("packages.sh", sys.executable)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_lock_files_name_no_registry_and_hash_everything(tmp_path):
    assert deploy("check-locks.sh").returncode == 0
    (tmp_path / "requirements.lock").write_text("--index-url https://packages.example.com/simple\nclick==8.0 \\\n    --hash=sha256:00\n")
    named = deploy("check-locks.sh", cwd=tmp_path)
    assert named.returncode == 1
    assert "names where packages come from" in named.stderr
    (tmp_path / "requirements.lock").write_text("click==8.0\nredis==7 \\\n    --hash=sha256:00\n")
    unhashed = deploy("check-locks.sh", cwd=tmp_path)
    assert unhashed.returncode == 1
    assert "without a hash" in unhashed.stderr


def test_every_shell_script_is_found_to_be_checked(tmp_path):
    (tmp_path / "named.sh").write_text("true\n")
    (tmp_path / "unnamed").write_text("#!/usr/bin/env bash\ntrue\n")
    (tmp_path / "posix").write_text("#!/bin/sh\ntrue\n")
    (tmp_path / "snake").write_text("#!/usr/bin/env python3\n")
    assert deploy("shell-files.sh", cwd=tmp_path).stdout.split() == ["./named.sh", "./posix", "./unnamed"]


def test_help_lists_every_target():
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    shown = subprocess.run(("make", "--no-print-directory", "help"), cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert {line.split()[1] for line in shown.splitlines()} == targets
