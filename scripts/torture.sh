#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# torture.sh FLAVOUR [--minimise]: fs_torture in a VM whose CPUs run at once, for RDAX_SECONDS.
# `make torture` calls it; CPUS, MEM and PMEM are of the VM, RDAX_* goes to the test.
. "$(dirname "$0")/lib.sh"

flavour=$1
shift
selftests=$RDAX_TOP/build/$flavour/selftests
tests=$RDAX_TOP/tools/testing/selftests/rdax
mkdir -p "$selftests"
make -s -C "$tests" OUTPUT="$selftests"
settings=(--env "RDAX_SELFTESTS=$selftests")
while IFS='=' read -r name value; do
	case $name in
	RDAX_BUILD | RDAX_CACHE | RDAX_SELFTESTS | RDAX_TOP) ;;
	RDAX_*) settings+=(--env "$name=$value") ;;
	esac
done < <(env)
# Each run of --minimise may take as long as a round.
limit=$((RDAX_SECONDS * 3 + 1800))
[ $# = 0 ] || limit=$((24 * 3600))
PMEM=${PMEM:-memmap:1G disk:256M} TIMEOUT=${TIMEOUT:-$limit} \
	exec "$RDAX_TOP/scripts/vm.sh" "$flavour" "${settings[@]}" \
	--tcg-threads "${TCG_THREADS:-multi}" --append kmemleak=off --exec "$tests/torture.sh $*"
