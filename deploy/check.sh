#!/usr/bin/env bash
# Run every check and say how long each took; what a failed one printed is shown. The slowest runs beside all others.
set -euo pipefail

status=0

# step NAME COMMAND...
step() {
	local name=$1 begun=${EPOCHREALTIME/[.,]/} verdict=ok output tenths
	shift
	output=$("$@" 2>&1) || verdict=failed
	tenths=$(((${EPOCHREALTIME/[.,]/} - begun) / 100000))
	printf '%-10s %-6s %3d.%d s\n' "$name" "$verdict" $((tenths / 10)) $((tenths % 10))
	if [[ $verdict == failed ]]; then
		printf '%s\n' "$output"
		status=1
	fi
}

{
	step types mypy
	exit "$status"
} &
types=$!
mapfile -t shell_files < <(deploy/shell-files.sh)
step lint ruff check .
step format ruff format --check .
step layers lint-imports
step shell shellcheck "${shell_files[@]}"
step locks deploy/check-locks.sh
step security bandit --quiet --recursive --configfile pyproject.toml .
step dead-code vulture
wait "$types" || status=1
printf '%d s in all\n' "$SECONDS"
exit "$status"
