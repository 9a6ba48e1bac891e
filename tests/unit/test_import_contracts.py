"""Each of import-linter's contracts catches what it forbids: one import is made in a copy, and the contract is broken by it."""

import os
import shutil
import subprocess
import sys
import tomllib
from copy import deepcopy
from pathlib import Path

import grimp
import pytest
from importlinter.api import read_configuration
from importlinter.contracts.acyclic_siblings import AcyclicSiblingsContract
from importlinter.contracts.forbidden import ForbiddenContract
from importlinter.contracts.layers import LayersContract
from importlinter.contracts.protected import ProtectedContract

from tests.support.documents import ROOT
from tests.support.import_contracts import Needs, Rooms

# By contract, imports that it forbids: who imports, and what.
FORBIDDEN = {
    "Entry points stand side by side above the panel": [
        ("web.ansi", "workers.app"),
        ("workers.app", "gitreceiver.session"),
        ("skypanel.store.locks", "web.ansi"),
        ("skypanel.store.migrate", "migrations"),
        ("buildpacks", "skypanel.domain.app"),
    ],
    "Imports go down only": [
        ("skypanel.domain.app", "skypanel.store.apps"),
        ("skypanel.flow.apps", "skypanel.bootstrap"),
        ("skypanel.flow.apps", "skypanel.settings"),
        ("skypanel.store.apps", "skypanel.launcher.places"),
        ("skypanel.engines.swarm", "skypanel.embedded.home"),
        # A module that stands in no layer.
        ("skypanel.stray", "skypanel.domain.app"),
    ],
    "Siblings make no circle": [
        ("skypanel.drivers.docker.api", "skypanel.drivers.swarm.nodes"),
        ("skypanel.domain.errors", "skypanel.domain.app"),
        ("skypanel.launcher.sandbox", "skypanel.launcher.server"),
        ("web.api.answers", "web.middleware"),
    ],
    "The domain, ports, host, launcher and agent need the standard library only": [
        ("skypanel.domain.app", "yaml"),
        ("skypanel.ports.panel", "aiohttp"),
        ("skypanel.host.firewall", "skypanel.ports.panel"),
        ("skypanel.launcher.server", "pyseccomp"),
        ("workers.agent.docker", "docker"),
        ("workers.agent.slugs", "skypanel.domain.app"),
    ],
    "Flow alone asks the store": [
        ("web.internal", "skypanel.store.routes"),
        ("gitreceiver.__main__", "skypanel.store.keys"),
        ("skypanel.cli.apps", "skypanel.store.apps"),
        ("skypanel.embedded.starter", "skypanel.store.migrate"),
    ],
    "Drivers are opened by the composition root and the engines": [
        ("workers.collector", "skypanel.drivers.logs.files"),
        ("skypanel.cli.stack", "skypanel.drivers.docker.stack"),
        ("skypanel.embedded.doctor", "skypanel.drivers.sandbox.launcher"),
        ("web.api.account", "skypanel.drivers.ssh.public_keys"),
    ],
    "Drivers know neither the store nor flow": [("skypanel.drivers.logs.files", "skypanel.store.apps")],
    "The launcher is reached by its protocol alone": [
        ("skypanel.drivers.sandbox.launcher", "skypanel.launcher.server"),
        ("skypanel.cli.up", "skypanel.launcher.__main__"),
    ],
    "A library is imported in its rooms alone": [
        ("skypanel.flow.apps", "docker"),
        ("skypanel.drivers.git.objects", "boto3"),
        ("web.internal", "sqlalchemy"),
        ("skypanel.cli.run", "jinja2"),
        ("skypanel.settings", "requests"),
        # A library that has no room yet.
        ("skypanel.drivers.clock", "dateutil"),
    ],
}
CONFIGURATION = read_configuration(str(ROOT / "pyproject.toml"))
SESSION = CONFIGURATION["session_options"]
TYPES = {
    "acyclic_siblings": AcyclicSiblingsContract,
    "forbidden": ForbiddenContract,
    "layers": LayersContract,
    "needs": Needs,
    "protected": ProtectedContract,
    "rooms": Rooms,
}
CONTRACTS = {options["name"]: options for options in CONFIGURATION["contracts_options"]}


@pytest.fixture(scope="module")
def copied(tmp_path_factory):
    """A copy of what is checked, and of what checks it."""
    folder = tmp_path_factory.mktemp("copy")
    for root in (*SESSION["root_packages"], "tests/support"):
        shutil.copytree(ROOT / root, folder / root, ignore=_all_but_modules)
    for name in ("pyproject.toml", "tests/__init__.py"):
        shutil.copy(ROOT / name, folder / name)
    return folder


def _all_but_modules(folder, names):
    return [name for name in names if not (name.endswith(".py") or (Path(folder, name).is_dir() and name != "__pycache__"))]


@pytest.fixture(scope="module")
def graph():
    return grimp.build_graph(*SESSION["root_packages"], include_external_packages=True, cache_dir=None)


def is_kept(name, graph):
    options = CONTRACTS[name]
    return TYPES[options["type"]](name, SESSION, options).check(graph, verbose=False).kept


def test_every_contract_has_an_import_that_it_forbids():
    assert set(FORBIDDEN) == set(CONTRACTS)


def test_every_package_that_is_installed_is_under_contract():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert set(project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]) == set(SESSION["root_packages"])


@pytest.mark.parametrize("name", CONTRACTS)
def test_a_contract_is_kept(name, graph):
    assert is_kept(name, deepcopy(graph))


@pytest.mark.parametrize(("name", "importer", "imported"), [(name, *each) for name, imports in FORBIDDEN.items() for each in imports])
def test_a_forbidden_import_breaks_its_contract(name, importer, imported, graph):
    changed = deepcopy(graph)
    changed.add_import(importer=importer, imported=imported)
    assert not is_kept(name, changed)


def test_a_room_that_does_not_import_its_library_is_none(graph):
    name = "A library is imported in its rooms alone"
    changed = deepcopy(graph)
    changed.remove_import(importer="web.rendering", imported="jinja2")
    assert not is_kept(name, changed)


def test_lint_imports_says_so(copied):
    kept = lint(copied)
    assert kept.returncode == 0, kept.stdout
    for importer, imported in (imports[-1] for imports in FORBIDDEN.values()):
        file = copied / f"{importer.replace('.', '/')}.py"
        with file.open("a") as end:
            end.write(f"\n\ndef _forbidden():\n    import {imported}\n")
    broken = lint(copied)
    assert broken.returncode == 1
    said = [line.partition(" BROKEN") for line in broken.stdout.splitlines()]
    assert {name for name, verdict, _ in said if verdict} == set(CONTRACTS), broken.stdout


def lint(folder):
    program = [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--no-logo"]
    environment = {**os.environ, "PYTHONPATH": str(folder), "COLUMNS": "200"}
    return subprocess.run(program, capture_output=True, text=True, check=False, cwd=folder, env=environment)
