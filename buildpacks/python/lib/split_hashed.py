"""Split a requirements file, as pip takes hashes for all lines or none: `split_hashed.py FILE HASHED UNHASHED`."""  # noqa: INP001 - a script, run by path

import sys
from pathlib import Path

if __name__ == "__main__":
    source, hashed, unhashed = map(Path, sys.argv[1:])
    lines = [line.strip() for line in source.read_text().replace("\\\n", " ").splitlines()]
    wanted = [line for line in lines if line and not line.startswith("#")]
    options = [line for line in wanted if line.startswith("--")]
    packages = [line for line in wanted if not line.startswith("--")]
    for target, chosen in ((hashed, True), (unhashed, False)):
        found = [line for line in packages if ("--hash=" in line) is chosen]
        target.write_text("".join(f"{line}\n" for line in [*options, *found]) if found else "")
