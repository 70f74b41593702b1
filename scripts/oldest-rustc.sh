#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# oldest-rustc.sh: compiles the modules with the oldest rustc that is promised,
# that of Debian 13 (trixie), with that suite's bindgen and gcc, and with the
# configuration of the release kernel; and checks the host's crates with it.
#
# All happens in a chroot in the cache, made from the Debian archive that this
# machine uses; there the kernel is only prepared for building modules, without
# the symbols that it would export: what is missing at link time does not count.
# shellcheck disable=SC2016 # What is quoted is for the shell in the chroot.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/apt-private.sh"
SUITE=trixie
PACKAGES=gcc,libc6-dev,make,flex,bison,bc,libelf-dev,libssl-dev,perl,kmod,cpio
PACKAGES+=,python3,rustc,rust-src,bindgen,cargo
fragments=("$RDAX_TOP/scripts/config/common.config" "$RDAX_TOP/scripts/config/release.config")
source=$("$RDAX_TOP/scripts/kernel-source.sh")
root=$RDAX_CACHE/$SUITE-$(sha_key <<<"$PACKAGES")
root_log=$root.log

make_root() {
	[ ! -e "$root.complete" ] || return 0
	local mirror acquire
	"$RDAX_TOP/scripts/toolchain.sh" >/dev/null
	mirror=$(debian_mirror)
	[ -n "$mirror" ] || die "no Debian archive in this machine's apt sources"
	[ -r "$DEBIAN_KEYRING" ] || die "missing $DEBIAN_KEYRING (package debian-archive-keyring)"
	step "Making a Debian $SUITE chroot with its rustc (once, about 2 GiB; in $root)"
	# How this machine's apt gets at its archive: proxies above all.
	acquire=$root.acquire
	apt-config dump --format '%f "%v";%n' Acquire | grep -v '::Languages' >"$acquire" || true
	as_root rm -rf "$root"
	as_root mmdebstrap --quiet --mode=root --variant=apt --keyring="$DEBIAN_KEYRING" \
		--aptopt="$acquire" --aptopt='Acquire::Languages "none"' \
		--aptopt='APT::Install-Recommends "false"' \
		--dpkgopt='path-exclude=/usr/share/man/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*' \
		--dpkgopt='path-exclude=/usr/share/doc/*' \
		--include="$PACKAGES" "$SUITE" "$root" "$mirror" >"$root_log" 2>&1 ||
		{ tail -n 20 "$root_log" >&2; die "mmdebstrap failed"; }
	touch "$root.complete"
}

# inside DIR COMMAND...: in the chroot, the source at /source, the tree at
# /tree, both read-only, and DIR at /out. The mounts end with the command.
inside() {
	local out=$1
	shift
	as_root unshare --mount --propagation private --fork bash -euc '
		root=$1 source=$2 tree=$3 out=$4 cargo=$5
		shift 5
		mkdir -p "$root"/{source,tree,out,cargo}
		mount --bind "$source" "$root/source"
		mount -o remount,bind,ro "$root/source"
		mount --bind "$tree" "$root/tree"
		mount -o remount,bind,ro "$root/tree"
		mount --bind "$out" "$root/out"
		if [ -d "$cargo/registry" ]; then
			mount --bind "$cargo" "$root/cargo"
			mount -o remount,bind,ro "$root/cargo"
		fi
		mount -t proc proc "$root/proc"
		mount --rbind /dev "$root/dev"
		exec chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/out LC_ALL=C \
			"$@"' - "$root" "$source" "$RDAX_TOP" "$out" "${CARGO_HOME:-$HOME/.cargo}" "$@"
}

# Every option that a fragment switches on has survived Kconfig's dependencies.
check_config() {
	local line bad=0
	while read -r line; do
		grep -qxF "$line" "$1/.config" || { note "not with this compiler: $line"; bad=1; }
	done < <(sed -n '/^CONFIG_.*=y$/p' "${fragments[@]}" | sort -u)
	[ $bad = 0 ] || die "the configuration does not hold with the oldest compilers"
}

prepare_kernel() {
	[ ! -e "$kernel/.complete" ] || return 0
	step "Preparing the kernel for modules, with $versions (once; in $kernel)"
	mkdir -p "$kernel"
	cat "${fragments[@]}" >"$kernel/fragments.config"
	# rust-src of the suite, by the version of its rustc.
	inside "$kernel" bash -euc '
		export RUST_LIB_SRC=$(echo /usr/src/rustc-*/library)
		make -s -C /source O=/out KCONFIG_ALLCONFIG=/out/fragments.config allnoconfig
		make -s -C /source O=/out -j"$(nproc)" modules_prepare' >"$kernel/build.log" 2>&1 ||
		{ tail -n 20 "$kernel/build.log" >&2; die "modules_prepare failed"; }
	check_config "$kernel"
	[ -e "$kernel/rust/libkernel.rmeta" ] || die "no rust/libkernel.rmeta in $kernel"
	touch "$kernel/.complete"
}

# The modules as CI builds them elsewhere: any warning is an error.
build_modules() {
	inside "$kernel" bash -euc '
		mkdir -p /out/rdax
		make -s -C /out M=/tree MO=/out/rdax -j"$(nproc)" KRUSTFLAGS=-Dwarnings \
			KCFLAGS=-Werror KBUILD_MODPOST_WARN=1 modules' >"$kernel/modules.log" 2>&1 ||
		{ grep -vE '^WARNING: (modpost|Symbol version)' "$kernel/modules.log" >&2; return 1; }
}

# The crates that run on the host, with what cargo has fetched for the machine's
# own rustc: of a dependency that needs a newer one cargo says so.
check_crates() {
	inside "$kernel" bash -euc '
		export CARGO_HOME=/out/cargo CARGO_TARGET_DIR=/out/cargo-target RUSTFLAGS=-Dwarnings
		mkdir -p $CARGO_HOME
		# The tree is read-only, and cargo writes lock files.
		rm -rf /out/crates $CARGO_HOME/registry
		mkdir -p /out/crates/fs/rdaxfs /out/crates/tools
		cp -r /cargo/registry $CARGO_HOME/
		cp -r /tree/fs/rdaxfs/{format,core} /out/crates/fs/rdaxfs/
		cp -r /tree/tools/progs /out/crates/tools/
		rm -f /out/crates/fs/rdaxfs/*/Cargo.lock
		for crate in fs/rdaxfs/format fs/rdaxfs/core; do
			cargo check --quiet --offline --lib --manifest-path /out/crates/$crate/Cargo.toml
		done
		cargo check --quiet --offline --manifest-path /out/crates/tools/progs/Cargo.toml
		rm -rf /out/crates' >"$kernel/crates.log" 2>&1 || { cat "$kernel/crates.log" >&2; return 1; }
}

[ -e "$root.complete" ] || with_lock "$SUITE-root" make_root
versions=$(as_root chroot "$root" sh -c 'rustc --version; bindgen --version; gcc -dumpfullversion' |
	paste -sd ' ')
kernel=$RDAX_CACHE/prepared-$({
	cat "${fragments[@]}"
	printf '%s\n' "$source" "$versions"
} | sha_key)
[ -e "$kernel/.complete" ] || with_lock "$SUITE-kernel" prepare_kernel
# One at a time: all trees that are tested build in the same directory.
with_lock "$SUITE-modules" build_modules
with_lock "$SUITE-modules" check_crates
note "compiles with $versions"
