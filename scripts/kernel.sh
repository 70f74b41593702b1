#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# kernel.sh debug|release|kcsan: builds that test kernel if need be, prints its
# build directory. Builds live in the cache, one directory for each source
# version, configuration and compiler; an interrupted one is taken up again.
. "$(dirname "$0")/lib.sh"

flavour=${1:?usage: kernel.sh debug|release|kcsan}
fragments=("$RDAX_TOP/scripts/config/common.config" "$RDAX_TOP/scripts/config/$flavour.config")
[ -r "${fragments[1]}" ] || die "unknown FLAVOUR '$flavour' (debug, release or kcsan)"
# About how many lines the build prints; only the progress display uses it.
declare -A expected=([debug]=2610 [release]=2570 [kcsan]=2590)

environment=$("$RDAX_TOP/scripts/toolchain.sh")
eval "$environment"
src=$("$RDAX_TOP/scripts/kernel-source.sh")
version=$(make -s -C "$src" kernelversion)
key=$({
	cat "${fragments[@]}"
	printf '%s\n' "$src" "$version"
	"clang-$LLVM_VERSION" --version | head -n1
	rustc --version
	bindgen --version
} | sha_key)
out=$RDAX_CACHE/kernel-$version-$flavour-$key

progress() {
	awk -v total="$1" -v log_file="$2" -v tty="$3" '
	BEGIN { start = systime() }
	{
		print >log_file
		n++
		now = systime()
		if (now - shown < (tty ? 1 : 60)) next
		shown = now
		percent = int(100 * n / total); if (percent > 99) percent = 99
		t = now - start
		printf "%s    [%2d%%] %d steps, %d:%02d elapsed%s", tty ? "\r" : "", \
			percent, n, t / 60, t % 60, tty ? "" : "\n"
		fflush()
	}
	END { if (tty) printf "\n" }' >&2
}

# Every value a fragment asks for must have survived Kconfig's dependencies.
check_config() {
	local line name want got bad=0
	while read -r line; do
		case $line in CONFIG_*=*) ;; *) continue ;; esac
		name=${line%%=*} want=${line#*=}
		got=$(sed -n "s/^$name=//p" "$out/.config")
		[ "$want" != n ] || want=""
		if [ "$got" != "$want" ]; then
			note "$name: wanted '${want:-n}', Kconfig made it '${got:-n}'"
			bad=1
		fi
	done < <(cat "${fragments[@]}")
	[ $bad = 0 ] || die "the $flavour configuration does not hold on $version"
}

build() {
	[ ! -e "$out/.complete" ] || return 0
	local tty=0 start
	[ ! -t 2 ] || tty=1
	start=$(date +%s)
	step "Building the $flavour test kernel $version (once; in $out)"
	mkdir -p "$out"
	cat "${fragments[@]}" >"$out/fragments.config"
	make -s -C "$src" O="$out" KCONFIG_ALLCONFIG="$out/fragments.config" allnoconfig >"$out/config.log" 2>&1 ||
		{ tail "$out/config.log" >&2; die "configuration failed"; }
	check_config
	if ! make -C "$src" O="$out" -j"$(nproc)" bzImage modules 2>&1 |
		progress "${expected[$flavour]}" "$out/build.log" $tty; then
		grep -E 'error|Error' "$out/build.log" | head -n 20 >&2
		die "kernel build failed, see $out/build.log"
	fi
	[ -e "$out/rust/libkernel.rmeta" ] || die "no rust/libkernel.rmeta in $out"
	touch "$out/.complete"
	note "built in $(($(date +%s) - start)) s"
}

[ -e "$out/.complete" ] || with_lock "kernel-$flavour" build
printf '%s\n' "$out"
