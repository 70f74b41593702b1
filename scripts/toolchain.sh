#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Installs what building and testing need and prints shell assignments
# (PATH, RUST_LIB_SRC, LIBCLANG_PATH, LLVM) for `eval`.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/apt-private.sh"

RUSTC_MIN=1.85.0
BINDGEN_MIN=0.71.1
BINDGEN_VERSION=0.72.1

# Build, then guest: virtme-ng runs the host's root as the guest's.
PACKAGES="
 bc bison build-essential ca-certificates clang-$LLVM_VERSION cpio
 debian-archive-keyring flex kmod libclang-$LLVM_VERSION-dev libelf-dev
 libssl-dev lld-$LLVM_VERSION llvm-$LLVM_VERSION perl python3 python3-venv
 xz-utils
 e2fsprogs fdisk fio ndctl qemu-system-x86 udev util-linux xfsprogs
 mmdebstrap shellcheck
 git python3-lmdb stress-ng
"

# version_ge A B: A >= B
version_ge() { [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n1)" = "$2" ]; }

install_packages() {
	local missing=() package
	for package in $PACKAGES; do
		dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null |
			grep -q '^installed$' || missing+=("$package")
	done
	[ ${#missing[@]} -gt 0 ] || return 0
	step "Installing ${#missing[@]} Debian packages: ${missing[*]}"
	apt_get update -qq >&2
	apt_get install -y -qq --no-install-recommends "${missing[@]}" \
		>"$RDAX_CACHE/apt-install.log" 2>&1 ||
		{ tail -n 20 "$RDAX_CACHE/apt-install.log" >&2; die "apt-get install failed"; }
}

rustc_version() { "$1" --version 2>/dev/null | awk '{ print $2 }'; }

# The compiler itself rather than rustup's proxy: a build starts it often.
find_rustc() {
	local rustc=""
	if have rustc && version_ge "$(rustc_version rustc)" "$RUSTC_MIN"; then
		rustc=$(rustc --print sysroot)/bin/rustc
	fi
	if [ ! -x "$rustc" ]; then
		step "No rustc >= $RUSTC_MIN: installing the distribution's rustc-web or rustc"
		apt_get update -qq >&2
		apt_get install -y -qq \
			--no-install-recommends rustc-web rust-web-src cargo-web >&2 ||
			apt_get install -y -qq \
				--no-install-recommends rustc rust-src cargo rustfmt rust-clippy >&2
		hash -r
		rustc=$(rustc --print sysroot)/bin/rustc
		version_ge "$(rustc_version "$rustc")" "$RUSTC_MIN" ||
			die "rustc $(rustc_version "$rustc") is older than $RUSTC_MIN; install a newer one"
	fi
	printf '%s\n' "$rustc"
}

# The library sources of exactly this compiler.
find_rust_lib_src() {
	local rustc=$1 sysroot version dir deb debver
	sysroot=$("$rustc" --print sysroot)
	version=$(rustc_version "$rustc")
	for dir in "$sysroot/lib/rustlib/src/rust/library" \
		"/usr/src/rustc-$version/library" \
		"$RDAX_CACHE/rust-src-$version/library"; do
		if [ -e "$dir/core/src/lib.rs" ]; then
			printf '%s\n' "$dir"
			return
		fi
	done
	if have rustup && [[ $sysroot == *toolchains* ]]; then
		step "Adding rustup's rust-src component"
		if rustup component add rust-src >&2; then
			printf '%s\n' "$sysroot/lib/rustlib/src/rust/library"
			return
		fi
	fi
	step "Looking for Debian's rust-src $version"
	private_apt_update trixie trixie-backports testing unstable
	for package in rust-src rust-web-src; do
		debver=$(private_apt_newest $package "$version+")
		[ -n "$debver" ] || continue
		deb=$(private_apt_fetch $package "$debver" "$RDAX_CACHE/tmp-rust-src")
		rm -rf "$RDAX_CACHE/tmp-rust-src/x"
		dpkg-deb -x "$deb" "$RDAX_CACHE/tmp-rust-src/x"
		mkdir -p "$RDAX_CACHE/rust-src-$version"
		cp -a "$RDAX_CACHE/tmp-rust-src/x/usr/src/rustc-$version/library" \
			"$RDAX_CACHE/rust-src-$version/"
		rm -rf "$RDAX_CACHE/tmp-rust-src"
		printf '%s\n' "$RDAX_CACHE/rust-src-$version/library"
		return
	done
	die "no library source for rustc $version: rustup component add rust-src, or set RUST_LIB_SRC"
}

find_bindgen() {
	if have bindgen && version_ge "$(bindgen --version | awk '{ print $2 }')" "$BINDGEN_MIN"; then
		dirname "$(command -v bindgen)"
		return
	fi
	local root=$RDAX_CACHE/bindgen-$BINDGEN_VERSION
	if [ ! -x "$root/bin/bindgen" ]; then
		step "Building bindgen $BINDGEN_VERSION from crates.io (about a minute)"
		cargo install --quiet --locked --root "$root.tmp" \
			bindgen-cli --version "$BINDGEN_VERSION" >&2
		mv "$root.tmp" "$root"
	fi
	printf '%s\n' "$root/bin"
}

prepare() {
	local rustc bindgen
	install_packages
	rustc=$(find_rustc)
	export LIBCLANG_PATH=/usr/lib/llvm-$LLVM_VERSION/lib
	PATH=$(dirname "$rustc"):$PATH
	RUST_LIB_SRC=${RUST_LIB_SRC:-$(find_rust_lib_src "$rustc")}
	bindgen=$(find_bindgen)
	printf 'export PATH=%q\n' "$(dirname "$rustc"):$bindgen:$PATH"
	printf 'export RUST_LIB_SRC=%q\n' "$RUST_LIB_SRC"
	printf 'export LIBCLANG_PATH=%q\n' "$LIBCLANG_PATH"
	printf 'export LLVM=-%s\n' "$LLVM_VERSION"
}

with_lock toolchain prepare
