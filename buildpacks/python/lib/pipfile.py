"""Print a Pipfile or a Pipfile.lock as a requirements file: `pipfile.py FILE`."""  # noqa: INP001 - a script, run by path

import json
import sys
import tomllib
from pathlib import Path
from typing import Any

VCS = ("git", "hg", "svn", "bzr")
MARKERS = ("sys_platform", "python_version", "os_name", "platform_system", "platform_machine", "implementation_name")


def requirement(name: str, entry: str | dict[str, Any]) -> str:
    """Return one package as a line: `flask[async]==3.0 ; python_version >= '3.9' --hash=sha256:...`."""
    if isinstance(entry, str):
        entry = {"version": entry}
    extras = f"[{','.join(entry['extras'])}]" if entry.get("extras") else ""
    line = f"{'-e ' if entry.get('editable') else ''}{_wanted(name, extras, entry)}"
    markers = [entry["markers"]] if entry.get("markers") else []
    markers += [f"{marker} {entry[marker]}" for marker in MARKERS if marker in entry]
    if markers and not entry.get("editable"):
        line += f" ; {' and '.join(f'({marker})' for marker in markers)}"
    return line + "".join(f" --hash={digest}" for digest in entry.get("hashes", ()))


def _wanted(name: str, extras: str, entry: dict[str, Any]) -> str:
    for vcs in VCS:
        if vcs in entry:
            fragment = f"#subdirectory={entry['subdirectory']}" if "subdirectory" in entry else ""
            return f"{name}{extras} @ {vcs}+{entry[vcs]}{'@' + entry['ref'] if 'ref' in entry else ''}{fragment}"
    if "path" in entry:
        return f"{entry['path']}{extras}"
    if "file" in entry:
        return f"{name}{extras} @ {entry['file']}"
    version = entry.get("version", "*")
    return f"{name}{extras}{'' if version == '*' else version}"


def packages(path: Path) -> dict[str, Any]:
    """Return what the app needs when it runs, by name."""
    try:
        if path.suffix == ".lock":
            return dict(json.loads(path.read_text())["default"])
        return dict(tomllib.loads(path.read_text()).get("packages", {}))
    except (ValueError, KeyError) as error:
        sys.exit(f" !     {path.name} cannot be read: {error}\n !     Write it anew with pipenv lock, commit and push again.")


if __name__ == "__main__":
    for item in packages(Path(sys.argv[1])).items():
        sys.stdout.write(f"{requirement(*item)}\n")
