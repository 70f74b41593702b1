#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# vm.sh debug|release|kcsan [vm.py options]: builds what is out of date, then boots.
. "$(dirname "$0")/lib.sh"

flavour=$1
shift
settings=$("$RDAX_TOP/scripts/build-modules.sh" "$flavour")
eval "$settings"
"$RDAX_TOP/scripts/build-tools.sh" >/dev/null
"$RDAX_TOP/scripts/demo/build.sh" "$RDAX_BUILD"
step "Booting the $flavour kernel"
exec "$RDAX_TOP/scripts/vm.py" --flavour "$flavour" --kdir "$KDIR" --build "$RDAX_BUILD" "$@"
