#!/bin/sh
# Installs what is missing before `npm start` and `npm test`; npm itself may run on an older Node than the pinned one.
set -eu
cd "$(dirname "$0")/.."
if [ ! -x node_modules/.bin/node ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
  echo "Installing dependencies (about a minute) ..."
  npm ci --loglevel=error --no-audit --no-fund
  touch node_modules/.package-lock.json
fi
