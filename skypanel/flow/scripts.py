"""What the slug compiler has bash do in a workspace."""

from skypanel.domain.buildpack import BUILDPACKS_DIRECTORY

# Prints the name and the label of the first of some bundled buildpacks that fits.
DETECT = f"""
for name in "$@"; do
    if label=$("{BUILDPACKS_DIRECTORY}/$name/bin/detect" /app); then
        printf '%s\\n%s\\n' "$name" "$label"
        exit 0
    fi
done
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
# Prints how many files it deletes.
SLUGIGNORE = """
set -e
git init -q /tmp/slugignore
git --git-dir /tmp/slugignore/.git --work-tree /app ls-files -z --others --ignored --exclude-from /app/.slugignore > /tmp/ignored
tr -cd '\\0' < /tmp/ignored | wc -c
cd /app
xargs -0 -r rm -f -- < /tmp/ignored
rm -rf /tmp/slugignore /tmp/ignored
"""
