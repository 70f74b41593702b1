# SPDX-License-Identifier: GPL-2.0
# Shared by the scripts: where things live, how progress and errors are told.
# shellcheck shell=bash

set -euo pipefail

RDAX_TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
RDAX_CACHE=${RDAX_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/rdax}
LLVM_VERSION=19
mkdir -p "$RDAX_CACHE"
export RDAX_TOP RDAX_CACHE LLVM_VERSION

# Progress goes to stderr: stdout carries a script's result.
step() { printf '\033[1m==>\033[0m %s\n' "$*" >&2; }
note() { printf '    %s\n' "$*" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

have() { command -v "$1" >/dev/null 2>&1; }

as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif have sudo; then
		sudo "$@"
	else
		die "root or sudo is needed for: $*"
	fi
}

# with_lock NAME COMMAND...: one process at a time, across checkouts and users
# of the same cache; the kernel drops the lock if the holder is killed.
with_lock() {
	local file="$RDAX_CACHE/.lock-$1"
	shift
	(
		flock -w 3 9 || {
			note "waiting for another run to finish with $file"
			flock 9
		}
		"$@" 9>&-
	) 9>"$file"
}

sha_key() { sha256sum | cut -c1-12; }
