"""Print what a build reads of package.json, a `key=value` a line: `package.py FILE`."""  # noqa: INP001 - a script, run by path

import json
import sys
from pathlib import Path
from typing import Any

TABLES = ("engines", "scripts")
PRESENCE = ("dependencies", "devDependencies", "optionalDependencies", "workspaces")


def main(path: Path) -> None:
    """Print versions and scripts as they are, and 1 for each kind of dependency that there is."""
    try:
        package = json.loads(path.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        sys.exit(f" !     package.json is not valid JSON: {error}\n !     Correct it, commit and push again.")
    if not isinstance(package, dict):
        sys.exit(" !     package.json holds no object.\n !     Write one with npm init, commit and push again.")
    values: dict[str, Any] = {name: "1" for name in PRESENCE if package.get(name)}
    values["packageManager"] = package.get("packageManager")
    for table in TABLES:
        entries = package.get(table)
        if isinstance(entries, dict):
            values |= {f"{table}.{name}": value for name, value in entries.items()}
    for name, value in values.items():
        if isinstance(value, str):
            sys.stdout.write(f"{name}={' '.join(value.split())}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
