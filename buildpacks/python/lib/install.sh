# shellcheck shell=bash
# shellcheck disable=SC2154 # what bin/compile and other parts set; lower case, so that no config var can be one of them
# Installing, one function a dependency file.

# What reads poetry.lock, by version. It lives in the cache, never in the slug.
readonly poetry_packages=(poetry==2.5.1 poetry-plugin-export==1.10.1)
readonly not_locked="Its versions are not locked, so two builds of one commit can differ."

# What tools download is theirs for this build alone: kept is what it was downloaded for.
use_caches() {
	translate_settings
	export PIP_CACHE_DIR=$HOME/pip UV_CACHE_DIR=$HOME/uv POETRY_CACHE_DIR=$HOME/poetry
	export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_PROGRESS_BAR=off PIP_NO_PYTHON_VERSION_WARNING=1
	export UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1 UV_NO_PROGRESS=1 UV_PYTHON_DOWNLOADS=never
}

# Sets `uv_settings` to what pip is told, in uv's words, and `only_pip` to the name of a setting that uv has no word for.
translate_settings() {
	local name
	uv_settings=(UV_INDEX_STRATEGY=unsafe-best-match) only_pip=
	for name in $(compgen -e PIP_); do
		case $name in
			PIP_INDEX_URL) uv_settings+=("UV_DEFAULT_INDEX=${!name}") ;;
			PIP_EXTRA_INDEX_URL) uv_settings+=("UV_INDEX=${!name}") ;;
			PIP_TRUSTED_HOST) uv_settings+=("UV_INSECURE_HOST=${!name}") ;;
			PIP_FIND_LINKS) uv_settings+=("UV_FIND_LINKS=${!name//[[:space:]]/,}") ;;
			PIP_CONSTRAINT) uv_settings+=("UV_CONSTRAINT=${!name}") ;;
			PIP_DEFAULT_TIMEOUT) uv_settings+=("UV_HTTP_TIMEOUT=${!name}") ;;
			PIP_CERT | PIP_RETRIES | PIP_CACHE_DIR | PIP_NO_CACHE_DIR | PIP_ROOT_USER_ACTION | PIP_DISABLE_PIP_VERSION_CHECK) ;;
			PIP_NO_INPUT | PIP_PROGRESS_BAR | PIP_NO_PYTHON_VERSION_WARNING | PIP_QUIET | PIP_VERBOSE) ;;
			*) only_pip=$name ;;
		esac
	done
}

# Sets `tools` to a folder with pip and the named packages, made with the app's own Python.
use_tools() {
	local folder=/tmp/python-tools key
	tools=$folder/bin
	key=$(cache_key "$python_version" "$interpreter" "$*")
	[[ ! -f $folder/$key ]] || return 0
	cache_restore "python-tools${1:+-${1%%=*}}" "$key" "$folder" || {
		rm -rf "$folder"
		"$interpreter" -m venv "$folder"
		(($# == 0)) || {
			detail "Fetching ${1/==/ }"
			install_tools "$@" || fail_fetching "$* could not be installed; the reason is above." "Push again."
		}
		touch "$folder/$key"
		cache_save "python-tools${1:+-${1%%=*}}" "$key" "$folder"
	}
}

install_tools() {
	if [[ -n $only_pip ]]; then
		indented "$tools/pip" install --quiet "$@"
	else
		indented env "${uv_settings[@]}" "$uv" pip install --no-config --quiet --color never --python "$tools/python" "$@"
	fi
}

# pip for the app's environment, run from the tools.
pip_install() {
	use_tools
	indented "$tools/pip" --python "$venv/bin/python" install "$@"
}

# uv in pip's place, where both would install the same.
uv_install() {
	indented env "${uv_settings[@]}" "$uv" pip install --no-config --color never --python "$venv/bin/python" "$@"
}

# install_exact ARGUMENTS...: of what names one version of each package.
install_exact() {
	if [[ -n $only_pip ]]; then pip_install "$@"; else uv_install "$@"; fi
}

install_packages() {
	case $dependencies in
		uv.lock) sync_uv --no-install-local ;;
		poetry.lock) install_poetry ;;
		Pipfile.lock) install_locked pipfile.py Pipfile.lock ;;
		requirements.txt) install_requirements requirements.txt ;;
		Pipfile) install_unlocked pipfile.py Pipfile "pipenv lock" Pipfile.lock ;;
		pyproject.toml) is_package || install_unlocked pyproject.py pyproject.toml "uv lock" uv.lock ;;
		setup.py) ;; # all of it is the project
	esac
}

# Installs the app itself where it is a package; never cached, as its build may write next to its source.
install_project() {
	case $dependencies in
		uv.lock) ! has_local_sources uv.lock || sync_uv ;;
		poetry.lock) ! is_package || install_editable --no-deps ;;
		pyproject.toml) ! is_package || install_editable ;;
		setup.py) install_editable ;;
	esac
}

install_requirements() {
	local installer=pip_install hashes=()
	[[ -s $1 ]] || return 0
	! /usr/bin/python3 "$buildpack/lib/settled.py" "$1" || installer=install_exact
	! grep -q -e '--hash' "$1" || hashes=(--require-hashes)
	"$installer" "${hashes[@]}" -r "$1" ||
		fail_fetching "$1 could not be installed; the reason is above." \
			"Correct the line that it names, try it with: pip install -r $1" "Then commit and push again."
}

install_editable() {
	detail "Installing the app itself as a package"
	pip_install "$@" --editable . ||
		fail_fetching "The app itself could not be installed as a package; the reason is above." \
			"If it is no package, say so: remove [build-system] from pyproject.toml, or write package-mode = false under [tool.poetry]."
}

sync_uv() {
	UV_PROJECT_ENVIRONMENT=$venv UV_PYTHON=$venv/bin/python indented "$uv" sync --color never --locked --no-default-groups "$@" ||
		fail_fetching "uv could not install from uv.lock; its own output is above." \
			"If the lock is out of date, run uv lock, commit uv.lock and push again."
}

install_poetry() {
	local exported=$HOME/poetry.txt
	use_tools "${poetry_packages[@]}"
	"$tools/poetry" export --only main --output "$exported" 2>&1 | indent ||
		fail "Poetry could not read poetry.lock; its own output is above." "Run poetry lock, commit poetry.lock and push again."
	install_hashed "$exported"
}

# install_locked READER FILE: a reader is ours and prints a requirements file.
install_locked() {
	/usr/bin/python3 "$buildpack/lib/$1" "$2" >"$HOME/locked.txt"
	install_hashed "$HOME/locked.txt"
}

install_unlocked() {
	warn "There is no $4. $not_locked" "Run $3 and commit $4."
	/usr/bin/python3 "$buildpack/lib/$1" "$2" >"$HOME/unlocked.txt"
	install_requirements "$HOME/unlocked.txt"
}

# A lock is complete, so nothing is resolved. What comes from a folder or a git commit has no hash.
install_hashed() {
	/usr/bin/python3 "$buildpack/lib/split_hashed.py" "$1" "$HOME/hashed.txt" "$HOME/unhashed.txt"
	[[ ! -s $HOME/hashed.txt ]] || install_exact --no-deps --require-hashes -r "$HOME/hashed.txt" || fail_locked
	[[ ! -s $HOME/unhashed.txt ]] || pip_install --no-deps -r "$HOME/unhashed.txt" || fail_locked
}

fail_locked() {
	fail_fetching "What $dependencies names could not be installed; the reason is above." \
		"Lock again, commit $dependencies and push again."
}

has_local_sources() { grep -Eq '^source = \{ (editable|directory|path) =' "$1"; }

is_package() {
	[[ -f pyproject.toml ]] && grep -Eq '^\[build-system\]' pyproject.toml && ! grep -Eq '^package-mode *= *false' pyproject.toml
}
