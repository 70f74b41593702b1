#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Static checks of the whole tree, a line for each; the last line is
# "N passed, N failed". lint.sh [--fmt]: --fmt formats the Rust sources.
. "$(dirname "$0")/lib.sh"
cd "$RDAX_TOP"

MAX_LINES=600
flavour=${FLAVOUR:-debug}
passed=0
failed=0

# files PATTERN...: of the tree, new ones included, products not.
files() {
	if git rev-parse --git-dir >/dev/null 2>&1; then
		git ls-files -co --exclude-standard -- "$@"
	else
		find . -path ./build -prune -o -type f -print | sed 's,^\./,,' |
			grep -E "($(sed 's/\./\\./g; s/\*/.*/g; s/ /|/g' <<<"$*"))\$"
	fi | while read -r file; do
		# Deleted but still in the index.
		[ ! -f "$file" ] || printf '%s\n' "$file"
	done | sort -u
}

check() {
	local name=$1 output
	shift
	if output=$("$@" 2>&1); then
		printf 'ok    %s\n' "$name"
		passed=$((passed + 1))
	else
		printf 'FAIL  %s\n' "$name"
		printf '      %s\n' "${output//$'\n'/$'\n      '}"
		failed=$((failed + 1))
	fi
}

# nothing COMMAND: fails if that prints anything, and shows it.
nothing() {
	local lines
	lines=$("$@" || true)
	[ -z "$lines" ] || { printf '%s\n' "$lines"; return 1; }
}

rust_files() { files '*.rs'; }

shell_files() {
	files '*.sh' '.ci/*'
	printf '%s\n' scripts/guest-bashrc
}

rustfmt_with() {
	rust_files | xargs -r rustfmt --config-path "$source/.rustfmt.toml" "$@"
}

formatted() { rustfmt_with --check; }

clippy() {
	RDAX_BUILD=$RDAX_TOP/build/lint-$flavour V=0 \
		"$RDAX_TOP/scripts/build-modules.sh" "$flavour" CLIPPY=1 modules
}

clippy_tools() {
	CARGO_TARGET_DIR=$RDAX_TOP/build/tools cargo clippy --quiet --all-targets \
		--manifest-path "$RDAX_TOP/tools/progs/Cargo.toml" -- -Dwarnings &&
		CARGO_TARGET_DIR=$RDAX_TOP/build/crash-trace/cargo cargo clippy --quiet --all-targets \
			--manifest-path "$RDAX_TOP/tools/testing/crash-trace/Cargo.toml" -- -Dwarnings
}

documented() {
	"$RDAX_TOP/scripts/rustdoc.sh" "$RDAX_TOP/build/lint-$flavour"
}

examples() {
	"$RDAX_TOP/scripts/doctests.py" "$RDAX_TOP/build/lint-$flavour"
}

shells() { shell_files | xargs -r shellcheck -x -P SCRIPTDIR; }

pythons() {
	local file
	files '*.py' | while read -r file; do
		# Compiles without leaving a file behind.
		python3 -c 'import sys; compile(open(sys.argv[1]).read(), sys.argv[1], "exec")' "$file" ||
			exit 1
	done
}

# FILE_PATH_CHANGES asks for changes of a kernel tree's MAINTAINERS.
checkpatch() {
	xargs -r "$source/scripts/checkpatch.pl" --no-tree --terse --no-summary --quiet \
		--ignore "FILE_PATH_CHANGES${1:+,$1}" -f
}

# exports.c exports Rust functions: none of them can precede its export.
c_style() {
	files '*.c' '*.h' | grep -vE '^(tools|scripts)/|^rust/exports\.c$' | checkpatch &&
		echo rust/exports.c | checkpatch EXPORT_SYMBOL
}

# User space has no __printf, and volatile is how a program touches a page.
c_style_tools() {
	files '*.c' '*.h' | grep -E '^(tools|scripts)/' |
		checkpatch PREFER_DEFINED_ATTRIBUTE_MACRO,VOLATILE
}

# Drivers, file systems and samples are safe Rust on top of the rdax crate.
leaves_are_safe() {
	local file
	files 'drivers/*.rs' 'fs/*.rs' 'samples/*.rs' | while read -r file; do
		sed 's://.*::' "$file" | grep -nE '\bunsafe\b|\bbindings::' | sed "s|^|$file:|"
	done
}

licences() {
	local file line
	files '*.rs' '*.c' '*.h' '*.sh' '*.py' '*Makefile*' '*Kbuild' '.ci/*' |
		while read -r file; do
			[ -s "$file" ] || continue
			line=$(head -n1 "$file")
			[[ $line != '#!'* ]] || line=$(sed -n 2p "$file")
			[[ $line == *SPDX-License-Identifier:* ]] || echo "$file: no SPDX line first"
		done
}

# Hosts that this machine fetches from and that are not the public ones.
private_hosts() {
	{
		cat /etc/apt/sources.list /etc/apt/sources.list.d/* /etc/pip.conf "$HOME/.cargo/config.toml" || true
		python3 -m pip config list || true
	} 2>/dev/null | grep -oE 'https?://[^/ "'\'']+' | sed -E 's,.*[/@],,; s,:[0-9]+$,,' | sort -u |
		grep -vE '(^|\.)(debian\.org|pypi\.org|pythonhosted\.org|crates\.io|rust-lang\.org|github\.com|localhost)$'
}

portable() {
	local host
	{
		files | xargs -r grep -nIE '(^|[^[:alnum:]_.$/}-])/(root|work|home/[a-z]+)/' |
			grep -v '^scripts/lint\.sh:'
		private_hosts | while read -r host; do
			files | xargs -r grep -nIF "$host"
		done
	}
}

short_enough() {
	rust_files | while read -r file; do
		awk -v max=$MAX_LINES 'END { if (NR > max) print FILENAME ": " NR " lines, at most " max }' "$file"
	done
}

environment=$("$RDAX_TOP/scripts/toolchain.sh")
eval "$environment"
source=$("$RDAX_TOP/scripts/kernel-source.sh")
if [ "${1:-}" = --fmt ]; then
	rustfmt_with
	exit
fi
check "rustfmt" formatted
check "shellcheck" shells
check "python" pythons
check "checkpatch" c_style
check "checkpatch, user space" c_style_tools
check "no unsafe in drivers, fs, samples" nothing leaves_are_safe
check "SPDX lines" nothing licences
check "no paths or hosts of one machine" nothing portable
check "at most $MAX_LINES lines a Rust file" nothing short_enough
# Not inside a check, which shows nothing until it ends.
[ -n "${KDIR:-}" ] || "$RDAX_TOP/scripts/kernel.sh" "$flavour" >/dev/null
check "clippy, warnings are errors" clippy
check "clippy of the tools, warnings are errors" clippy_tools
check "rustdoc, warnings are errors" documented
check "examples of the crate compile" examples
check "modules, with the oldest rustc and gcc" "$RDAX_TOP/scripts/oldest-rustc.sh"
echo "$passed passed, $failed failed"
[ $failed = 0 ]
