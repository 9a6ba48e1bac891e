import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.buildpack_sandbox import free_port, new_site
from tests.support.runtime_mirror import runtime_mirror

STACK_PYTHON = Path("/usr/bin/python3").resolve()
VERSION = subprocess.run(
    [STACK_PYTHON, "-c", "import platform; print(platform.python_version())"], capture_output=True, text=True, check=True
).stdout.strip()
MINOR = VERSION.rpartition(".")[0]


@pytest.fixture(scope="module")
def site():
    """One app with one cache for all tests: what each of them installs differs."""
    with new_site() as site:
        yield site


@pytest.fixture(scope="module")
def mirror():
    return runtime_mirror()


@pytest.fixture
def plain(site):
    site.use("python-plain")
    shutil.rmtree(site.home / "tmp" / "runtimes", ignore_errors=True)
    return site


def test_an_app_without_dependencies_answers(plain):
    assert plain.detect("python").output == "Python\n"
    output = plain.compiled("python").output
    assert f"-----> Using Python {VERSION}: the stack's default, as the app names none" in output
    assert "write it into .python-version" in output
    assert plain.release("python").output == "--- {}\n"
    with plain.serving(GREETING="hello there") as server:
        assert server.get("/").body == "Hello from SkyPanel\n"
        assert server.get("/env?key=GREETING").body == "hello there\n"
        assert server.get("/env?key=PYTHONUNBUFFERED").body == "1\n"
        assert int(server.get("/env?key=WEB_CONCURRENCY").body) > 0
        assert server.get("/env?key=PYTHONHOME").status == 404


@pytest.mark.req("R17.1")
def test_flask_answers_and_a_second_build_reuses_the_environment(site):
    site.use("python-flask")
    cold = site.compiled("python")
    assert "        + flask==3.1.0" in cold.output
    site.use("python-flask")
    warm = site.compiled("python")
    assert "       Using cached dependencies: requirements.txt is unchanged" in warm.output
    assert warm.seconds < cold.seconds
    with site.serving() as server:
        assert server.get("/").body == "Hello from Flask\n"
    assert not (site.app / ".heroku/python/bin/pip").exists()


def test_a_changed_requirement_makes_a_new_environment(plain):
    plain.write("requirements.txt", "bottle==0.13.2\n")
    plain.compiled("python")
    plain.use("python-plain")
    plain.write("requirements.txt", "bottle==0.13.1\n")
    assert "Using cached" not in plain.compiled("python").output
    assert [path.name for path in plain.app.rglob("bottle-*.dist-info")] == ["bottle-0.13.1.dist-info"]


def test_uv_installs_from_its_lock_and_says_when_that_is_out_of_date(site):
    site.use("python-uv")
    assert "There is no uv.lock." in site.compiled("python").output
    lock(site)
    written = (site.app / "uv.lock").read_text()
    again(site, "python-uv", {"uv.lock": written})
    assert "-----> Installing dependencies from uv.lock" in site.compiled("python").output
    with site.serving() as server:
        assert server.get("/").body == "Hello from uv\n"
    again(site, "python-uv", {"uv.lock": written})
    assert "Using cached dependencies: uv.lock is unchanged" in site.compiled("python").output
    changed = (site.app / "pyproject.toml").read_text().replace("0.13.2", "0.13.1")
    again(site, "python-uv", {"uv.lock": written, "pyproject.toml": changed})
    stale = site.compile("python")
    assert stale.code == 1
    assert " !     If the lock is out of date, run uv lock" in stale.output


def lock(site):
    """Write uv.lock, which names the registry that this machine uses and so cannot be a fixture."""
    done = site.run("bash", "-c", "UV_CACHE_DIR=/tmp/uv UV_PYTHON_DOWNLOADS=never /tools/uv lock")
    assert done.code == 0, done.output


def again(site, fixture, files):
    site.use(fixture)
    for name, text in files.items():
        site.write(name, text)


def test_poetry_installs_from_its_lock(site):
    site.use("python-poetry")
    assert "-----> Installing dependencies from poetry.lock" in site.compiled("python").output
    with site.serving() as server:
        assert server.get("/").body == "Hello from poetry\n"
    assert not list(site.app.rglob("poetry*.dist-info"))
    site.use("python-poetry")
    assert "Using cached dependencies: poetry.lock is unchanged" in site.compiled("python").output


def test_pipenv_installs_from_its_lock_with_hashes(site):
    site.use("python-pipenv")
    assert "-----> Installing dependencies from Pipfile.lock" in site.compiled("python").output
    with site.serving() as server:
        assert server.get("/").body == "Hello from pipenv\n"
    forged = (site.app / "Pipfile.lock").read_text().replace("sha256:27", "sha256:00").replace("sha256:e5", "sha256:00")
    again(site, "python-pipenv", {"Pipfile.lock": forged})
    refused = site.compile("python")
    assert refused.code == 1
    assert "Hash mismatch for `bottle" in refused.output
    assert " !     Lock again, commit Pipfile.lock and push again." in refused.output


def test_an_app_that_is_a_package_is_installed(plain):
    plain.write("src/greeting/__init__.py", 'def main():\n    print("Hello from a package")\n')
    (plain.app / "requirements.txt").unlink()
    plain.write(
        "pyproject.toml",
        '[build-system]\nrequires = ["flit-core>=3.9"]\nbuild-backend = "flit_core.buildapi"\n'
        '[project]\nname = "greeting"\nversion = "1"\ndescription = "greets"\nscripts = {greet = "greeting:main"}\n',
    )
    plain.compiled("python")
    assert plain.run("/app/.heroku/python/bin/greet").output == "Hello from a package\n"


def test_several_files_at_once_say_which_counts_and_why(site):
    site.use("python-pipenv")
    site.write("requirements.txt", "bottle==0.13.1\n")
    output = site.compiled("python").output
    assert "-----> Installing dependencies from Pipfile.lock" in output
    assert " !     Not read: requirements.txt. Of several files the most exact counts, which is Pipfile.lock." in output


def test_a_bad_requirement_gives_pips_words_and_what_to_do(site):
    site.use("broken-build")
    done = site.compile("python")
    assert done.code == 1
    assert "       ERROR: Invalid requirement: 'flask=!=3'" in done.output
    assert " !     Correct the line that it names, try it with: pip install -r requirements.txt" in done.output


def test_an_index_that_does_not_answer_is_not_the_apps_mistake():
    nowhere = f"http://127.0.0.1:{free_port()}/simple"
    environment = {
        "PIP_CONFIG_FILE": "/dev/null",
        "PIP_INDEX_URL": nowhere,
        "PIP_RETRIES": "1",
        "UV_INDEX_URL": nowhere,
        "UV_HTTP_RETRIES": "1",
    }
    with new_site(environment) as site:
        site.use("python-plain")
        site.write("requirements.txt", "bottle==0.13.2\n")
        done = site.compile("python")
    assert done.code == 1
    assert " !     The package registry at 127.0.0.1:" in done.output
    assert "Correct the line" not in done.output


def test_a_missing_procfile_is_told_with_a_likely_line(site):
    site.use("python-flask")
    (site.app / "Procfile").unlink()
    output = site.compiled("python").output
    assert " !     There is no Procfile. For this app it is likely this line: web: gunicorn app:app" in output


def test_a_pin_that_the_stack_meets(plain):
    plain.write(".python-version", f"{MINOR}\n")
    output = plain.compiled("python").output
    assert f"-----> Using Python {VERSION}: .python-version asks for {MINOR}.* (the stack's own)" in output


def test_a_pin_that_cannot_be_had_names_those_that_can(plain):
    plain.write("runtime.txt", "python-2.7.18\n")
    done = plain.compile("python")
    assert done.code == 1
    assert " !     runtime.txt is the old way to name a Python version." in done.output
    assert " !     Python 2.7 is at the end of its life: it has had no security fixes since 2020-01." in done.output
    assert " !     Python 2.7.18, which runtime.txt asks for, cannot be had here." in done.output
    assert f" !     These can: {VERSION}" in done.output


def test_another_version_comes_from_a_mirror(plain, mirror):
    wanted = mirror.pythons[0]
    plain.write(".python-version", wanted)
    assert plain.needs("python").startswith("? ")
    plain.offer("python", mirror)
    assert plain.needs("python") == wanted
    output = plain.compiled("python").output
    assert f"-----> Using Python {wanted}: .python-version asks for {wanted} (which the stack lacks)" in output
    with plain.serving() as server:
        assert server.get("/").body == "Hello from SkyPanel\n"
    assert plain.run("/app/.heroku/python/bin/python", "-c", "import sys; print(sys.prefix)").output == "/app/.heroku/python\n"


def test_a_version_that_is_over_is_said_to_be(plain, mirror):
    plain.write(".python-version", "3.7\n")
    plain.offer("python", mirror)
    done = plain.compile("python")
    assert done.code == 1
    assert " !     Python 3.7.*, which .python-version asks for, cannot be had here." in done.output
    assert " !     Python 3.7 is at the end of its life: it has had no security fixes since 2023-06." in done.output
    can = next(line for line in done.output.splitlines() if "These can: " in line)
    assert can.endswith(VERSION)
    assert mirror.pythons[0] in can


MANAGE = """
import os, sys
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "site_settings")
from django.core.management import execute_from_command_line
execute_from_command_line(sys.argv)
"""
SETTINGS = """
SECRET_KEY = "x"
INSTALLED_APPS = ["django.contrib.staticfiles"]
STATIC_URL = "static/"
STATICFILES_DIRS = ["/app/assets"]
"""


def test_django_collects_static_files_unless_told_not_to(plain):
    django = {"requirements.txt": "django==5.1.4\n", "manage.py": MANAGE, "site_settings.py": SETTINGS}
    again(plain, "python-plain", {**django, "assets/site.css": "body {}"})
    assert "Passed over: the app's settings name no STATIC_ROOT" in plain.compiled("python").output
    django["site_settings.py"] += 'STATIC_ROOT = "/app/collected"\n'
    again(plain, "python-plain", {**django, "assets/site.css": "body {}"})
    plain.compiled("python")
    assert (plain.app / "collected/site.css").read_text() == "body {}"
    again(plain, "python-plain", django | {"site_settings.py": "raise SystemError('broken settings')"})
    failed = plain.compile("python")
    assert failed.code == 1
    assert "broken settings" in failed.output
    assert "set the config var DISABLE_COLLECTSTATIC to 1." in failed.output
    from_environment = "import os\n" + SETTINGS.replace('"x"', 'os.environ["SECRET_KEY"]')
    again(plain, "python-plain", django | {"site_settings.py": from_environment})
    failed = plain.compile("python")
    assert failed.code == 1
    assert " !     manage.py collectstatic needs the config var SECRET_KEY, which is not set; its output is above." in failed.output
    assert "skypanel config YOUR-APP --set SECRET_KEY" in failed.output
    (plain.home / "env" / "DISABLE_COLLECTSTATIC").write_text("1")
    try:
        plain.compiled("python")
    finally:
        (plain.home / "env" / "DISABLE_COLLECTSTATIC").unlink()


def test_hooks_run_with_the_config_vars_and_later_buildpacks_get_the_path(plain):
    plain.write("bin/post_compile", '#!/usr/bin/env bash\necho "hooked: $GREETING"; command -v python\n')
    (plain.home / "env" / "GREETING").write_text("hello")
    try:
        output = plain.compiled("python").output
    finally:
        (plain.home / "env" / "GREETING").unlink()
    assert "       hooked: hello\n       /app/.heroku/python/bin/python\n" in output
    later = plain.run("bash", "-c", ". /tmp/buildpacks/python/export; command -v python")
    assert later.output == "/app/.heroku/python/bin/python\n"
