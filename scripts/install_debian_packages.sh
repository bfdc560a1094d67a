#!/usr/bin/env bash
# Install the Debian packages that the tests drive as real parts, where that is allowed.
#
#   scripts/install_debian_packages.sh mosquitto systemd/systemd-analyze
#
# A package whose program is not named like it: package/program.
# Never fails: a test whose part is missing says so by name (and fails with CI=true).
set -uo pipefail
export DEBIAN_FRONTEND=noninteractive
PATH=$PATH:/usr/sbin

missing=()
for package in "$@"; do
    command -v "${package#*/}" >/dev/null || missing+=("${package%/*}")
done
[ ${#missing[@]} -eq 0 ] && exit 0

as_root=()
[ "$(id -u)" = 0 ] || as_root=(sudo -n)
if ! command -v apt-get >/dev/null; then
    echo "hinomi: no ${missing[*]} here and no apt-get to install it; the tests that need it are skipped." >&2
elif ! "${as_root[@]}" true 2>/dev/null; then
    echo "hinomi: the tests that need ${missing[*]} are skipped; to run them: sudo apt-get install ${missing[*]}" >&2
else
    echo "Installing ${missing[*]} for the tests ..."
    "${as_root[@]}" apt-get update -qq
    "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null ||
        echo "hinomi: ${missing[*]} could not be installed; the tests that need it are skipped." >&2
fi
exit 0
