#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# build-crash-trace.sh: builds tools/testing/crash-trace, the plugin of QEMU and the
# program that reads what it records, and prints the directory where they are.
. "$(dirname "$0")/lib.sh"

have cargo || {
	environment=$("$RDAX_TOP/scripts/toolchain.sh")
	eval "$environment"
}
source=$RDAX_TOP/tools/testing/crash-trace
out=$RDAX_TOP/build/crash-trace
export CARGO_TARGET_DIR=$out/cargo
mkdir -p "$out"
cargo build --quiet --manifest-path "$source/Cargo.toml" >&2 ||
	die "building crash-trace failed"
gcc -O2 -g -Wall -Wextra -Wno-unused-parameter -fPIC -shared -fvisibility=hidden \
	-o "$out/trace.so" "$source"/plugin/*.c || die "building the plugin failed"
ln -sf cargo/debug/crash-trace "$out/crash-trace"
printf '%s\n' "$out"
