#!/usr/bin/env bash
# Bring the virtual environment $ENV to what a lock file and the sources say; does nothing twice.
#   deploy/env.sh LOCK_FILE [TOOL ...]    (TOOLs are wanted beside the panel's own programs)
set -euo pipefail
umask 022

lock_file=$1
shift
: "${ENV:?is set by make}"

say() { printf '%s\n' "$*" >&2; }

# A Python that every user can run: not one in a home, as the panel's services run unprivileged.
find_python() {
	local candidate
	for candidate in /usr/bin/python3 /usr/bin/python3.1[1-9] /usr/local/bin/python3 /usr/local/bin/python3.1[1-9] "$(command -v python3 || true)"; do
		[[ -x $candidate ]] || continue
		"$candidate" - 2>/dev/null <<-'CHECK' && { printf '%s\n' "$candidate"; return; }
			import os, pathlib, sys
			real = pathlib.Path(sys.executable).resolve()
			readable = os.getuid() != 0 or all(folder.stat().st_mode & 0o001 for folder in real.parents)
			sys.exit(not (sys.version_info >= (3, 11) and readable))
		CHECK
	done
	say "No Python 3.11 or newer was found that all users can run. Install with: sudo apt-get install python3"
	return 1
}

# Two makes in one clone take turns.
exec 9<.
flock 9

python=$(find_python)
deploy/packages.sh "$python" "$@"

# An environment whose Python is gone or was replaced is made anew.
if [[ ! -x $ENV/bin/python ]] || ! "$ENV/bin/python" -m pip --version >/dev/null 2>&1; then
	say "Making a virtual environment in $ENV"
	rm -rf "$ENV"
	"$python" -m venv "$ENV"
fi

# The development lock holds the panel's: with it installed, both are.
mark=$(sha256sum "$lock_file")
if ! grep -qxF "$mark" "$ENV/.dependencies" 2>/dev/null; then
	say "Installing what $lock_file lists"
	rm -f "$ENV/.dependencies"
	"$ENV/bin/python" -m pip install --quiet --require-hashes --requirement "$lock_file"
	if [[ $lock_file == *-dev.lock ]]; then sha256sum requirements*.lock; else printf '%s\n' "$mark"; fi >"$ENV/.dependencies"
fi

packages=(skypanel gitreceiver web workers buildpacks migrations)
sources=$(find pyproject.toml "${packages[@]}" -name __pycache__ -prune -o -type f -printf '%p %m %s %T@\n' | sort | sha256sum)
if [[ $(cat "$ENV/.sources" 2>/dev/null) != "$sources" ]]; then
	"$ENV/bin/python" -m pip install --quiet --no-deps --no-index --no-build-isolation --force-reinstall .
	printf '%s\n' "$sources" >"$ENV/.sources"
fi

# What the dashboard's pages load. npm makes a folder anew, so a failed installation leaves the old one.
libraries=$ENV/share/skypanel/libraries
mark=$(sha256sum web/libraries/package-lock.json)
if [[ $(cat "$libraries/.mark" 2>/dev/null) != "$mark" ]]; then
	say "Installing what web/libraries/package-lock.json lists"
	rm -rf "$libraries.new"
	mkdir -p "$libraries.new"
	cp web/libraries/package.json web/libraries/package-lock.json "$libraries.new"
	npm ci --prefix "$libraries.new" --ignore-scripts --no-audit --no-fund --silent >&2
	printf '%s\n' "$mark" >"$libraries.new/.mark"
	rm -rf "$libraries"
	mv "$libraries.new" "$libraries"
fi
