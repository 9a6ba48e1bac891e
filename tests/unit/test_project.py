"""What a project shows to those who come to it: its licence, and the forms for issues."""

import tomllib

import pytest
import yaml

from tests.support.documents import ROOT

FORMS = [path for path in sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml")) if path.name != "config.yml"]
# https://docs.github.com/en/communities/using-templates-to-encourage-useful-issues-and-pull-requests/syntax-for-githubs-form-schema
KINDS = {"checkboxes", "dropdown", "input", "markdown", "textarea"}


def test_the_licence_is_the_one_that_the_package_names():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (author,) = project["authors"]
    title, _, holder = (ROOT / "LICENSE").read_text().splitlines()[:3]
    assert project["license-files"] == ["LICENSE"]
    assert title == f"{project['license']} License"
    assert holder.endswith(author["name"])


@pytest.mark.parametrize("form", FORMS, ids=lambda path: path.stem)
def test_a_form_asks_for_something_by_fields_that_there_are(form):
    read = yaml.safe_load(form.read_text())
    assert set(read) == {"name", "description", "labels", "body"}
    asked = [field for field in read["body"] if field["type"] != "markdown"]
    assert {field["type"] for field in read["body"]} <= KINDS
    assert all(field["attributes"]["label"] for field in asked)
    assert len({field["id"] for field in asked}) == len(asked)
    assert any(field.get("validations", {}).get("required") for field in asked)


def test_there_are_forms_for_what_is_broken_and_what_is_missing():
    assert [form.stem for form in FORMS] == ["bug", "feature"]
