"""No id is bare below the entry points: mypy tells the id of an app from that of a build."""

import ast
import subprocess
import sys
from itertools import chain
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROOMS = ("domain", "drivers", "engines", "flow", "host", "launcher", "ports", "store")
# Where ids of any noun are made, read or compared.
# Parameters and fields that take the id of more than one noun. A job is a build or a rollout. A deploy is a build or a release.
OF_ANY_NOUN = {
    "domain/ids.py: as_id",
    "domain/job.py: id",
    "flow/deploys.py: of_id",
    "flow/history.py: deploys",
    "flow/jobs.py: _cancel_build",
    "flow/jobs.py: _cancel_rollout",
    "flow/jobs.py: cancel",
    "domain/identity.py: derived_id",
    "host/fields.py: uuid",
    "host/fields.py: optional_uuid",
    "host/fields.py: _uuid",
    "store/apps.py: seen_by",
    "store/sets.py: among",
}


def annotations(tree):
    """Yield (name, annotation) of all that a module annotates."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            arguments = (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
            yield from ((node.name, each) for each in (node.returns, *(argument.annotation for argument in arguments)) if each)
        elif isinstance(node, ast.AnnAssign):
            yield ast.unparse(node.target), node.annotation


def bare(text):
    """Return what is annotated as an id of no noun."""
    return {
        name for name, annotation in annotations(ast.parse(text)) if "UUID" in {getattr(part, "id", "") for part in ast.walk(annotation)}
    }


def test_every_id_says_of_what():
    files = chain.from_iterable((ROOT / "skypanel" / room).rglob("*.py") for room in ROOMS)
    found = {f"{file.relative_to(ROOT / 'skypanel')}: {name}" for file in files for name in bare(file.read_text())}
    assert found - OF_ANY_NOUN == set()


def test_a_bare_id_is_found():
    assert bare("def get(app_id: UUID | None) -> dict[str, UUID]: ...\nclass A:\n    id: UUID\n    other: AppId") == {"get", "id"}


SAMPLE = """
from uuid import UUID

from skypanel.domain.ids import AppId, BuildId

def find(app_id: AppId) -> AppId:
    return app_id

def ask(app_id: AppId, build_id: BuildId, some: UUID) -> None:
    find(app_id)
    find(build_id)
    find(some)
"""


def test_mypy_tells_ids_apart(tmp_path):
    file = tmp_path / "sample.py"
    file.write_text(SAMPLE)
    mypy = [sys.executable, "-m", "mypy", "--config-file=", "--strict", f"--cache-dir={tmp_path}", file]
    said = subprocess.run(mypy, check=False, capture_output=True, text=True, cwd=ROOT).stdout
    assert [line.partition(" has ")[2].partition(";")[0] for line in said.splitlines() if "error" in line and "find" in line] == [
        'incompatible type "BuildId"',
        'incompatible type "UUID"',
    ], said
