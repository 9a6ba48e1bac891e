# shellcheck shell=bash
# The form of what a pusher reads, as Heroku's buildpacks print it.

heading() { printf -- '-----> %s\n' "$*"; }

detail() { printf '       %s\n' "$@"; }

# Lines that need the reader: what is wrong or unwise, then what to do.
warn() { printf ' !     %s\n' "$@" >&2; }

fail() {
	warn "$@"
	exit 1
}

# Line by line as they come; sed would do that by itself, but reads byte by byte then.
# A line that never ends is cut, as the panel cuts it: sed would hold it whole.
indent() { stdbuf -oL fold -b -w 16384 | stdbuf -oL sed 's/^./       &/'; }

# Runs a command with all its output indented; its exit status is the command's.
indented() { "$@" 2>&1 | indent; }
