// SPDX-License-Identifier: GPL-2.0
/* Page faults on mapped files, and what undoes and cleans mappings. */
#define _GNU_SOURCE
#include <sys/mman.h>
#include <unistd.h>

#include "bench.h"

#define PTE_FILE	(16 * MIB)
#define PMD_FILE	(64 * MIB)

static void touch(char *map, size_t size, size_t step, bool write)
{
	for (size_t at = 0; at < size; at += step) {
		volatile char *byte = map + at;
		uint64_t start = ticks();

		if (write)
			*byte = 1;
		else
			(void)*byte;
		sample(start);
	}
}

/* As touch(), without samples. */
static void prefault(char *map, size_t size, bool write)
{
	for (size_t at = 0; at < size; at += PAGE) {
		volatile char *byte = map + at;

		if (write)
			*byte = 1;
		else
			(void)*byte;
	}
}

/*
 * Each page or PMD once. The first mapping of a page by any process costs more
 * than later ones: its DAX entry and its folio are made then.
 */
static void touch_once(enum content content, bool pmd, bool write, bool mapped_before)
{
	size_t size = pmd ? PMD_FILE : PTE_FILE;
	size_t step = pmd ? PMD : PAGE;
	int fd = make_file("f", size, content);
	unsigned long before;
	char *map;

	if (mapped_before) {
		map = map_file(fd, size, pmd);
		prefault(map, size, true);
		unmap_file(map, size);
	}
	map = map_file(fd, size, pmd);
	before = faults();
	touch(map, size, step, write);
	expect_faults("touching each once", before, size / step);
	before = faults();
	prefault(map, size, write);
	expect_faults("every page after that", before, 0);
}

static void pte_write_written(void)
{
	touch_once(WRITTEN, false, true, true);
}

static void pte_write_first(void)
{
	touch_once(WRITTEN, false, true, false);
}

static void pte_write_fallocated(void)
{
	touch_once(FALLOCATED, false, true, false);
}

static void pte_read_written(void)
{
	touch_once(WRITTEN, false, false, true);
}

static void pmd_write_written(void)
{
	touch_once(WRITTEN, true, true, true);
}

static void pmd_write_first(void)
{
	touch_once(WRITTEN, true, true, false);
}

static void pmd_write_fallocated(void)
{
	touch_once(FALLOCATED, true, true, false);
}

static void pmd_read_written(void)
{
	touch_once(WRITTEN, true, false, true);
}

/* The write fault on a page that is mapped read only. */
static void pte_mkwrite(void)
{
	size_t size = 4 * MIB;
	int fd = make_file("f", size, WRITTEN);
	char *map = map_file(fd, size, false);
	unsigned long before;

	prefault(map, size, false);
	before = faults();
	touch(map, size, PAGE, true);
	expect_faults("write after read", before, size / PAGE);
}

static void truncate_mapped(bool pmd, int rounds)
{
	size_t size = 64 * MIB;

	while (rounds--) {
		int fd = make_file("f", size, WRITTEN);
		char *map = map_file(fd, size, pmd);
		unsigned long before = faults();
		uint64_t start;

		prefault(map, size, true);
		expect_faults("before truncate", before, size / (pmd ? PMD : PAGE));
		start = ticks();
		if (ftruncate(fd, 0))
			die("ftruncate: %m");
		sample(start);
		unmap_file(map, size);
		if (close(fd) || unlink("f"))
			die("unlink: %m");
		sync_all();
	}
}

static void truncate_pte(void)
{
	truncate_mapped(false, 3);
}

static void truncate_pmd(void)
{
	truncate_mapped(true, 4);
}

static void msync_one(void)
{
	size_t size = MIB;
	int fd = make_file("f", size, WRITTEN);
	char *map = map_file(fd, size, false);

	prefault(map, size, true);
	if (msync(map, size, MS_SYNC))
		die("msync: %m");
	for (int i = 0; i < 300; i++) {
		volatile char *page = map + i * PAGE % size;
		unsigned long before = faults();
		uint64_t start;

		*page = i;
		/* Clean pages are write protected. */
		expect_faults("write to a clean page", before, 1);
		start = ticks();
		if (msync((void *)page, PAGE, MS_SYNC))
			die("msync: %m");
		sample(start);
	}
}

const struct bench_case fault_cases[] = {
	{ .name = "pte_write_fault_written", .run = pte_write_written },
	{ .name = "pte_write_fault_first", .run = pte_write_first },
	{ .name = "pte_write_fault_fallocated", .run = pte_write_fallocated },
	{ .name = "pte_read_fault_written", .run = pte_read_written },
	{ .name = "pte_mkwrite", .run = pte_mkwrite },
	{ .name = "pmd_write_fault_written", .run = pmd_write_written, .huge = true },
	{ .name = "pmd_write_fault_first", .run = pmd_write_first, .huge = true },
	{ .name = "pmd_write_fault_fallocated", .run = pmd_write_fallocated, .huge = true },
	{ .name = "pmd_read_fault_written", .run = pmd_read_written, .huge = true },
	{ .name = "truncate_64m_pte_mapped", .run = truncate_pte, .huge = true },
	{ .name = "truncate_64m_pmd_mapped", .run = truncate_pmd, .huge = true },
	{ .name = "msync_1_dirty_pte", .run = msync_one },
	{ }
};
