// SPDX-License-Identifier: GPL-2.0
/* Page faults of DAX files: their number, their size and what they show. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "dax_test.h"

#define NPTE	64
#define NPMD	6

/*
 * Faults beside those of the mapping: stack and libc pages touched for the
 * first time. Far below the hundreds that a lost PMD would cost.
 */
#define SLACK	12

static void cmd_is_dax(char **argv)
{
	int fd = open(argv[0], O_RDONLY);

	must(fd >= 0);
	if (!is_dax(fd))
		fail("%s is not a DAX file: the mount lost DAX", argv[0]);
}

static void cmd_not_dax(char **argv)
{
	int fd = open(argv[0], O_RDONLY);

	must(fd >= 0);
	if (is_dax(fd))
		fail("%s is a DAX file", argv[0]);
}

static void check_faults(unsigned long got, unsigned long want)
{
	if (got < want || got > want + SLACK)
		fail("%lu faults, want %lu to %lu", got, want, want + SLACK);
}

static void check_pmds(struct pmd_events ev, unsigned int want)
{
	note("PMD faults: %u NOPAGE, %u FALLBACK, %u other", ev.nopage,
	     ev.fallback, ev.other);
	if (ev.nopage < want || ev.fallback || ev.other)
		fail("want %u NOPAGE and nothing else", want);
}

static void start_trace(void)
{
	if (!trace_start())
		skip("no fs_dax tracepoints");
}

static void touch_store(char *p, size_t len, u64 seed)
{
	size_t off;

	for (off = 0; off < len; off += PAGE)
		fill(p + off, 8, seed, off);
}

static void check_touched(int fd, size_t len, u64 seed)
{
	char *buf = page_alloc(PAGE);
	size_t off;

	for (off = 0; off < len; off += PAGE) {
		full_pread(fd, buf, PAGE, off);
		verify(buf, 8, seed, off);
		verify_zero(buf + 8, PAGE - 8);
	}
}

static void cmd_pte_write(char **argv)
{
	int fd = create_file(argv[0], NPTE * PAGE);
	char *p = map_pte(fd, NPTE * PAGE, PROT_READ | PROT_WRITE);
	unsigned long before = fault_count();

	must(p != MAP_FAILED);
	touch_store(p, NPTE * PAGE, 1);
	check_faults(fault_count() - before, NPTE);
	check_touched(fd, NPTE * PAGE, 1);
}

static void cmd_pte_read(char **argv)
{
	int fd = create_file(argv[0], NPTE * PAGE);
	unsigned long before;
	char *p;

	write_pattern(fd, NPTE * PAGE, 2);
	p = map_pte(fd, NPTE * PAGE, PROT_READ);
	must(p != MAP_FAILED);
	before = fault_count();
	verify(p, NPTE * PAGE, 2, 0);
	check_faults(fault_count() - before, NPTE);
}

/* A zero page read first must give way to the block a store allocates. */
static void cmd_pte_hole(char **argv)
{
	int fd = sparse_file(argv[0], NPTE * PAGE);
	char *p = map_pte(fd, NPTE * PAGE, PROT_READ | PROT_WRITE);
	char *q = map_pte(fd, NPTE * PAGE, PROT_READ);
	char *buf = page_alloc(PAGE);

	must(p != MAP_FAILED && q != MAP_FAILED);
	verify_zero(p, NPTE * PAGE);
	verify_zero(q, NPTE * PAGE);
	fill(p + 7 * PAGE, PAGE, 3, 0);
	verify(q + 7 * PAGE, PAGE, 3, 0);
	full_pread(fd, buf, PAGE, 7 * PAGE);
	verify(buf, PAGE, 3, 0);
	verify_zero(q, 7 * PAGE);
	verify_zero(q + 8 * PAGE, (NPTE - 8) * PAGE);

	/* The same by write(2) behind the mapping. */
	full_pwrite(fd, buf, PAGE, 9 * PAGE);
	verify(q + 9 * PAGE, PAGE, 3, 0);
}

static void cmd_pmd_write(char **argv)
{
	int fd = create_file(argv[0], NPMD * PMD);
	unsigned long before;
	char *p;

	require_pmd_blocks(fd, NPMD * PMD);
	p = map_pmd(fd, NPMD * PMD, PROT_READ | PROT_WRITE);
	must(p != MAP_FAILED);
	start_trace();
	before = fault_count();
	touch_store(p, NPMD * PMD, 4);
	check_faults(fault_count() - before, NPMD);
	check_pmds(trace_stop(fd), NPMD);
	check_touched(fd, NPMD * PMD, 4);
}

static void cmd_pmd_read(char **argv)
{
	int fd = create_file(argv[0], NPMD * PMD);
	unsigned long before;
	char *p;

	write_pattern(fd, NPMD * PMD, 5);
	require_pmd_blocks(fd, NPMD * PMD);
	p = map_pmd(fd, NPMD * PMD, PROT_READ | PROT_WRITE);
	must(p != MAP_FAILED);
	start_trace();
	before = fault_count();
	verify(p, NPMD * PMD, 5, 0);
	check_faults(fault_count() - before, NPMD);

	/* One more fault per PMD makes it writable. */
	before = fault_count();
	touch_store(p, NPMD * PMD, 6);
	check_faults(fault_count() - before, NPMD);
	check_pmds(trace_stop(fd), 2 * NPMD);
}

static void cmd_pmd_hole(char **argv)
{
	int fd = sparse_file(argv[0], NPMD * PMD);
	char *p = map_pmd(fd, NPMD * PMD, PROT_READ | PROT_WRITE);
	unsigned long before;

	must(p != MAP_FAILED);
	start_trace();
	before = fault_count();
	verify_zero(p, NPMD * PMD);
	check_faults(fault_count() - before, NPMD);
	check_pmds(trace_stop(fd), NPMD);

	fill(p + PMD + 3 * PAGE, PAGE, 7, 0);
	verify_zero(p, PMD + 3 * PAGE);
	verify(p + PMD + 3 * PAGE, PAGE, 7, 0);
	verify_zero(p + PMD + 4 * PAGE, (NPMD - 1) * PMD - 4 * PAGE);
}

/* 2 MiB of which one page is in use as a PTE cannot become a PMD. */
static void cmd_mixed(char **argv)
{
	int fd = create_file(argv[0], 3 * PMD);
	struct pmd_events ev;
	char *small, *huge;

	require_pmd_blocks(fd, 3 * PMD);
	small = map_pte(fd, 3 * PMD, PROT_READ | PROT_WRITE);
	huge = map_pmd(fd, 3 * PMD, PROT_READ | PROT_WRITE);
	must(small != MAP_FAILED && huge != MAP_FAILED);
	fill(small + PMD + 5 * PAGE, PAGE, 8, PMD + 5 * PAGE);
	start_trace();
	fill(huge, 3 * PMD, 8, 0);
	ev = trace_stop(fd);
	note("PMD faults: %u NOPAGE, %u FALLBACK", ev.nopage, ev.fallback);
	if (ev.nopage != 2 || !ev.fallback)
		fail("want 2 NOPAGE and some FALLBACK");
	verify(small, 3 * PMD, 8, 0);
	verify_file(fd, 3 * PMD, 8);
}

static void cmd_misaligned_vma(char **argv)
{
	int fd = create_file(argv[0], 2 * PMD);
	struct pmd_events ev;
	char *p;

	require_pmd_blocks(fd, 2 * PMD);
	p = map_pte(fd, 2 * PMD, PROT_READ | PROT_WRITE);
	must(p != MAP_FAILED);
	start_trace();
	fill(p, 2 * PMD, 9, 0);
	ev = trace_stop(fd);
	if (ev.nopage || ev.other)
		fail("%u PMD faults in a misaligned mapping", ev.nopage);
	verify_file(fd, 2 * PMD, 9);

	/* Aligned, but shorter than 2 MiB. */
	p = map_at(fd, PMD - PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, 0, 0);
	must(p != MAP_FAILED);
	start_trace();
	verify(p, PMD - PAGE, 9, 0);
	ev = trace_stop(fd);
	if (ev.nopage || ev.other)
		fail("%u PMD faults in a mapping of less than 2 MiB",
		     ev.nopage);
}

static void want_sigbus(char *p, int code)
{
	must_eq(try_load(p), code);
	must_eq(try_store(p, 1), code);
}

static void cmd_eof(char **argv)
{
	int fd = create_file(argv[0], 2 * PMD);
	char *p;

	must(!ftruncate(fd, PMD + PAGE + 100));
	p = map_pmd(fd, 2 * PMD, PROT_READ | PROT_WRITE);
	must(p != MAP_FAILED);
	must_eq(try_store(p, 1), 0);
	must_eq(try_store(p + PMD + PAGE + 99, 2), 0);
	/* The rest of the last page is there and zero, the next is not. */
	verify_zero(p + PMD + PAGE + 100, PAGE - 100);
	want_sigbus(p + PMD + 2 * PAGE, BUS_ADRERR);
	want_sigbus(p + 2 * PMD - 1, BUS_ADRERR);

	must(!ftruncate(fd, PAGE));
	must_eq(try_load(p), 0);
	want_sigbus(p + PAGE, BUS_ADRERR);
	want_sigbus(p + PMD, BUS_ADRERR);

	must(!ftruncate(fd, 2 * PMD));
	verify_zero(p + PAGE, 2 * PMD - PAGE);
}

#define NTHREADS	4
#define ROUNDS		24

struct racer {
	pthread_barrier_t *barrier;
	char *map;
	size_t stride;
	int id;
};

static void *race(void *arg)
{
	struct racer *r = arg;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		volatile char *p = r->map + i * r->stride + r->id * 64;

		pthread_barrier_wait(r->barrier);
		if (r->id & 1)
			(void)p[8];
		p[0] = i + 1;
		p[r->stride - 512] = r->id + 1;
	}
	return NULL;
}

static void run_race(int fd, char *map, size_t stride)
{
	struct racer racer[NTHREADS];
	pthread_t thread[NTHREADS];
	pthread_barrier_t barrier;
	char *buf = page_alloc(stride);
	int i, j;

	must(map != MAP_FAILED);
	pthread_barrier_init(&barrier, NULL, NTHREADS);
	for (i = 0; i < NTHREADS; i++) {
		racer[i] = (struct racer){ &barrier, map, stride, i };
		must(!pthread_create(&thread[i], NULL, race, &racer[i]));
	}
	for (i = 0; i < NTHREADS; i++)
		must(!pthread_join(thread[i], NULL));
	for (i = 0; i < ROUNDS; i++) {
		full_pread(fd, buf, stride, (off_t)i * stride);
		for (j = 0; j < NTHREADS; j++) {
			must_eq(buf[j * 64], i + 1);
			must_eq(buf[stride - 512 + j * 64], j + 1);
			buf[j * 64] = 0;
			buf[stride - 512 + j * 64] = 0;
		}
		verify_zero(buf, stride);
	}
}

static void cmd_race_pte(char **argv)
{
	int fd = sparse_file(argv[0], ROUNDS * PAGE);

	run_race(fd, map_pte(fd, ROUNDS * PAGE, PROT_READ | PROT_WRITE), PAGE);
}

static void cmd_race_pmd(char **argv)
{
	int fd = create_file(argv[0], ROUNDS * PMD);

	require_pmd_blocks(fd, ROUNDS * PMD);
	run_race(fd, map_pmd(fd, ROUNDS * PMD, PROT_READ | PROT_WRITE), PMD);
}

/* Punched blocks leave no stale translation, small or huge. */
static void cmd_punch(char **argv)
{
	int fd = create_file(argv[0], 4 * PMD);
	char *p;

	write_pattern(fd, 4 * PMD, 10);
	p = map_pmd(fd, 4 * PMD, PROT_READ | PROT_WRITE);
	must(p != MAP_FAILED);
	verify(p, 4 * PMD, 10, 0);
	must(!fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, PMD,
			PMD));
	must(!fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			2 * PMD + PAGE, PAGE));
	verify(p, PMD, 10, 0);
	verify_zero(p + PMD, PMD);
	verify(p + 2 * PMD, PAGE, 10, 2 * PMD);
	verify_zero(p + 2 * PMD + PAGE, PAGE);
	verify(p + 2 * PMD + 2 * PAGE, 2 * PMD - 2 * PAGE, 10,
	       2 * PMD + 2 * PAGE);
	fill(p + PMD, PMD, 10, PMD);
	fill(p + 2 * PMD + PAGE, PAGE, 10, 2 * PMD + PAGE);
	verify_file(fd, 4 * PMD, 10);
}

static const struct cmd cmds[] = {
	{ "is-dax", 1, cmd_is_dax },
	{ "not-dax", 1, cmd_not_dax },
	{ "pte-write", 1, cmd_pte_write },
	{ "pte-read", 1, cmd_pte_read },
	{ "pte-hole", 1, cmd_pte_hole },
	{ "pmd-write", 1, cmd_pmd_write },
	{ "pmd-read", 1, cmd_pmd_read },
	{ "pmd-hole", 1, cmd_pmd_hole },
	{ "mixed", 1, cmd_mixed },
	{ "misaligned-vma", 1, cmd_misaligned_vma },
	{ "eof", 1, cmd_eof },
	{ "race-pte", 1, cmd_race_pte },
	{ "race-pmd", 1, cmd_race_pmd },
	{ "punch", 1, cmd_punch },
	{ }
};

int main(int argc, char **argv)
{
	return run_cmd(cmds, argc, argv);
}
