/* SPDX-License-Identifier: GPL-2.0 */
/* What the cases of rdax_bench share; see Documentation/performance.rst. */
#ifndef RDAX_BENCH_H
#define RDAX_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PAGE		4096UL
#define PMD		(2UL << 20)
#define MIB		(1UL << 20)
#define MAX_SAMPLES	8192

#ifndef ARRAY_SIZE
#define ARRAY_SIZE(x)	(sizeof(x) / sizeof((x)[0]))
#endif

struct bench_case {
	const char *name;
	/* Runs in a process of its own, in an empty directory of its own. */
	void (*run)(void);
	/* The directory's files get extents of 2 MiB where that has to be asked for. */
	bool huge;
};

extern const struct bench_case base_cases[];
extern const struct bench_case fault_cases[];
extern const struct bench_case io_cases[];
extern const struct bench_case name_cases[];

extern uint64_t samples[MAX_SAMPLES];
extern size_t nr_samples;

/* Under -icount shift=0 one tick is one instruction. */
static inline uint64_t ticks(void)
{
	uint32_t low, high;

	asm volatile("rdtsc" : "=a" (low), "=d" (high) : : "memory");
	return (uint64_t)high << 32 | low;
}

static inline void sample(uint64_t start)
{
	uint64_t end = ticks();

	if (nr_samples < MAX_SAMPLES)
		samples[nr_samples++] = end - start;
}

__attribute__((noreturn, format(printf, 1, 2)))
void die(const char *fmt, ...);

/* Faults of this process so far; DAX counts those that allocate as major. */
unsigned long faults(void);
void expect_faults(const char *what, unsigned long before, unsigned long want);

enum content { FALLOCATED, WRITTEN };

/* A new file of @size bytes that is in DAX state; the descriptor. */
int make_file(const char *name, size_t size, enum content content);
int create_file(const char *name, int flags);
/* Shared mapping of the whole file, by PMDs where possible or by PTEs only. */
char *map_file(int fd, size_t size, bool pmd);
void unmap_file(char *map, size_t size);
/* The file system's writes so far are durable. */
void sync_all(void);
/* A case whose work goes on after its calls: all of it from @start, @n calls. */
void report_total(uint64_t start, size_t n);

#endif
