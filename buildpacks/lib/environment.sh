# shellcheck shell=bash
# What a compile sees of the user's config vars, and what it leaves to the buildpacks after it.

# These would bend the build itself rather than what it builds.
kept_from_build='^(PATH|HOME|PORT|LANG|STACK|BUILD_DIR|CACHE_DIR|ENV_DIR|SKYPANEL_.*|PYTHONHOME|GIT_DIR|GIT_WORK_TREE'
kept_from_build+='|CPATH|CPPATH|LIBRARY_PATH|LD_.*|IFS|PS4|ENV|BASH_ENV|BASHOPTS|SHELLOPTS)$'

# Exports every config var in a folder of files, one a variable, but for those above.
export_env_dir() {
	local folder=$1 file name value
	[[ -d $folder ]] || return 0
	for file in "$folder"/*; do
		name=${file##*/}
		[[ -f $file && $name =~ ^[A-Za-z_][A-Za-z0-9_]*$ && ! $name =~ $kept_from_build ]] || continue
		IFS= read -r -d '' value <"$file" || true
		export "$name=$value"
	done
}

# Tools that insist on a home get one that is no part of the app.
use_temporary_home() {
	HOME=$(mktemp -d)
	export HOME
	trap 'rm -rf "$HOME"' EXIT
}
