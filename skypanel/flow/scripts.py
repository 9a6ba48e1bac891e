"""What the slug compiler has bash do in a workspace.

A sandbox takes longer to come and go than most of these run: what belongs together is one script.
"""

from skypanel.domain.buildpack import BUILDPACKS_DIRECTORY

MAX_FOLDERS = 60  # that are looked through for an app

# Unpacks the source that it reads, and copies the bundled buildpacks to where they can be written to.
UNPACK = f"""
set -e
tar --zstd -x -m -C /app
cp -r /buildpacks {BUILDPACKS_DIRECTORY}
"""
# Prints a file, if it is one.
FILE = 'test -f "$1" && exec cat "$1"'
# Makes a folder of the source all that there is of it.
BASE = """
set -e
cd /app
folder=$(realpath -e -- "$1")
case $folder in
/app/*) [ -d "$folder" ] ;;
*) exit 1 ;;
esac
kept=$(mktemp -d -p /app .base-XXXXXX)
mv -T -- "$folder" "$kept/app"
find /app -mindepth 1 -maxdepth 1 ! -path "$kept" -exec rm -rf -- {} +
find "$kept/app" -mindepth 1 -maxdepth 1 -exec mv -t /app -- {} +
rm -rf "$kept"
"""
_DETECT = f"""
fitting() {{
    local name label
    for name in $1; do
        if label=$("{BUILDPACKS_DIRECTORY}/$name/bin/detect" "$2" 2>/dev/null); then
            printf '%s\\n%s\\n' "$name" "${{label%%$'\\n'*}}"
            return
        fi
    done
    printf '\\n\\n'
}}
"""
# Prints the name and the label of the first of some bundled buildpacks that fits, two empty lines if none does; then which of some
# patterns there are files for.
DETECT = f"""{_DETECT}
fitting "$1" /app
shift
cd /app
for pattern in "$@"; do
    if compgen -G "$pattern" >/dev/null; then printf '%s\\n' "$pattern"; fi
done
"""
# Prints the folders that one of some bundled buildpacks fits, each ended by a NUL: its path, a tab, the label.
FOLDERS = f"""{_DETECT}
cd /app
find . -mindepth 1 -maxdepth 2 -type d ! -path '*/.*' ! -path '*/node_modules*' ! -name '*
*' -printf '%P\\n' | sort | head -n {MAX_FOLDERS} | while IFS= read -r folder; do
    label=$(fitting "$1" "/app/$folder" | tail -n 1)
    if [ -n "$label" ]; then printf '%s\\t%s\\0' "$folder" "$label"; fi
done
"""
# Empties a folder that holds more than so many bytes or files, and prints how many there were.
BOUND = """
read -r bytes _ < <(du -s -B1 "$1" 2>/dev/null)
read -r files _ < <(du -s --inodes "$1" 2>/dev/null)
((${bytes:-0} > $2 || ${files:-0} > $3)) || exit 0
chmod -R u+rwX "$1" 2>/dev/null
find "$1" -mindepth 1 -delete 2>/dev/null
echo "$bytes $files"
"""
# A buildpack's URL, what of it, and where to.
FETCH = """
set -e
git init -q "$3"
cd "$3"
login='!f() { printf "username=%s\\npassword=%s\\n" "$BUILDPACK_USER" "$BUILDPACK_PASSWORD"; }; f'
git -c credential.helper="${BUILDPACK_USER:+$login}" fetch -q --depth 1 -- "$1" "$2"
git checkout -q FETCH_HEAD
"""
# `export` files of the buildpacks before this one are sourced, then a program of its runs in its own folder.
RUN = f"""
cd "$1" || exit 1
program=$2
shift 2
for file in {BUILDPACKS_DIRECTORY}/*.export; do
    # shellcheck disable=SC1090
    [ -f "$file" ] && . "$file"
done
exec "$program" "$@"
"""
# Keeps `export` for the buildpacks after this one, and prints what `bin/release` does: it may be missing, and it may need `export`.
RELEASE = f"""
if [ -f export ]; then
    cp export {BUILDPACKS_DIRECTORY}/"$1".export || exit 1
    . ./export
fi
[ -x bin/release ] || exit 0
exec bin/release /app
"""
# Prints how many files it deletes; nothing without a .slugignore.
SLUGIGNORE = """
set -e
[ -f /app/.slugignore ] || exit 0
git init -q /tmp/slugignore
git --git-dir /tmp/slugignore/.git --work-tree /app ls-files -z --others --ignored --exclude-from /app/.slugignore > /tmp/ignored
tr -cd '\\0' < /tmp/ignored | wc -c
cd /app
xargs -0 -r rm -f -- < /tmp/ignored
rm -rf /tmp/slugignore /tmp/ignored
"""
