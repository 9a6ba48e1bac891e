"""The change log's form (https://keepachangelog.com/en/1.1.0/), and that it speaks of the version that is built."""

import re
import tomllib
from datetime import date
from itertools import pairwise

from packaging.version import Version

from tests.support.documents import ROOT

UNRELEASED = "Unreleased"
KINDS = ["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"]
HEADING = re.compile(r"## (?P<version>\d+\.\d+\.\d+) - (?P<day>\d{4}-\d{2}-\d{2})")


def log() -> list[str]:
    return (ROOT / "CHANGELOG.md").read_text().splitlines()


def entries() -> list[str]:
    return [line for line in log() if line.startswith("- ")]


def releases() -> list[re.Match[str]]:
    return [found for line in log() if (found := HEADING.fullmatch(line))]


def sections() -> dict[str, list[str]]:
    """Return the kinds of changes under each heading of a version."""
    found = {}
    for line in log():
        if line.startswith("## "):
            kinds = found[line] = []
        elif line.startswith("### "):
            kinds.append(line.removeprefix("### "))
    return found


def test_what_is_to_come_stands_before_all_versions():
    first, *rest = sections()
    assert first == f"## {UNRELEASED}"
    assert [heading for heading in rest if not HEADING.fullmatch(heading)] == []


def test_versions_and_their_days_go_down():
    versions = [Version(release["version"]) for release in releases()]
    days = [date.fromisoformat(release["day"]) for release in releases()]
    assert all(newer > older for newer, older in pairwise(versions))
    assert all(newer >= older for newer, older in pairwise(days))


def test_the_newest_version_is_the_one_that_is_built():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert releases()[0]["version"] == project["version"]


def test_each_kind_of_change_stands_once_in_a_version_and_in_order():
    for kinds in sections().values():
        assert kinds == [kind for kind in KINDS if kind in kinds]


def test_every_change_is_of_a_kind_and_is_one_line():
    _, *parts = re.split(r"^## .*$", (ROOT / "CHANGELOG.md").read_text(), flags=re.MULTILINE)
    assert [part for part in parts if not re.fullmatch(r"(\n+### \w+\n(\n- [^\n]+)+)*\n+", part)] == []


def test_no_line_stands_twice():
    assert len(entries()) > 100
    assert sorted(entries()) == sorted(set(entries()))
