#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# build-modules.sh debug|release|kcsan [KBUILD-TARGET-OR-VARIABLE...]: builds the
# modules against KDIR (default: that test kernel) into build/FLAVOUR, or
# RDAX_BUILD. Prints "KDIR=... RDAX_BUILD=..." for `eval`.
. "$(dirname "$0")/lib.sh"

flavour=${1:?usage: build-modules.sh debug|release|kcsan [target...]}
shift
out=${RDAX_BUILD:-$RDAX_TOP/build/$flavour}

environment=$("$RDAX_TOP/scripts/toolchain.sh")
eval "$environment"
arguments=(V="${V:-0}")
rustflags=""
if [ -n "${KDIR:-}" ]; then
	"$RDAX_TOP/scripts/check.sh" --kernel "$KDIR" >&2 || die "KDIR=$KDIR cannot be used"
	KDIR=$(realpath "$KDIR")
else
	KDIR=$("$RDAX_TOP/scripts/kernel.sh" "$flavour")
	# Only here: somebody else's compiler may warn about more.
	rustflags=-Dwarnings
fi
# KCSAN: Kbuild instruments C only. rustc has no -Zsanitizer=thread for the kernel's target, so
# LLVM's pass is run for all functions, with the options of scripts/Makefile.kcsan.
if grep -q '^CONFIG_KCSAN=y' "$KDIR/.config"; then
	rustflags+=" -Cpasses=tsan -Cllvm-args=-force-attribute=sanitize_thread"
	rustflags+=" -Cllvm-args=-tsan-distinguish-volatile=1"
	rustflags+=" -Cllvm-args=-tsan-compound-read-before-write=1"
	grep -q '^CONFIG_KCSAN_WEAK_MEMORY=y' "$KDIR/.config" ||
		rustflags+=" -Cllvm-args=-tsan-instrument-func-entry-exit=0"
fi
[ -z "$rustflags" ] || arguments+=("KRUSTFLAGS=$rustflags")
if grep -q '^CONFIG_CC_IS_CLANG=y' "$KDIR/.config"; then
	# A version suffix only if that is how the compiler is called here.
	if have "clang$LLVM"; then arguments+=(LLVM="$LLVM"); else arguments+=(LLVM=1); fi
else
	unset LLVM
fi

# Which kernel build the objects are for: a rebuilt kernel invalidates them.
identity() {
	printf '%s\n' "$KDIR"
	stat -c '%n %Y %s' "$KDIR"/{Module.symvers,rust/libkernel.rmeta,.config} 2>/dev/null
}

build() {
	if [ -e "$out/.kernel" ] && [ "$(identity)" != "$(cat "$out/.kernel")" ]; then
		note "another kernel than last time: building from scratch"
		find "$out" -mindepth 1 -maxdepth 1 ! -name 'run-*' ! -name .lock ! -name .test-lock -exec rm -rf {} +
	fi
	identity >"$out/.kernel"
	# The flags and variables of an outer make are not meant for Kbuild.
	env -u MAKEFLAGS -u MFLAGS -u MAKEOVERRIDES -u MAKELEVEL \
		make --no-print-directory -j"$(nproc)" -C "$KDIR" \
		M="$RDAX_TOP" MO="$out" "${arguments[@]}" "$@" >&2
}

mkdir -p "$out"
out=$(realpath "$out")
[ $# -gt 0 ] || set -- modules
[ -e "$RDAX_TOP/Kbuild" ] || die "no Kbuild file in $RDAX_TOP"
(
	flock 9
	build "$@" 9>&-
) 9>"$out/.lock" || die "module build failed"
printf 'KDIR=%q RDAX_BUILD=%q\n' "$KDIR" "$out"
