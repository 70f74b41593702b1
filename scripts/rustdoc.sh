#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# rustdoc.sh [BUILD-DIRECTORY]: documentation of the rdax crate, in
# BUILD-DIRECTORY/doc; without one, the release modules are built first. M= builds have no rustdoc target, so this replays the
# compiler command that Kbuild recorded, with rustdoc for rustc.
. "$(dirname "$0")/lib.sh"

if [ $# = 0 ]; then
	settings=$("$RDAX_TOP/scripts/build-modules.sh" release)
	eval "$settings"
	set -- "$RDAX_BUILD"
fi
environment=$("$RDAX_TOP/scripts/toolchain.sh")
eval "$environment"
build=$(realpath "$1")
recorded=$build/rust/rdax/.rdax.o.cmd
[ -r "$recorded" ] || die "build the modules first: no $recorded"

command=$(sed -n '1s/^savedcmd_[^ ]* := //p' "$recorded")
command=${command%% ; *}
# Environment assignments come first, then rustc (or clippy's driver).
environment=${command%% --edition*}
flags=--edition${command#* --edition}
environment=${environment% *}
flags=$(sed -E -e 's/ --emit=[^ ]+//g' -e 's/ --out-dir [^ ]+//' \
	-e 's/ --crate-type [^ ]+//' -e 's/ --remap-path-[a-z]+=[^ ]+//g' \
	-e 's/ -Zbinary_dep_depinfo=y//' -e 's/ -Dwarnings//' <<<"$flags")

cd "$build"
# The flags were quoted for the shell by make.
eval "env RUSTC_BOOTSTRAP=1 $environment RDAX_OBJTREE='$build' rustdoc $flags --crate-name rdax \
	-Dwarnings --document-private-items --output '$build/doc'"
printf '%s\n' "$build/doc/rdax/index.html"
