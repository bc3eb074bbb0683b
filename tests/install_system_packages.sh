#!/bin/sh
# Installs what the tests take from Debian's packages (a browser, a load generator, gettext, PostgreSQL), if it is not there already.
set -eu
missing=""
command -v chromium-headless-shell >/dev/null 2>&1 || missing="$missing chromium-headless-shell"
command -v wrk >/dev/null 2>&1 || missing="$missing wrk"
command -v msgfmt >/dev/null 2>&1 || missing="$missing gettext"
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing="$missing postgresql"
command -v openssl >/dev/null 2>&1 || missing="$missing openssl"
[ -z "$missing" ] && exit 0
if [ "$(id -u)" = 0 ]; then run=""; else run="sudo"; fi
$run apt-get update -qq
# shellcheck disable=SC2086
DEBIAN_FRONTEND=noninteractive $run apt-get install -y -qq --no-install-recommends $missing fonts-dejavu-core >/dev/null
