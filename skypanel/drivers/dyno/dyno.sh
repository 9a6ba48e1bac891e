#!/usr/bin/env bash
# Runs a dyno's command under docker-init: dyno.sh LINGER_S SOURCE COMMAND...
# SOURCE is the file with the environment, or - for standard input, as a one-off dyno has it.
linger_s=$1
source=$2
shift 2

# What a one-off dyno prints is all its own.
say() { [[ $source == - ]] || printf '[skypanel] %s\n' "$1"; }

told=
# Told to stop, an app goes on for a moment, until no proxy sends it requests; then each of its processes is told.
# shellcheck disable=SC2317 # the trap calls it
stop() {
	trap '' TERM
	told=yes
	say 'Stopping all processes with SIGTERM'
	sleep "$linger_s"
	kill -TERM -1
}
trap stop TERM
# What `health.sh` gives up ends with the status that it wrote.
trap 'exit "$(</dev/shm/skypanel.ended)"' USR1
echo $$ >/dev/shm/skypanel.pid

# The shell would give /dev/null to what it runs in the background.
python3 -I -S -B /skypanel/enter.py "$source" "$@" <&0 &
app=$!
[[ $source != - ]] || exec </dev/null

wait "$app"
status=$?
if [[ $told ]]; then
	# It was the signal that ended the waiting.
	wait "$app"
	status=$?
fi
say "Process exited with status $status"
exit "$status"
