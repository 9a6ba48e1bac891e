# shellcheck shell=bash
# shellcheck disable=SC2154 # what bin/compile and other parts set; lower case, so that no config var can be one of them
# What is done around the dependencies: the app's own hooks, Django's static files, the environment at run time.

run_hook() {
	[[ -f $build_dir/bin/$1 ]] || return 0
	heading "Running bin/$1"
	chmod +x "$build_dir/bin/$1"
	PATH=$venv/bin:$PATH indented "$build_dir/bin/$1" || fail "bin/$1 failed; its output is above." "Correct it, commit and push again."
}

write_profile() {
	mkdir -p "$build_dir/.profile.d"
	cp "$buildpack/../lib/web_concurrency.sh" "$build_dir/.profile.d/python_web_concurrency.sh"
	cat >"$build_dir/.profile.d/python.sh" <<'PROFILE'
export PATH="$HOME/.heroku/python/bin:$PATH"
export LANG="${LANG:-C.UTF-8}"
export PYTHONUNBUFFERED="${PYTHONUNBUFFERED:-1}"
export PYTHONPATH="${PYTHONPATH:-$HOME}"
export FORWARDED_ALLOW_IPS="${FORWARDED_ALLOW_IPS:-*}"
export GUNICORN_CMD_ARGS="${GUNICORN_CMD_ARGS:---access-logfile -}"
unset PYTHONHOME
PROFILE
	cat >"$buildpack/export" <<EXPORT
export PATH="$venv/bin:\$PATH"
export LANG="\${LANG:-C.UTF-8}"
unset PYTHONHOME
EXPORT
}

collect_static() {
	local manage output missing
	[[ -x $venv/bin/django-admin && ${DISABLE_COLLECTSTATIC:-0} == 0 ]] || return 0
	manage=$(find "$build_dir" -maxdepth 3 -name manage.py -type f -not -path '*/.*' -printf '%d %p\n' | sort -n | sed -n '1s/^[0-9]* //p')
	[[ -n $manage ]] || return 0
	heading "Collecting Django's static files"
	output=$HOME/collectstatic.txt
	(cd "${manage%/*}" && "$venv/bin/python" manage.py collectstatic --noinput) >"$output" 2>&1 && {
		indent <"$output"
		return
	}
	if grep -Eq "Unknown command: '?collectstatic|without having set the STATIC_ROOT" "$output"; then
		detail "Passed over: the app's settings name no STATIC_ROOT, or do not use staticfiles."
		return
	fi
	indent <"$output"
	missing=$(missing_variable "$output")
	[[ -z $missing ]] || fail "manage.py collectstatic needs the config var $missing, which is not set; its output is above." \
		"Set it and push again: skypanel config YOUR-APP --set $missing asks for its value." \
		"Or do without collectstatic: set the config var DISABLE_COLLECTSTATIC to 1."
	fail "manage.py collectstatic failed; its output is above." \
		"Correct it, commit and push again; or do without it: set the config var DISABLE_COLLECTSTATIC to 1."
}

# Prints the environment variable for want of which a program failed, if its output says so: in Python's own words, Django's,
# or those of the packages that read settings from the environment (decouple, environ, environs).
missing_variable() {
	local name
	name=$(sed -nE "s/^KeyError: ['\"]([A-Z][A-Z0-9_]*)['\"]\$/\1/p
		s/.*UndefinedValueError: ([A-Z][A-Z0-9_]*) not found.*/\1/p
		s/.*ImproperlyConfigured: Set the ([A-Z][A-Z0-9_]*) environment variable.*/\1/p
		s/.*ImproperlyConfigured: The (SECRET_KEY) setting must not be empty.*/\1/p
		s/.*Environment variable [\"']([A-Z][A-Z0-9_]*)[\"'] not set.*/\1/p" "$1" | tail -n 1)
	[[ -z $name || -n ${!name+set} ]] || printf '%s\n' "$name"
}

advise_on_procfile() {
	[[ ! -f $build_dir/Procfile ]] || return 0
	warn "There is no Procfile. For this app it is likely this line: web: $(likely_command)"
}

# Prints the start command that the app most likely wants.
likely_command() {
	local file module settings
	for file in app.py main.py server.py wsgi.py; do
		[[ ! -f $build_dir/$file ]] || break
	done
	[[ -f $build_dir/$file ]] || file=app.py
	module=${file%.py}
	settings=$(sed -nE "s/.*DJANGO_SETTINGS_MODULE['\"], *['\"]([A-Za-z0-9_]+)\..*/\1/p" "$build_dir/manage.py" 2>/dev/null | head -n 1)
	if [[ -n $settings ]]; then
		echo "gunicorn $settings.wsgi"
	elif [[ -x $venv/bin/uvicorn ]]; then
		echo "uvicorn $module:app --host 0.0.0.0 --port \$PORT"
	elif [[ -x $venv/bin/gunicorn ]]; then
		echo "gunicorn $module:app"
	else
		echo "python $file"
	fi
}
