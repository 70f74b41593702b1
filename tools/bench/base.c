// SPDX-License-Identifier: GPL-2.0
/* Cases without a file: whether this machine counts as the last one did. */
#define _GNU_SOURCE
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench.h"

static void empty(void)
{
	for (int i = 0; i < 1000; i++)
		sample(ticks());
}

static void system_call(void)
{
	for (int i = 0; i < 1000; i++) {
		uint64_t start = ticks();

		getppid();
		sample(start);
	}
}

static void anonymous_fault(void)
{
	size_t size = 4 * MIB;
	char *map = mmap(NULL, size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (map == MAP_FAILED || madvise(map, size, MADV_NOHUGEPAGE))
		die("mmap: %m");
	for (size_t at = 0; at < size; at += PAGE) {
		volatile char *byte = map + at;
		uint64_t start = ticks();

		*byte = 1;
		sample(start);
	}
}

const struct bench_case base_cases[] = {
	{ .name = "empty", .run = empty },
	{ .name = "getppid", .run = system_call },
	{ .name = "anonymous_fault", .run = anonymous_fault },
	{ }
};
