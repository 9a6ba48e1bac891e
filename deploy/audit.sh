#!/usr/bin/env bash
# Ask an advisory database for known vulnerabilities of every package that is locked. Fails if there are any, and as well if it cannot be asked.
#   deploy/audit.sh [pypi|osv]    (which database: https://github.com/pypa/pip-audit says more)
set -euo pipefail

# An environment of its own, as the tool brings a pip that the panel's environment is not to have.
tool=$(mktemp -d)
trap 'rm -rf "$tool"' EXIT
uv venv --quiet "$tool"
VIRTUAL_ENV=$tool uv pip sync --quiet --require-hashes requirements-audit.lock

# The development lock holds the panel's.
argv=("$tool/bin/pip-audit" --strict --require-hashes --disable-pip --vulnerability-service "${1:-pypi}")
for lock_file in requirements-dev.lock requirements-audit.lock; do argv+=(--requirement "$lock_file"); done
if ! "${argv[@]}"; then
	printf 'The audit found what is listed above, or could not be made.\n' >&2
	exit 1
fi
