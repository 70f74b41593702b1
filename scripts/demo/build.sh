#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# demo/build.sh BUILD-DIR: the demo's program, for the guest to run.
set -eu
here=$(dirname "$0")
mkdir -p "$1/demo"
if [ ! -x "$1/demo/daxdemo" ] || [ "$here/daxdemo.c" -nt "$1/demo/daxdemo" ]; then
	"${CC:-cc}" -O2 -Wall -Wextra -Werror -o "$1/demo/daxdemo" "$here/daxdemo.c"
fi
