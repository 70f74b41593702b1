#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# build-tools.sh [CARGO-ARGUMENT...]: builds mkfs.rdaxfs, fsck.rdaxfs and rdaxctl
# and prints the directory where they are.
. "$(dirname "$0")/lib.sh"

have cargo || {
	environment=$("$RDAX_TOP/scripts/toolchain.sh")
	eval "$environment"
}
export CARGO_TARGET_DIR="$RDAX_TOP/build/tools"
cargo build --quiet --release --manifest-path "$RDAX_TOP/tools/progs/Cargo.toml" "$@" >&2 ||
	die "building the tools failed"

# A crate cannot have a dot in its name.
bin=$CARGO_TARGET_DIR/bin
mkdir -p "$bin"
install_new() { cmp -s "$1" "$2" || install -m 0755 "$1" "$2"; }
install_new "$CARGO_TARGET_DIR/release/mkfs-rdaxfs" "$bin/mkfs.rdaxfs"
install_new "$CARGO_TARGET_DIR/release/fsck-rdaxfs" "$bin/fsck.rdaxfs"
install_new "$CARGO_TARGET_DIR/release/rdaxctl" "$bin/rdaxctl"
printf '%s\n' "$bin"
