#!/usr/bin/env bash
# Runs a dyno's command under docker-init: dyno.sh LINGER_S GRACE_S SOURCE COMMAND...
# SOURCE is the file with the environment, or one of standard input, as `enter.py` names them for one-off dynos.
linger_s=$1
grace_s=$2
source=$3
shift 3

# What a one-off dyno prints is all its own.
say() { [[ $source == -* ]] || printf '[skypanel] %s\n' "$1"; }

told=
# Told to stop, an app goes on for a moment, until no proxy sends it requests; then each of its processes is told,
# and what does not end is killed: Swarm does so by itself, but not where a single dyno is told.
# shellcheck disable=SC2317 # the trap calls it
stop() {
	trap '' TERM
	told=yes
	say 'Stopping all processes with SIGTERM'
	sleep "$linger_s"
	kill -TERM -1
	kill_later &
}

# shellcheck disable=SC2317 # stop calls it
kill_later() {
	local process
	sleep "$grace_s"
	for process in /proc/[0-9]*; do
		case ${process#/proc/} in
		1 | "$$" | "$BASHPID") ;;
		*) kill -KILL "${process#/proc/}" 2>/dev/null ;;
		esac
	done
}

# Whether the kernel had to kill something for want of memory, by the container's control group, of either version:
# not every Docker tells.
out_of_memory() {
	local events name count
	for events in /sys/fs/cgroup/memory.events /sys/fs/cgroup/memory/memory.oom_control; do
		[[ ! -r $events ]] || while read -r name count; do
			[[ $name != oom_kill || $count == 0 ]] || return 0
		done <"$events"
	done
	return 1
}

trap stop TERM
# What `health.sh` gives up ends with the status that it wrote, and so does what the node's guard finds too large.
trap 'exit "$(</dev/shm/skypanel.ended)"' USR1 XFSZ
# Signals to all of a one-off dyno, and the keys of its terminal, are for its command alone.
[[ $source != -* ]] || trap '' HUP INT QUIT USR1 USR2 ALRM VTALRM PROF WINCH TSTP TTIN TTOU
echo $$ >/dev/shm/skypanel.pid

# The shell would give /dev/null to what it runs in the background.
python3 -I -S -B /skypanel/enter.py "$source" "$@" <&0 &
app=$!
[[ $source != -* ]] || exec </dev/null

wait "$app"
status=$?
if [[ $told ]]; then
	# It was the signal that ended the waiting.
	wait "$app"
	status=$?
	# 137 would be told as a lack of memory.
	((status != 137)) || status=143
else
	! out_of_memory || status=249
fi
say "Process exited with status $status"
exit "$status"
