# shellcheck shell=bash
# shellcheck disable=SC2154 # what bin/compile and other parts set; lower case, so that no config var can be one of them
# Installing, one function a dependency file.

# What reads the locks, by version. It lives in the cache, never in the slug.
readonly uv_packages=(uv==0.13.9) poetry_packages=(poetry==2.5.1 poetry-plugin-export==1.10.1)
readonly not_locked="Its versions are not locked, so two builds of one commit can differ."

use_caches() {
	export PIP_CACHE_DIR=$cache_dir/pip UV_CACHE_DIR=$cache_dir/uv POETRY_CACHE_DIR=$cache_dir/poetry
	export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_PROGRESS_BAR=off PIP_NO_PYTHON_VERSION_WARNING=1
	mkdir -p "$PIP_CACHE_DIR"
}

# Sets `tools` to a folder with pip and the named packages, made with the app's own Python.
use_tools() {
	local folder=$cache_dir/python-tools-$python_version
	tools=$folder/bin
	if [[ ! -f $folder/complete ]]; then
		rm -rf "$cache_dir"/python-tools-*
		"$interpreter" -m venv "$folder"
		touch "$folder/complete"
	fi
	(($# == 0)) || [[ -f $folder/$1 ]] || {
		detail "Fetching ${1/==/ }"
		indented "$tools/pip" install --quiet "$@" || fail_fetching "$* could not be installed; the reason is above." "Push again."
		touch "$folder/$1"
	}
}

# pip for the app's environment, run from the tools.
pip_install() {
	use_tools
	indented "$tools/pip" --python "$venv/bin/python" install "$@"
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
	[[ ! -s $1 ]] || pip_install -r "$1" ||
		fail_fetching "pip could not install $1; its own words are above." \
			"Correct the line that it names, try it with: pip install -r $1" "Then commit and push again."
}

install_editable() {
	detail "Installing the app itself as a package"
	pip_install "$@" --editable . ||
		fail_fetching "The app itself could not be installed as a package; the reason is above." \
			"If it is no package, say so: remove [build-system] from pyproject.toml, or write package-mode = false under [tool.poetry]."
}

sync_uv() {
	use_tools "${uv_packages[@]}"
	UV_PROJECT_ENVIRONMENT=$venv UV_PYTHON=$venv/bin/python UV_PYTHON_DOWNLOADS=never UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1 \
		UV_NO_PROGRESS=1 indented "$tools/uv" sync --locked --no-default-groups "$@" ||
		fail_fetching "uv could not install from uv.lock; its own words are above." \
			"If the lock is out of date, run uv lock, commit uv.lock and push again."
}

install_poetry() {
	local exported=$HOME/poetry.txt
	use_tools "${poetry_packages[@]}"
	"$tools/poetry" export --only main --output "$exported" 2>&1 | indent ||
		fail "Poetry could not read poetry.lock; its own words are above." "Run poetry lock, commit poetry.lock and push again."
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
	[[ ! -s $HOME/hashed.txt ]] || pip_install --no-deps --require-hashes -r "$HOME/hashed.txt" || fail_locked
	[[ ! -s $HOME/unhashed.txt ]] || pip_install --no-deps -r "$HOME/unhashed.txt" || fail_locked
}

fail_locked() {
	fail_fetching "pip could not install what $dependencies names; its own words are above." "Lock again, commit $dependencies and push again."
}

has_local_sources() { grep -Eq '^source = \{ (editable|directory|path) =' "$1"; }

is_package() {
	[[ -f pyproject.toml ]] && grep -Eq '^\[build-system\]' pyproject.toml && ! grep -Eq '^package-mode *= *false' pyproject.toml
}
