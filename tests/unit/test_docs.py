"""What the documents say is so: commands, error lines, links and the blocks that are run."""

import re
from pathlib import Path

import click
import pytest

from skypanel.cli.main import commands
from skypanel.domain.access import HIGHEST_COLLABORATOR, SCOPES, AccountAction, Action, Role, allows, covers
from tests.support.documents import DOCUMENTS, ROOT, runnable_blocks

SOURCES = ("skypanel", "gitreceiver", "buildpacks", "web")
FOREIGN = {"Permission denied (publickey)"}  # ssh's words
LEAST_PART = 3


CONTEXT = click.Context(commands)


def command_lines(group: click.Group, prefix: str) -> list[str]:
    found = []
    for name in group.list_commands(CONTEXT):
        command = group.get_command(CONTEXT, name)
        path = f"{prefix} {name}"
        found += command_lines(command, path) if isinstance(command, click.Group) else [path]
    return found


@pytest.mark.parametrize("command", command_lines(commands, "skypanel"))
def test_every_command_has_an_example(command):
    page = (ROOT / "docs" / "commands.md").read_text()
    assert re.search(rf"^\| `{command}[ `]", page, re.MULTILINE)


def test_every_example_is_of_a_command():
    page = (ROOT / "docs" / "commands.md").read_text()
    known = command_lines(commands, "skypanel")
    for example in re.findall(r"^\| `([^`]*)`", page, re.MULTILINE):
        assert any(f"{example} ".startswith(f"{command} ") for command in known), example


def product_text() -> str:
    files = (
        file for folder in SOURCES for file in (ROOT / folder).rglob("*") if file.suffix in {".py", ".sh", ".html", ""} and file.is_file()
    )
    # A sentence may be written as several strings, one after the other.
    return re.sub(r'"\s*\n\s*f?"', "", "".join(file.read_text(errors="replace") for file in files))


def test_every_error_line_of_the_troubleshooting_page_is_one():
    page = (ROOT / "docs" / "troubleshooting.md").read_text()
    lines = set(re.findall(r"^\| `([^`]*)`", page, re.MULTILINE)) - FOREIGN
    assert len(lines) > 40
    text = product_text()
    parts = {part.strip() for line in lines for part in re.split(r"<[^>]*>", line)}
    assert [part for part in parts if len(part) >= LEAST_PART and part not in text] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document):
    text = re.sub(r"```.*?```|`[^`]*`", "", document.read_text(), flags=re.DOTALL)
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text)
    assert [link for link in links if "://" not in link and not (document.parent / link).exists()] == []


def anchors(document: Path) -> set[str]:
    """Return what a document's headings are called in links to them."""
    text = re.sub(r"```.*?```", "", document.read_text(), flags=re.DOTALL)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_to_a_heading(document):
    text = re.sub(r"```.*?```|`[^`]*`", "", document.read_text(), flags=re.DOTALL)
    links = re.findall(r"\]\(([^)#]*\.md)?#([^)]+)\)", text)
    pages = ((document.parent / page if page else document, anchor) for page, anchor in links if "://" not in page)
    assert [(page.name, anchor) for page, anchor in pages if anchor not in anchors(page)] == []


# The rows of the page of roles.
ROWS = {
    "See an app: its releases, builds, dynos, logs and the names of its config vars": Action.VIEW_APP,
    "Fetch and clone its repository": Action.FETCH,
    "Push, deploy a git URL, upload and cancel builds": Action.PUSH,
    "Create an app": Action.CREATE_APP,
    "Set config vars, domains, buildpacks, health checks, HTTP, webhooks, log drains, deploy branch and git URL": Action.CONFIGURE_APP,
    "Scale, restart and stop dynos": Action.SCALE_APP,
    "Switch maintenance on and off": Action.MAINTAIN_APP,
    "Roll back": Action.ROLL_BACK,
    "Run one-off dynos": Action.RUN,
    "Add and remove collaborators": Action.SHARE_APP,
    "Rename an app": Action.RENAME_APP,
    "Destroy an app": Action.DESTROY_APP,
    "Give an app to another organization, or offer it to somebody": Action.TRANSFER_APP,
    "See the organization, its members, usage and costs": Action.VIEW_MEMBERS,
    "See what was done in the organization": Action.VIEW_ACTIVITY,
    "See the wallet": Action.VIEW_WALLET,
    "Resolve and silence alerts, choose where they are sent": Action.MANAGE_ALERTS,
    "Add, change and remove members": Action.MANAGE_MEMBERS,
    "Make and unmake owners": Action.MANAGE_OWNERS,
    "Rename the organization": Action.RENAME_ORGANIZATION,
    "Delete the organization": Action.DELETE_ORGANIZATION,
}
SEEN = {Action.VIEW_APP, Action.FETCH, Action.VIEW_MEMBERS}
OF_SCOPES = {
    "See who the account is": {AccountAction.VIEW_ACCOUNT},
    "See and fetch apps, see members": SEEN,
    "Everything else about apps and organizations": set(Action) - SEEN,
    "See and change the account's keys and tokens, its password, make organizations": {AccountAction.CHANGE_ACCOUNT},
    "See all accounts, let people in, change plans, for administrators": {AccountAction.MANAGE_ACCOUNTS, AccountAction.MANAGE_PLANS},
}


def table(page: str, *columns: str) -> dict[str, dict[str, bool]]:
    """Return the rows of the table that has these columns: whether each says yes."""
    head = f"| | {' | '.join(columns)} |\n"
    assert page.count(head) == 1
    rows = page.partition(head)[2].partition("\n\n")[0].splitlines()[1:]
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    assert {cell for _, *marks in cells for cell in marks} == {"yes", ""}
    return {name: dict(zip(columns, (mark == "yes" for mark in marks), strict=True)) for name, *marks in cells}


def test_the_page_of_roles_says_what_the_rulebook_says():
    page = (ROOT / "docs" / "roles.md").read_text()
    said = table(page, *(role.word for role in Role))
    assert set(ROWS.values()) == set(Action)
    assert said == {row: {role.word: allows(role, action) for role in Role} for row, action in ROWS.items()}
    assert f"a viewer or a {HIGHEST_COLLABORATOR.word} of that app" in page


def test_the_page_of_roles_says_what_scopes_are_good_for():
    said = table((ROOT / "docs" / "roles.md").read_text(), "identity", "read", "write", "global")
    assert set().union(*OF_SCOPES.values()) == {*Action, *AccountAction}
    for row, actions in OF_SCOPES.items():
        for scope in SCOPES:
            assert {said[row][scope]} == {covers(scope, action) for action in actions}, (row, scope)
    assert said.keys() == OF_SCOPES.keys()


def test_every_run_mark_stands_before_a_block():
    for document in DOCUMENTS:
        assert len(runnable_blocks(document)) == document.read_text().count("<!-- run -->"), document
    assert any(runnable_blocks(document) for document in DOCUMENTS)


def test_only_commands_are_taken_from_a_console_block(tmp_path: Path):
    page = tmp_path / "page.md"
    page.write_text(
        "<!-- run -->\n```console\n$ echo one\none\n$ echo two\n```\n\n```sh\nnever\n```\n\n<!-- run -->\n```sh\necho three\n```\n"
    )
    assert runnable_blocks(page) == ["echo one\necho two\n", "echo three\n"]


def test_the_page_of_limits_names_a_test_for_each_that_is_there():
    page = (ROOT / "docs" / "limits.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("| ") and "---" not in line][1:]
    written = "\n".join(file.read_text() for file in (ROOT / "tests").rglob("test_*.py"))
    assert len(rows) > 10
    for row in rows:
        (named,) = re.findall(r"`(test_\w+)`", row) or [None]
        assert named, row
        assert f"def {named}(" in written, named


def test_decisions_are_numbered_in_a_row_and_say_their_number():
    decisions = sorted((ROOT / "docs/adr").glob("*.md"))
    numbers = [int(file.name[:4]) for file in decisions]
    assert numbers == list(range(1, len(numbers) + 1))
    headings = [file.read_text().splitlines()[0] for file in decisions]
    assert [heading.split()[1] for heading in headings] == [f"{number}." for number in numbers]
