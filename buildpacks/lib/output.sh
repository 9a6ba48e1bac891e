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

output_folder=$(dirname "${BASH_SOURCE[0]}")

# Runs a command with all its output indented; its exit status is the command's. It ends with the command, whatever that
# leaves running in the background: a pipe to `indent` would be held open by it.
indented() { /usr/bin/python3 -I "$output_folder/indented.py" "${HOME:-/tmp}/unreachable" "$@"; }

# As `fail`, of a command that was run indented and fetches packages; but it says whose fault it is not where no server answered.
fail_fetching() {
	[[ -f $HOME/unreachable ]] || fail "$@"
	local server
	read -r server <"${HOME:-/tmp}/unreachable" || true
	fail "The package registry${server:+ at $server} could not be reached, or has trouble of its own; the lines above say more." \
		"This is no mistake of the app's, unless the app itself names that server. Push again in some minutes." \
		"If it stays so, tell whoever runs this panel."
}
