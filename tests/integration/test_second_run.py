"""What failed beside other tests runs a second time alone, and says so."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# It fails once.
FLAKY = """
from pathlib import Path

def test_flaky():
    ran = Path("ran")
    before = ran.exists()
    ran.touch()
    assert before
"""
FAILING = "def test_failing():\n    assert False\n"
PASSING = "def test_passing():\n    open('passes', 'a').write('x')\n"


@pytest.fixture
def run(tmp_path):
    """Return a function that runs files of tests twice, as deploy/test.sh does: it returns the exit status and the output."""

    def run(**files):
        for name, text in files.items():
            path = tmp_path / "tests" / name.replace("__", "/test_").replace("_py", ".py")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        first = ran(tmp_path, "-m", "pytest", "-q", "tests")
        second = ran(tmp_path, "-m", "tests.support.second_run", str(first.returncode))
        return second.returncode, second.stdout

    return run


def ran(folder, *words):
    environment = {"PYTHONPATH": str(ROOT), "PATH": ""}
    return subprocess.run([sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_a_test_that_passes_alone_passes_and_is_named(run, tmp_path):
    status, said = run(integration__flaky_py=FLAKY, integration__passing_py=PASSING)
    assert status == 0
    assert "passed alone. Find out why:\ntests/integration/test_flaky.py::test_flaky" in said
    assert (tmp_path / "passes").read_text() == "x", "what passed ran again"


def test_a_test_that_fails_twice_fails(run):
    status, said = run(integration__flaky_py=FLAKY, journeys__failing_py=FAILING)
    assert status == 1
    assert "1 failed, 1 passed" in said
    assert "Find out why" not in said


def test_nothing_runs_again_where_all_passed(run):
    assert run(integration__passing_py=PASSING) == (0, "")


@pytest.mark.parametrize("files", [{"unit__flaky_py": FLAKY}, {f"integration__{n}_py": FLAKY.replace("ran", f"r{n}") for n in range(11)}])
def test_unit_tests_and_failures_everywhere_have_no_second_chance(run, files):
    assert run(**files) == (1, "")


def test_tests_that_cannot_be_collected_are_no_failures_of_a_busy_machine(run):
    status, said = run(integration__broken_py="import nowhere_at_all\n")
    assert (status, said) == (2, "")
