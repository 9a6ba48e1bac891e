# shellcheck shell=bash
# shellcheck disable=SC2154 # what bin/compile and other parts set; lower case, so that no config var can be one of them
# Which file says what to install, and the virtual environment that comes of it.

# The most exact first.
readonly dependency_files=(uv.lock poetry.lock Pipfile.lock requirements.txt Pipfile pyproject.toml setup.py)

# Sets `dependencies`.
choose_dependencies() {
	local file others found=()
	for file in "${dependency_files[@]}"; do
		[[ ! -f $file ]] || found+=("$file")
	done
	((${#found[@]})) || fail "No file says what to install." "Add a requirements.txt, even an empty one, commit and push again."
	dependencies=${found[0]}
	heading "Installing dependencies from $dependencies"
	others=$(rivals "${found[@]:1}")
	[[ -z $others ]] || warn "Not read: $others. Of several files the most exact counts, which is $dependencies." \
		"Delete what you do not use."
}

# Prints the files that say what to install in another way; a lock and what it was made from are one way.
rivals() {
	local file
	for file in "$@"; do
		case $dependencies:$file in
			*:pyproject.toml | *:setup.py | Pipfile.lock:Pipfile) ;;
			*) printf '%s\n' "$file" ;;
		esac
	done | paste -sd , | sed 's/,/, /g'
}

install_dependencies() {
	local key
	key=$(dependency_key)
	if [[ -n $key ]] && cache_restore venv "$key" "$venv"; then
		detail "Using cached dependencies: $dependencies is unchanged"
	else
		rm -rf "$venv"
		"$interpreter" -m venv --without-pip "$venv"
		install_packages
		[[ -z $key ]] || cache_save venv "$key" "$venv"
	fi
	install_project
}

# Prints a digest of all that the environment depends on, or nothing where that reaches beyond files we know.
dependency_key() {
	local content
	content=$(/usr/bin/python3 "$buildpack/lib/fingerprint.py" "$dependencies")
	[[ -z $content ]] || cache_key "$content" "$python_version" "$interpreter" "${STACK:-}" "$venv" "$(buildpack_version "$buildpack")"
}
