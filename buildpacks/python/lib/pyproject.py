"""Print what a pyproject.toml needs as a requirements file: `pyproject.py FILE`."""  # noqa: INP001 - a script, run by path

import sys
import tomllib
from pathlib import Path

if __name__ == "__main__":
    try:
        project = tomllib.loads(Path(sys.argv[1]).read_text()).get("project", {})
    except tomllib.TOMLDecodeError as error:
        sys.exit(f" !     pyproject.toml is not valid TOML: {error}\n !     Correct it, commit and push again.")
    for line in project.get("dependencies", ()):
        sys.stdout.write(f"{line}\n")
