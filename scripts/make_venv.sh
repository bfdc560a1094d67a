#!/usr/bin/env bash
# Make .venv if it is not there, and bring what is named into it.
#
#   scripts/make_venv.sh PYTHON REQUIREMENT      e.g. python3 '.[test,dev]'
#
# Needs no root. Debian splits `venv` off Python (package python3-venv): where it is missing,
# the pip of the system fills the environment instead, and where there is neither, the last
# line says what to install.
set -euo pipefail
cd "$(dirname "$0")/.."
python=$1
requirement=$2

die() {
    echo "hinomi: $1" >&2
    exit 1
}

command -v "$python" >/dev/null ||
    die "there is no $python here; install Python 3.11 or newer, or name it: make demo PYTHON=/path/to/python3"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    die "$("$python" --version) is too old; name Python 3.11 or newer: make demo PYTHON=/path/to/python3.11"

install_venv_from_debian() {
    command -v apt-get >/dev/null || return 1
    if [ "$(id -u)" = 0 ]; then
        apt-get install -y -qq python3-venv >/dev/null 2>&1
    else
        sudo -n apt-get install -y -qq python3-venv >/dev/null 2>&1
    fi
}

make_venv() {
    echo "Setting up .venv with $("$python" --version) (this once, from the network) ..."
    if "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        "$python" -m venv .venv
    elif "$python" -m pip --version >/dev/null 2>&1; then
        "$python" -m venv --without-pip .venv
        "$python" -m pip --python .venv/bin/python install --quiet pip
    elif install_venv_from_debian; then
        "$python" -m venv .venv
    else
        die "Python's venv is missing; install it once with: sudo apt-get install python3-venv"
    fi
}

# A .venv whose interpreter went away with an upgrade of the system is made again.
if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    rm -rf .venv
    make_venv
fi
.venv/bin/python -m pip install --quiet --disable-pip-version-check --editable "$requirement" ||
    die "could not install $requirement; the first set-up needs the network, so connect and run make again"
