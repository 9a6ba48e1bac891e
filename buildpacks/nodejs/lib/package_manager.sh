# shellcheck shell=bash
# shellcheck disable=SC2154 # what bin/compile and other parts set; lower case, so that no config var can be one of them
# What package.json says, and which package manager it means.

declare -A package locks=([package-lock.json]=npm [npm-shrinkwrap.json]=npm [yarn.lock]=yarn [pnpm-lock.yaml]=pnpm)
readonly bun_locks=(bun.lock bun.lockb)

# Sets `package`, keyed by dotted names such as engines.node.
read_package() {
	local text line
	text=$(/usr/bin/python3 "$buildpack/lib/package.py" package.json) || exit 1
	while IFS= read -r line; do
		[[ -z $line ]] || package[${line%%=*}]=${line#*=}
	done <<<"$text"
}

# Sets `lock` (empty if there is none) and `manager`, whose version `manager_range` bounds (empty: any).
choose_package_manager() {
	local named=${package[packageManager]:-}
	choose_lock
	manager=${lock:+${locks[$lock]}}
	manager=${manager:-${named%%@*}}
	manager=${manager:-npm}
	[[ $manager =~ ^(npm|yarn|pnpm)$ ]] || fail "packageManager in package.json is $named." "Use npm, yarn or pnpm."
	[[ -z $named || ${named%%@*} == "$manager" ]] || fail "package.json says packageManager $named, but the lock is ${manager}'s $lock." \
		"Keep one of the two, commit and push again."
	manager_range=
	[[ $named != *@* ]] || manager_range=${named#*@}
	manager_range=${manager_range%%+*}
	manager_range=${manager_range:-${package[engines.$manager]:-}}
}

# Sets `lock`; npm prefers its shrinkwrap to the other lock that it may write.
choose_lock() {
	local file found=() managers listed
	for file in npm-shrinkwrap.json package-lock.json pnpm-lock.yaml yarn.lock "${bun_locks[@]}"; do
		[[ ! -f $file ]] || found+=("$file (${locks[$file]:-bun})")
	done
	managers=$(printf '%s\n' "${found[@]#* }" | sort -u | wc -l)
	listed=${found[*]}
	((managers < 2)) || fail "There are ${#found[@]} lock files, of $managers package managers: ${listed//) /), }." \
		"Keep the one of the package manager that you use, git rm the others, commit and push again."
	lock=${found[0]:-}
	lock=${lock% (*}
	[[ $lock != bun.* ]] || {
		warn "$lock is Bun's, which is not here: it is not read, and npm installs what package.json says." \
			"Run npm install, commit package-lock.json and git rm $lock."
		lock=
	}
}

# Yarn 2 and later are another program, with a lock and an npm package of their own.
is_berry() {
	[[ $manager == yarn ]] || return 1
	[[ -f .yarnrc.yml || $manager_range =~ ^[2-9] ]] || grep -q '^__metadata:' yarn.lock 2>/dev/null
}

# Prints what the stack's npm has to install, a package a line.
tool_packages() {
	local range=$manager_range
	npm_package
	case $manager in
		pnpm) echo "pnpm@${range:-$(pnpm_for_lock)}" ;;
		yarn) yarn_package "$range" ;;
	esac
}

yarn_package() {
	if [[ -n $(yarn_path) ]]; then
		return
	elif is_berry; then
		echo "@yarnpkg/cli-dist@${1:-$(berry_for_lock)}"
	else
		echo "yarn@${1:-1}"
	fi
}

# Prints the file of a Yarn that is committed with the app.
yarn_path() { sed -nE "s/^yarnPath: *[\"']?([^\"']+)[\"']?.*/\1/p" .yarnrc.yml 2>/dev/null || true; }

pnpm_for_lock() {
	case $(sed -nE "s/^lockfileVersion: '?([0-9]+).*/\1/p" pnpm-lock.yaml 2>/dev/null) in
		5) echo 7 ;;
		6) echo 8 ;;
		*) echo 10 ;;
	esac
}

berry_for_lock() {
	case $(sed -nE '/^__metadata:/,/^$/ s/^  version: ([0-9]+).*/\1/p' yarn.lock 2>/dev/null) in
		4 | 5) echo 2 ;;
		6 | 7) echo 3 ;;
		*) echo 4 ;;
	esac
}

# The stack's npm does, unless the app names another or its Node is too old or too new for it.
npm_package() {
	local wanted=${package[engines.npm]:-}
	[[ $manager != npm || -z $manager_range ]] || wanted=$manager_range
	if [[ -n $wanted ]]; then
		semver satisfies "$(stack_npm --version)" "$wanted" || echo "npm@$wanted"
	elif ! semver satisfies "$node_version" "$(semver npm-needs)"; then
		echo "npm@$(npm_for_node)"
	fi
}

npm_for_node() {
	local npm
	for npm in "10 ^18.17.0 || >=20.5.0" "9 ^14.17.0 || ^16.13.0 || >=18.0.0" "8 ^12.13.0 || ^14.15.0"; do
		! semver satisfies "$node_version" "${npm#* }" || break
	done
	semver satisfies "$node_version" "${npm#* }" && echo "${npm%% *}" || echo 6
}
