#!/usr/bin/env bash
# The lock files must hold a hash for each package and name no registry: pip's and npm's configuration says where to ask.
set -euo pipefail

status=0
for lock_file in requirements*.lock; do
	if grep -nE '://|--(extra-)?index-url|--find-links|--trusted-host' "$lock_file"; then
		printf '%s names where packages come from.\n' "$lock_file" >&2
		status=1
	fi
	unhashed=$(grep -A1 -E '^[a-z0-9]' "$lock_file" | grep -vE '^(--|    --hash=|[a-z0-9].* \\)$|^    --hash=' || true)
	if [[ -n $unhashed ]]; then
		printf '%s holds packages without a hash:\n%s\n' "$lock_file" "$unhashed" >&2
		status=1
	fi
done
if grep -nHE '"resolved"' tests/journeys/heroku/*/package-lock.json web/libraries/package-lock.json; then
	printf 'These lock files name where packages come from.\n' >&2
	status=1
fi
exit "$status"
