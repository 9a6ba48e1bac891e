import subprocess
import sys
import tomllib

import pytest

from skypanel.cli.main import MODULES, commands
from tests.support.documents import ROOT


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


def test_the_command_says_the_version_that_the_project_names():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    shown = subprocess.run([sys.executable, "-m", "skypanel.cli", "--version"], capture_output=True, text=True, check=True, cwd=ROOT)
    assert shown.stdout == f"skypanel, version {project['version']}\n"
