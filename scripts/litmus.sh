#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Runs the litmus tests of Documentation/litmus under the kernel's memory model.
# Each says what its result is: Never, or Sometimes for one that shows what
# happens without what the other has.
. "$(dirname "$0")/lib.sh"

tests=("$RDAX_TOP"/Documentation/litmus/*.litmus)
source=$("$RDAX_TOP/scripts/kernel-source.sh")
"$RDAX_TOP/scripts/herd7.sh" -version >/dev/null
cd "$source/tools/memory-model"

echo "KTAP version 1"
echo "1..${#tests[@]}"
status=0
number=0
for test in "${tests[@]}"; do
	number=$((number + 1))
	name=$(basename "$test" .litmus)
	wanted=$(sed -n 's/^ \* Result: //p' "$test")
	output=$("$RDAX_TOP/scripts/herd7.sh" -conf linux-kernel.cfg "$test" 2>&1) || true
	result=$(awk -v name="$name" '$1 == "Observation" && $2 == name { print $3 }' <<<"$output")
	if [ -n "$wanted" ] && [ "$result" = "$wanted" ]; then
		echo "ok $number $name: $result"
	else
		printf '# %s\n' "${output//$'\n'/$'\n# '}"
		echo "not ok $number $name: ${result:-no result}, wanted ${wanted:-nothing}"
		status=1
	fi
done
exit $status
