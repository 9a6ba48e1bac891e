#!/usr/bin/env bash
# One health check of a dyno. It waits by itself: the first one until the app answers, each later one for
# the app's interval, as starting a process in a container costs more than all that it does here.
# health.sh BOOT_S: an app that does not answer within so many seconds is ended, with a status that says why:
#   251  it listens nowhere    252  it listens where nobody reaches it    253  it answers with a server error
boot_s=$1
port=${PORT:?}
told=/dev/shm/skypanel.health
chosen=/dev/shm/skypanel.chosen
failed=/dev/shm/skypanel.failed
ended=/dev/shm/skypanel.ended
pid=/dev/shm/skypanel.pid
elsewhere=/dev/shm/skypanel.elsewhere
first_answer_s=20
answer_s=10
max_failures=3

say() {
	printf '[skypanel] %s\n' "$1" 2>/dev/null >/proc/1/fd/1
	printf '%s\n' "$1"
}

# The address at which the proxy finds this dyno: an app on 127.0.0.1 alone is not there.
own_address() {
	local address name
	while read -r address name _; do
		[[ $name != "$HOSTNAME" ]] || { printf '%s' "$address"; return; }
	done </etc/hosts
}

# shellcheck disable=SC2016 # the inner shell's variables
connects() { timeout 2 bash -c 'exec 3<>"/dev/tcp/$0/$1"' "$1" "$port" 2>/dev/null; }

# Prints a dash once it is connected, and after it the status with which the path is answered, if that is HTTP.
# The whole answer is read: an app may complain of a client that goes away.
# shellcheck disable=SC2016 # the inner shell's variables
ask() {
	timeout "$1" bash -c '
		exec 3<>"/dev/tcp/$0/$1" || exit
		printf -
		printf "GET %s HTTP/1.1\r\nHost: localhost\r\nUser-Agent: skypanel-health\r\nConnection: close\r\n\r\n" "$2" >&3
		read -r version status _ <&3
		if [[ $version == HTTP/* ]]; then printf %s "$status"; fi
		cat <&3 >/dev/null
	' "$address" "$port" "$path" 2>/dev/null
}

# Which check it is to be: that of the path, or of the port where there is no such page.
choose() {
	local answer
	answer=$(ask "$first_answer_s")
	case $answer in
	'') return 1 ;;
	-[23]??) choice=http ;;
	-5??) answered=${answer#-} && return 1 ;;
	*) choice=tcp ;;
	esac
}

start() {
	local deadline=$((SECONDS + boot_s)) choice answered='' status=251 watching=
	until choose; do
		if [[ ! $watching ]]; then
			python3 -I -S -B /skypanel/elsewhere.py "$port" >"$elsewhere" 2>/dev/null &
			watching=$!
		fi
		if [[ $answered ]]; then
			note 253 "Answers $path with status $answered"
		elif [[ -s $elsewhere ]]; then
			note 252 "$(<"$elsewhere")"
			give_up
		fi
		if ((SECONDS >= deadline)); then
			say "Did not become healthy within $boot_s s"
			give_up
		fi
		sleep 0.1
	done
	[[ ! $watching ]] || kill "$watching" 2>/dev/null
	printf '%s\n' "$choice" >"$chosen"
	case $choice in
	http) say "Checks the health at $path every $interval_s s" ;;
	tcp) say "Checks the health at port $port every $interval_s s: $path is not there" ;;
	esac
}

note() {
	[[ $status == "$1" ]] || say "$2"
	status=$1
}

# Ends the dyno by its first process, and waits for that: this check has no say any more.
give_up() {
	printf '%s\n' "$status" >"$ended"
	kill -USR1 "$(<"$pid")"
	sleep 60
	exit 1
}

well() {
	local choice
	read -r choice <"$chosen"
	if [[ $choice == tcp ]]; then
		connects "$address"
	else
		[[ $(ask "$answer_s") == -[23]?? ]]
	fi
}

until [[ -s $told ]]; do sleep 0.05; done
read -r path interval_s <"$told"
address=$(own_address)
if [[ ! -e $chosen ]]; then
	start
	exit
fi
sleep "$interval_s"
if well; then
	rm -f "$failed"
	exit 0
fi
printf x >>"$failed"
failures=$(wc -c <"$failed")
say "Health check failed, $failures of $max_failures in a row"
((failures < max_failures))
