#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# control.sh SCRIPT [ARGS...]: the same test on nd_pmem. What fails here too is
# no fault of rdax_pmem.
dir=$(dirname "$0")
RDAX_DRIVER=nd_pmem exec "$dir/$1" "${@:2}"
