#!/bin/sh
# Installs what the tests take from Debian's packages (a browser, a load generator, gettext, PostgreSQL, SoftHSM), if it is not there already.
# With arguments, of these packages alone.
set -eu
missing=""
command -v chromium-headless-shell >/dev/null 2>&1 || missing="$missing chromium-headless-shell"
command -v wrk >/dev/null 2>&1 || missing="$missing wrk"
command -v msgfmt >/dev/null 2>&1 || missing="$missing gettext"
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing="$missing postgresql"
command -v openssl >/dev/null 2>&1 || missing="$missing openssl"
command -v softhsm2-util >/dev/null 2>&1 || missing="$missing softhsm2"
if [ $# -gt 0 ]; then
  all="$missing" missing=""
  for each in $all; do case " $* " in *" $each "*) missing="$missing $each" ;; esac; done
fi
[ -z "$missing" ] && exit 0
if [ "$(id -u)" = 0 ]; then run=""; else run="sudo"; fi
# shellcheck disable=SC2086
install() { $run apt-get update -qq && DEBIAN_FRONTEND=noninteractive $run apt-get install -y -qq --no-install-recommends $missing fonts-dejavu-core >/dev/null; }
if install; then exit 0; fi
# The whole browser does the same, with a third more work (tests/support/chromium.py).
[ "$missing" = " chromium-headless-shell" ] && command -v chromium >/dev/null 2>&1 || exit 1
echo "chromium-headless-shell cannot be installed here: browser tests use chromium, which takes longer" >&2
