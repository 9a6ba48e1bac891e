import subprocess
import sys
import tomllib

import pytest

from skypanel.cli.main import MODULES, commands
from tests.support.documents import ROOT

LIBRARIES = ("aiohttp", "aiopg", "asyncssh", "celery", "cryptography", "psycopg2", "redis", "sqlalchemy")


@pytest.mark.parametrize("load", MODULES)
def test_the_table_names_the_commands_of_each_module(load):
    assert tuple(command.name for command in load()) == MODULES[load]


def test_the_table_has_every_module_with_commands():
    with_commands = {file.stem for file in (ROOT / "skypanel/cli").glob("*.py") if "\nCOMMANDS = " in file.read_text()}
    assert {load.__name__.removeprefix("_") for load in MODULES} == with_commands


def test_every_command_is_found_by_its_name_and_nothing_else_is():
    for names in MODULES.values():
        assert [commands.get_command(None, name).name for name in names] == list(names)
    assert commands.get_command(None, "no-such-command") is None


@pytest.mark.parametrize(
    ("imported", "unwanted"),
    [
        ("web.app, skypanel.engines.embedded", {"boto3", "docker", "asyncssh"}),
        ("gitreceiver.__main__, skypanel.engines.embedded", {"boto3", "docker", "jinja2"}),
        ("workers.run, workers.app, skypanel.engines.embedded", {"boto3", "docker", "asyncssh", "jinja2"}),
        ("workers.collector", {"boto3", "docker", *LIBRARIES}),
    ],
)
def test_a_panel_on_files_holds_no_library_in_memory_that_it_has_no_use_for(imported, unwanted):
    shown = subprocess.run(
        [sys.executable, "-c", f"import sys; import {imported}; print(*sys.modules)"], capture_output=True, text=True, check=True
    )
    assert not unwanted & set(shown.stdout.split())


def test_up_which_stays_holds_no_library_in_memory_that_only_a_start_needs():
    code = "import sys; from skypanel.cli.main import commands; commands.get_command(None, 'up'); print(*sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not set(LIBRARIES) & set(shown.stdout.split())


def test_the_command_says_the_version_that_the_project_names():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    shown = subprocess.run([sys.executable, "-m", "skypanel.cli", "--version"], capture_output=True, text=True, check=True, cwd=ROOT)
    assert shown.stdout == f"skypanel, version {project['version']}\n"
