#!/usr/bin/env bash
# Install the Debian packages whose commands are missing, or say which they are.
#   deploy/packages.sh PYTHON [TOOL ...]
set -euo pipefail

python=$1
shift
# shellcheck disable=SC2207 # package names hold no spaces
missing=($("$python" skypanel/embedded/packages.py "$@"))
((${#missing[@]})) || exit 0

if [[ $(id -u) == 0 ]]; then
	as_root=(env)
elif sudo --non-interactive true 2>/dev/null; then
	as_root=(sudo --non-interactive)
else
	printf 'Install with: sudo apt-get install %s\n' "${missing[*]}" >&2
	exit 1
fi
if ! command -v apt-get >/dev/null; then
	printf 'These Debian packages, or what your system has for them, are missing: %s\n' "${missing[*]}" >&2
	exit 1
fi

printf 'Installing %s\n' "${missing[*]}" >&2
install=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet --quiet --no-install-recommends "${missing[@]}")
# The lists may be absent or name versions that are gone: fetch them anew, once.
"${install[@]}" >/dev/null 2>&1 </dev/null && exit 0
"${as_root[@]}" apt-get update --quiet --quiet </dev/null
"${install[@]}" >/dev/null </dev/null
