#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Runs in the guest, started by virtme-ng's init with the environment that
# vm.py wrote: prepares the guest, then runs the command and hands back its
# status and all of its output.
set -uo pipefail
export PATH=$RDAX_TOP/build/tools/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export LANG=C.UTF-8

fail() {
	echo "guest-init: $*" >&2
	exit 126
}

# Bash's own means where they do: a process costs 50 ms in an emulated debug
# kernel.
mounts=$(</proc/mounts)
mounted() { [[ $mounts == *" $1 $2 "* ]]; }

# A clean /tmp, with what this run needs of the host's still in its place, and the
# directories of --share, which are mounted by now.
fresh_tmp() {
	local path paths
	# What contains another comes before it.
	paths=$(printf '%s\n' "$RDAX_TOP" "$RDAX_BUILD" "$RDAX_KDIR" "$RDAX_CWD" \
		"$RDAX_SHARES" | LC_ALL=C sort -u)
	# All of it is shared.
	[[ $'\n'$RDAX_SHARES$'\n' != *$'\n/tmp\n'* ]] || return 0
	mkdir -p /run/host-tmp
	mount --rbind /tmp /run/host-tmp
	mount -t tmpfs -o mode=1777 tmpfs /tmp
	while IFS= read -r path; do
		[[ $path == /tmp/* && ! -e $path ]] || continue
		mkdir -p "$path"
		mount --rbind "/run/host-tmp/${path#/tmp/}" "$path"
	done <<<"$paths"
}

# From here on, as a boot with KCSAN takes much longer. Of so many accesses that a CPU makes one
# is watched, for so many microseconds at most.
watch_races() {
	echo "${RDAX_KCSAN_SKIP:-1000}" >/sys/module/kcsan/parameters/skip_watch
	echo "${RDAX_KCSAN_DELAY:-200}" >/sys/module/kcsan/parameters/udelay_task
	echo on >/sys/kernel/debug/kcsan
}

prepare() {
	local dir
	mounted /tmp tmpfs || fresh_tmp
	mount -t tmpfs -o mode=755 tmpfs /mnt
	mounted /sys/kernel/debug debugfs || mount -t debugfs debugfs /sys/kernel/debug
	mounted /sys/kernel/tracing tracefs || mount -t tracefs tracefs /sys/kernel/tracing
	[ ! -e /sys/kernel/debug/kcsan ] || watch_races
	[ -d "/lib/modules/$(uname -r)" ] || fail "no modules at /lib/modules/$(uname -r)"
	if [ -n "${RDAX_DISK_SERIAL:-}" ]; then
		for dir in /sys/block/vd*; do
			if [ "$(<"$dir/serial")" = "$RDAX_DISK_SERIAL" ]; then
				export RDAX_DISK=/dev/${dir##*/}
			fi
		done
		[ -b "${RDAX_DISK:-}" ] || fail "no virtio disk $RDAX_DISK_SERIAL"
	fi
}

count_devices() {
	local devices=(/dev/rpmem*)
	[ -e "${devices[0]}" ] || devices=()
	echo ${#devices[@]}
}

load_modules() {
	local module deadline
	[ -n "$RDAX_LOAD_MODULES" ] || return 0
	for module in rdax rdax_pmem; do
		if [ ! -e "/lib/modules/$(uname -r)/updates/$module.ko" ]; then
			echo "guest-init: $module.ko has not been built" >&2
			return
		fi
		modprobe "$module" || fail "modprobe $module"
	done
	deadline=$((SECONDS + 30))
	udevadm settle --timeout=30
	while [ "$(count_devices)" -lt "$RDAX_PMEM_COUNT" ]; do
		if [ $SECONDS -ge $deadline ]; then
			echo "guest-init: $(count_devices) of $RDAX_PMEM_COUNT rpmem devices" >&2
			return 0
		fi
		sleep 0.1
	done
}

# The command's output goes through pipes: a virtio port can be opened only
# once, so that `echo >/dev/stderr` would fail on it.
run_command() {
	local status fd pid tries
	mkfifo /run/rdax.1 /run/rdax.2
	cat /run/rdax.1 &
	cat /run/rdax.2 >&2 &
	bash "$RDAX_VM_DIR/command" >/run/rdax.1 2>/run/rdax.2 </dev/null
	status=$?
	# Processes it left behind must not keep the VM: they get two seconds.
	for ((tries = 0; tries < 20; tries++)); do
		[ -n "$(jobs -r)" ] || break
		sleep 0.1
	done
	if [ -n "$(jobs -r)" ]; then
		while read -r fd; do
			pid=${fd#/proc/}
			pid=${pid%%/*}
			[ "$(<"/proc/$pid/comm")" = cat ] || kill -KILL "$pid"
		done < <(find /proc/[0-9]*/fd -lname '/run/rdax.[12]' 2>/dev/null)
	fi
	wait
	return $status
}

prepare
load_modules
ln -sfn /proc/self/fd/1 /dev/stdout
ln -sfn /proc/self/fd/2 /dev/stderr
if [ -t 0 ]; then
	# shellcheck disable=SC1091
	. "$RDAX_VM_DIR/command"
	exit
fi
run_command
