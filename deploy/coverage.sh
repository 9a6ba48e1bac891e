#!/usr/bin/env bash
# Run tests and say which lines and branches they missed, in the processes that they start as well.
#   deploy/coverage.sh [PYTEST_ARGUMENT ...]
set -euo pipefail

# Parts of the panel run as other users: each may leave there what it measured.
folder=$(mktemp -d /var/tmp/skypanel-coverage.XXXXXX)
trap 'rm -rf "$folder"' EXIT
chmod 1777 "$folder"
export COVERAGE_FILE=$folder/data

status=0
coverage run -m pytest -n "$(nproc)" --dist loadfile "$@" || status=$?
coverage combine --quiet
coverage report
exit "$status"
