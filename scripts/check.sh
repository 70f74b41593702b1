#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Says what keeps this machine, or a kernel tree, from building and testing,
# and what to do about it. Installs nothing. check.sh [--kernel DIR]
. "$(dirname "$0")/lib.sh"

RUSTC_MIN=1.85.0
BINDGEN_MIN=0.71.1
bad=0

ok() { [ -n "${quiet:-}" ] || printf 'ok    %s\n' "$1"; }
missing() {
	printf 'FAIL  %s\n      -> %s\n' "$1" "$2"
	bad=1
}
version_ge() { [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n1)" = "$2" ]; }

# need COMMAND WHAT-FOR PACKAGE
need() {
	if have "$1" || [ -x "/usr/sbin/$1" ]; then
		ok "$1"
	else
		missing "$1 is missing ($2)" "apt-get install $3"
	fi
}

check_rust() {
	local version sysroot
	RUSTC=$(command -v rustc || true)
	if [ -z "$RUSTC" ]; then
		missing "rustc is missing" "install rustup, or apt-get install rustc-web rust-web-src"
		return
	fi
	version=$(rustc --version | awk '{ print $2 }')
	if version_ge "$version" $RUSTC_MIN; then
		ok "rustc $version"
	else
		missing "rustc $version is older than $RUSTC_MIN" "rustup update stable"
	fi
	sysroot=$(rustc --print sysroot)
	for dir in ${RUST_LIB_SRC:+"$RUST_LIB_SRC"} "$sysroot/lib/rustlib/src/rust/library" \
		"/usr/src/rustc-$version/library" "$RDAX_CACHE/rust-src-$version/library"; do
		if [ -e "$dir/core/src/lib.rs" ]; then
			ok "rust library source"
			return
		fi
	done
	missing "no library source for rustc $version" \
		"rustup component add rust-src, or set RUST_LIB_SRC (make fetches Debian's)"
}

check_bindgen() {
	local bindgen version
	for bindgen in bindgen "$RDAX_CACHE"/bindgen-*/bin/bindgen; do
		have "$bindgen" || continue
		version=$("$bindgen" --version | awk '{ print $2 }')
		if version_ge "$version" $BINDGEN_MIN; then
			ok "bindgen $version"
			return
		fi
	done
	missing "no bindgen >= $BINDGEN_MIN" "cargo install bindgen-cli --version 0.72.1 (make does it)"
}

check_machine() {
	check_rust
	check_bindgen
	if compgen -G "/usr/lib/llvm-$LLVM_VERSION/lib/libclang*.so*" >/dev/null; then
		ok "libclang $LLVM_VERSION"
	else
		missing "libclang $LLVM_VERSION is missing (bindgen)" "apt-get install libclang-$LLVM_VERSION-dev"
	fi
	need "clang-$LLVM_VERSION" "kernel build" "clang-$LLVM_VERSION"
	need "ld.lld-$LLVM_VERSION" "kernel build" "lld-$LLVM_VERSION"
	need make "every build" build-essential
	need flex "kernel build" flex
	need bison "kernel build" bison
	need bc "kernel build" bc
	need depmod "VM" kmod
	need qemu-system-x86_64 "VM" qemu-system-x86
	need udevadm "VM: the guest's output ports" udev
	need mkfs.xfs "tests" xfsprogs
	need xfs_io "tests" xfsprogs
	need mkfs.ext4 "tests" e2fsprogs
	need ndctl "tests" ndctl
	need fio "tests" fio
	need python3 "VM and test driver" python3
	need shellcheck "make lint" shellcheck
	need mmdebstrap "make lint: the oldest rustc (installed when needed)" mmdebstrap
	if python3 -c 'import venv, ensurepip' 2>/dev/null; then
		ok "python3 venv"
	else
		missing "python3 cannot create a venv (virtme-ng)" "apt-get install python3-venv"
	fi
	if grep -Eq '^flags.*\b(vmx|svm)\b' /proc/cpuinfo && [ -w /dev/kvm ]; then
		ok "KVM"
	else
		ok "no usable KVM: VMs run emulated, a debug boot takes about a minute"
	fi
}

config_on() { grep -q "^CONFIG_$1=[ym]" "$KERNEL/.config"; }

# need_config OPTION WHY
need_config() {
	if config_on "$1"; then
		ok "CONFIG_$1"
	else
		missing "the kernel has no CONFIG_$1" "$2"
	fi
}

check_kernel() {
	local source text config
	KERNEL=$1
	if [ ! -e "$KERNEL/.config" ]; then
		missing "$KERNEL is not a configured kernel tree" \
			"KDIR must be a kernel build directory (the one with .config and Module.symvers)"
		return
	fi
	source=$KERNEL
	if [ ! -e "$KERNEL/Kbuild" ] && [ -e "$KERNEL/source" ]; then
		source=$KERNEL/source
	fi
	if [ -e "$source/rust/Makefile" ] && [ -e "$source/drivers/nvdimm/nd.h" ]; then
		ok "full source tree"
	else
		missing "$source has no rust/Makefile or drivers/nvdimm/nd.h: a headers package" \
			"use a full source tree: out-of-tree Rust needs more than a headers package has"
	fi
	if [ -e "$KERNEL/include/config/kernel.release" ] && [ -e "$KERNEL/Module.symvers" ]; then
		ok "kernel $(cat "$KERNEL/include/config/kernel.release") is built"
	else
		missing "$KERNEL is not built (no Module.symvers)" "make bzImage modules there first"
	fi
	need_config MODULES "enable it"
	need_config RUST "enable it (make rustavailable says what is missing); KASAN with Rust needs clang"
	if config_on RUST && [ ! -e "$KERNEL/rust/libkernel.rmeta" ]; then
		missing "no rust/libkernel.rmeta in $KERNEL" "build that kernel; headers packages do not ship it"
	fi
	config=$(sed -n 's/^CONFIG_RUSTC_VERSION_TEXT="\(.*\)"$/\1/p' "$KERNEL/.config")
	text=$("${RUSTC:-rustc}" --version 2>/dev/null || true)
	if [ -n "$config" ] && [ "$config" != "$text" ]; then
		missing "the kernel was built by '$config', rustc here is '${text:-missing}'" \
			"use that rustc (rustup toolchain install, or put it first in PATH) or rebuild the kernel"
	elif [ -n "$config" ]; then
		ok "the kernel's rustc"
	fi
	need_config ZONE_DEVICE "enable ZONE_DEVICE (needs MEMORY_HOTPLUG, MEMORY_HOTREMOVE, SPARSEMEM_VMEMMAP)"
	need_config FS_DAX "enable FS_DAX"
	need_config LIBNVDIMM "enable LIBNVDIMM"
	need_config NVDIMM_PFN "enable NVDIMM_PFN: without ND_CLAIM no driver can enable a namespace"
	if config_on RANDSTRUCT || config_on GCC_PLUGINS; then
		if config_on RANDSTRUCT; then
			missing "the kernel has CONFIG_RANDSTRUCT" "disable it: bindgen cannot see the layout"
		fi
	fi
	if config_on CC_IS_CLANG && ! have "clang-$LLVM_VERSION" && ! have clang; then
		missing "the kernel was built by clang, which is missing" "apt-get install clang-$LLVM_VERSION lld-$LLVM_VERSION llvm-$LLVM_VERSION"
	fi
}

if [ "${1:-}" = --kernel ]; then
	quiet=1
	check_kernel "$2"
	exit $bad
fi

echo "This machine:"
check_machine
flavour=${FLAVOUR:-release}
if [ -z "${KDIR:-}" ]; then
	# shellcheck disable=SC2012
	complete=$(ls -t "$RDAX_CACHE"/kernel-*-"$flavour"-*/.complete 2>/dev/null | head -n1 || true)
	KDIR=${complete%/.complete}
fi
if [ -n "$KDIR" ]; then
	echo "The kernel, $KDIR:"
	check_kernel "$KDIR"
else
	echo "No $flavour test kernel yet: make kernel FLAVOUR=$flavour builds it (10 to 20 minutes)."
fi
if [ $bad = 0 ]; then echo "Everything is there."; fi
exit $bad
