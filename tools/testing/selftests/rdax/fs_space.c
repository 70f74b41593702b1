// SPDX-License-Identifier: GPL-2.0
/* Where a file has blocks and what they show: truncate, fallocate, holes. */
#include <linux/falloc.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/statvfs.h>

#include "fs_test.h"

#ifndef FALLOC_FL_WRITE_ZEROES
#define FALLOC_FL_WRITE_ZEROES	0x80
#endif

#define KEEP	FALLOC_FL_KEEP_SIZE
#define PUNCH	(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE)
#define RW	(PROT_READ | PROT_WRITE)
#define N	16
/* Further than what is zeroed ahead by fallocate. */
#define UNWRITTEN	(96L << 20)

static off_t blocks(int fd)
{
	struct stat st;

	must(!fstat(fd, &st));
	return st.st_blocks / 8;
}

static off_t size(int fd)
{
	struct stat st;

	must(!fstat(fd, &st));
	return st.st_size;
}

/* N pages of pattern 1, mapped, with the pages touched. */
static int pattern_file(char **map)
{
	int fd = new_at("f", 0600);

	write_pattern(fd, N * PAGE, 1);
	*map = map_pte(fd, 2 * N * PAGE, RW);
	must(*map != MAP_FAILED);
	verify(*map, N * PAGE, 1, 0);
	return fd;
}

static char page_buf[PAGE];

/* [from, to) is @seed, or zeros where that is 0, by read and by mapping. */
static void want(int fd, const char *map, off_t from, off_t to, u64 seed,
		 off_t shift)
{
	while (from < to) {
		size_t n = to - from < (off_t)PAGE ? to - from : (off_t)PAGE;

		full_pread(fd, page_buf, n, from);
		if (seed) {
			verify(page_buf, n, seed, from + shift);
			verify(map + from, n, seed, from + shift);
		} else {
			verify_zero(page_buf, n);
			verify_zero(map + from, n);
		}
		from += n;
	}
}

static void cmd_truncate(char **argv)
{
	char *map;
	int fd, ro;

	enter(argv[0]);
	fd = pattern_file(&map);
	must(!ftruncate(fd, 5000));
	must_eq(try_load(map + 2 * PAGE), 2);
	must(!ftruncate(fd, N * PAGE));
	want(fd, map, 0, 5000, 1, 0);
	want(fd, map, 5000, N * PAGE, 0, 0);
	/* Stored by a mapping behind the end: gone when the file grows. */
	must(!ftruncate(fd, 5000));
	memset(map + 5000, 'x', 2 * PAGE - 5000);
	must(!ftruncate(fd, 9000));
	want(fd, map, 5000, 9000, 0, 0);
	must(!ftruncate(fd, 5000));
	memset(map + 5000, 'x', 2 * PAGE - 5000);
	must(pwrite(fd, "end", 3, 3 * PAGE) == 3);
	want(fd, map, 5000, 3 * PAGE, 0, 0);
	must(!ftruncate(fd, 5000));
	memset(map + 5000, 'x', 2 * PAGE - 5000);
	must(!fallocate(fd, 0, 3 * PAGE, PAGE));
	want(fd, map, 5000, 4 * PAGE, 0, 0);
	/* And with a write that begins in the same page. */
	must(!ftruncate(fd, 5000));
	memset(map + 5000, 'x', 2 * PAGE - 5000);
	must(pwrite(fd, "end", 3, 6000) == 3);
	want(fd, map, 5000, 6000, 0, 0);
	must(!ftruncate(fd, 0));
	must_eq(blocks(fd), 0);
	must(!ftruncate(fd, 1UL << 45));
	must_eq(blocks(fd), 0);
	must_fail(ftruncate(fd, -1), EINVAL);
	ro = open("f", O_RDONLY);
	must_fail(ftruncate(ro, 0), EINVAL);
	must_fail(truncate(".", 0), EISDIR);
	must_fail(truncate("none", 0), ENOENT);
}

static void cmd_allocate(char **argv)
{
	char *map;
	int fd;

	enter(argv[0]);
	fd = pattern_file(&map);
	must(!fallocate(fd, 0, PAGE, (2 * N - 1) * PAGE));
	must_eq(size(fd), 2 * N * PAGE);
	must(blocks(fd) >= 2 * N);
	want(fd, map, 0, N * PAGE, 1, 0);
	want(fd, map, N * PAGE, 2 * N * PAGE, 0, 0);
	must(!ftruncate(fd, N * PAGE));
	must(!fallocate(fd, KEEP, N * PAGE, N * PAGE));
	must_eq(size(fd), N * PAGE);
	must(blocks(fd) >= 2 * N);
	must_eq(pread(fd, page_buf, 1, N * PAGE), 0);
	must_eq(try_load(map + N * PAGE), 2);
	/* What lies behind the end becomes visible as zeros. */
	must(!ftruncate(fd, 2 * N * PAGE));
	want(fd, map, N * PAGE, 2 * N * PAGE, 0, 0);
	must(!ftruncate(fd, N * PAGE));
	must(!fallocate(fd, KEEP, N * PAGE, N * PAGE));
	must(!ftruncate(fd, N * PAGE));
	must(blocks(fd) <= N + 1);
}

static void cmd_punch(char **argv)
{
	off_t before;
	char *map;
	int fd;

	enter(argv[0]);
	fd = pattern_file(&map);
	before = blocks(fd);
	must(!fallocate(fd, PUNCH, 2 * PAGE, 3 * PAGE));
	must_eq(blocks(fd), before - 3);
	want(fd, map, 0, 2 * PAGE, 1, 0);
	want(fd, map, 2 * PAGE, 5 * PAGE, 0, 0);
	want(fd, map, 5 * PAGE, N * PAGE, 1, 0);
	/* Parts of pages, with and without whole ones between. */
	must(!fallocate(fd, PUNCH, 6 * PAGE + 100, 200));
	must(!fallocate(fd, PUNCH, 7 * PAGE + 100, 2 * PAGE));
	must_eq(blocks(fd), before - 4);
	want(fd, map, 6 * PAGE, 6 * PAGE + 100, 1, 0);
	want(fd, map, 6 * PAGE + 100, 6 * PAGE + 300, 0, 0);
	want(fd, map, 6 * PAGE + 300, 7 * PAGE + 100, 1, 0);
	want(fd, map, 7 * PAGE + 100, 9 * PAGE + 100, 0, 0);
	want(fd, map, 9 * PAGE + 100, N * PAGE, 1, 0);
	must(!fallocate(fd, PUNCH, N * PAGE, PAGE));
	must(!fallocate(fd, PUNCH, 100 * PAGE, PAGE));
	must(!fallocate(fd, PUNCH, 15 * PAGE, 1UL << 40));
	must_eq(size(fd), N * PAGE);
	want(fd, map, 15 * PAGE, N * PAGE, 0, 0);
	must_fail(fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, PAGE), EOPNOTSUPP);
	memset(map + 3 * PAGE, 'y', PAGE);
	must_eq(pread(fd, page_buf, 1, 3 * PAGE), 1);
	must_eq(page_buf[0], 'y');
	must(!fallocate(fd, PUNCH, 0, N * PAGE));
	must_eq(blocks(fd), 0);
	want(fd, map, 0, N * PAGE, 0, 0);
}

static void zero_with(int mode)
{
	char *map;
	int fd;

	fd = pattern_file(&map);
	must(!fallocate(fd, mode, 2 * PAGE, 3 * PAGE));
	want(fd, map, 0, 2 * PAGE, 1, 0);
	want(fd, map, 2 * PAGE, 5 * PAGE, 0, 0);
	must(!fallocate(fd, mode, 6 * PAGE + 9, 2 * PAGE));
	want(fd, map, 5 * PAGE, 6 * PAGE + 9, 1, 0);
	want(fd, map, 6 * PAGE + 9, 8 * PAGE + 9, 0, 0);
	want(fd, map, 8 * PAGE + 9, N * PAGE, 1, 0);
	must(blocks(fd) >= N);
	if (mode == FALLOC_FL_ZERO_RANGE) {
		must(!fallocate(fd, mode | KEEP, 15 * PAGE, 4 * PAGE));
		must_eq(size(fd), N * PAGE);
	}
	must(!fallocate(fd, mode, 15 * PAGE, 4 * PAGE + 5));
	must_eq(size(fd), 19 * PAGE + 5);
	want(fd, map, 15 * PAGE, 19 * PAGE + 5, 0, 0);
	/* A hole that is zeroed gets blocks. */
	must(!ftruncate(fd, 0) && !ftruncate(fd, N * PAGE));
	must(!fallocate(fd, mode, 0, N * PAGE));
	must(blocks(fd) >= N);
	want(fd, map, 0, N * PAGE, 0, 0);
	fill(map, N * PAGE, 2, 0);
	want(fd, map, 0, N * PAGE, 2, 0);
}

static void cmd_zero(char **argv)
{
	enter(argv[0]);
	zero_with(FALLOC_FL_ZERO_RANGE);
}

static void cmd_write_zeroes(char **argv)
{
	int fd;

	enter(argv[0]);
	fd = new_at("probe", 0600);
	if (fallocate(fd, FALLOC_FL_WRITE_ZEROES, 0, PAGE)) {
		must_eq(errno, EOPNOTSUPP);
		skip("no FALLOC_FL_WRITE_ZEROES");
	}
	must_fail(fallocate(fd, FALLOC_FL_WRITE_ZEROES | KEEP, 0, PAGE),
		  EOPNOTSUPP);
	zero_with(FALLOC_FL_WRITE_ZEROES);
}

static void cmd_collapse(char **argv)
{
	const int mode = FALLOC_FL_COLLAPSE_RANGE;
	char *map;
	int fd;

	enter(argv[0]);
	fd = pattern_file(&map);
	must(!fallocate(fd, mode, 2 * PAGE, 3 * PAGE));
	must_eq(size(fd), (N - 3) * PAGE);
	want(fd, map, 0, 2 * PAGE, 1, 0);
	want(fd, map, 2 * PAGE, (N - 3) * PAGE, 1, 3 * PAGE);
	must_eq(try_load(map + (N - 3) * PAGE), 2);
	must(!fallocate(fd, mode, 0, PAGE));
	want(fd, map, 0, PAGE, 1, PAGE);
	must_fail(fallocate(fd, mode, 100, PAGE), EINVAL);
	must_fail(fallocate(fd, mode, PAGE, 100), EINVAL);
	must_fail(fallocate(fd, mode, (N - 5) * PAGE, PAGE), EINVAL);
	must_fail(fallocate(fd, mode, 0, N * PAGE), EINVAL);
	must(fallocate(fd, mode | KEEP, 0, PAGE) == -1);
	/* The end of the file inside a page. */
	must(!ftruncate(fd, 8 * PAGE + 100));
	must(!fallocate(fd, mode, 4 * PAGE, PAGE));
	must_eq(size(fd), 7 * PAGE + 100);
	must(!ftruncate(fd, 10 * PAGE));
	want(fd, map, 7 * PAGE + 100, 10 * PAGE, 0, 0);
}

static void cmd_insert(char **argv)
{
	const int mode = FALLOC_FL_INSERT_RANGE;
	char *map;
	int fd;

	enter(argv[0]);
	fd = pattern_file(&map);
	must(!fallocate(fd, mode, 2 * PAGE, 3 * PAGE));
	must_eq(size(fd), (N + 3) * PAGE);
	want(fd, map, 0, 2 * PAGE, 1, 0);
	want(fd, map, 2 * PAGE, 5 * PAGE, 0, 0);
	want(fd, map, 5 * PAGE, (N + 3) * PAGE, 1, -3 * (off_t)PAGE);
	must(!fallocate(fd, mode, 0, PAGE));
	want(fd, map, 0, PAGE, 0, 0);
	want(fd, map, PAGE, 3 * PAGE, 1, -(off_t)PAGE);
	must_fail(fallocate(fd, mode, 100, PAGE), EINVAL);
	must_fail(fallocate(fd, mode, PAGE, 100), EINVAL);
	must_fail(fallocate(fd, mode, (N + 4) * PAGE, PAGE), EINVAL);
	must_fail(fallocate(fd, mode, 0, 0x7ffffffffffff000LL), EFBIG);
	must(fallocate(fd, mode | KEEP, 0, PAGE) == -1);
	must_eq(size(fd), (N + 4) * PAGE);
	fill(map, PAGE, 3, 0);
	want(fd, map, 0, PAGE, 3, 0);
}

static void cmd_refused(char **argv)
{
	struct statvfs before, after;
	int fd, ro, pipefd[2];
	char *map;

	enter(argv[0]);
	fd = pattern_file(&map);
	/* Nothing is shared: there is nothing to do. */
	must(!fallocate(fd, FALLOC_FL_UNSHARE_RANGE, 0, N * PAGE));
	want(fd, map, 0, N * PAGE, 1, 0);
	must_fail(fallocate(fd, 0, 0, 0), EINVAL);
	must_fail(fallocate(fd, 0, -1, PAGE), EINVAL);
	must_fail(fallocate(fd, 0, 0, -1), EINVAL);
	must_fail(fallocate(fd, 0, 0x7ffffffffffff000LL, 0x7ffffffffffff000LL),
		  EFBIG);
	must_fail(fallocate(fd, 0x4000, 0, PAGE), EOPNOTSUPP);
	must(fallocate(fd, FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_ZERO_RANGE, 0,
		       PAGE) == -1);
	ro = open("f", O_RDONLY);
	must_fail(fallocate(ro, 0, 0, PAGE), EBADF);
	must(!pipe(pipefd));
	must_fail(fallocate(pipefd[1], 0, 0, PAGE), ESPIPE);
	/* More than there is: refused, and nothing of it stays behind. */
	must(!statvfs(".", &before));
	must_fail(fallocate(fd, 0, 0, before.f_blocks * 4096UL + (1UL << 30)),
		  ENOSPC);
	must_eq(size(fd), N * PAGE);
	must(!ftruncate(fd, N * PAGE));
	must(!statvfs(".", &after));
	if (before.f_bfree > after.f_bfree + 256)
		fail("%lu blocks free, %lu before", after.f_bfree,
		     before.f_bfree);
	want(fd, map, 0, N * PAGE, 1, 0);
}

static void cmd_seek(char **argv)
{
	char *map;
	int fd, i;

	enter(argv[0]);
	fd = new_at("f", 0600);
	for (i = 0; i < 8; i++)
		must(pwrite(fd, "x", 1, (2 * i + 1) * PAGE) == 1);
	must(!ftruncate(fd, 20 * PAGE));
	must(!fsync(fd));
	for (i = 0; i < 8; i++) {
		off_t data = (2 * i + 1) * PAGE;

		must_eq(lseek(fd, data - PAGE, SEEK_DATA), data);
		must_eq(lseek(fd, data - 1, SEEK_HOLE), data - 1);
		must_eq(lseek(fd, data, SEEK_DATA), data);
		must_eq(lseek(fd, data + 7, SEEK_DATA), data + 7);
		must_eq(lseek(fd, data, SEEK_HOLE), data + PAGE);
		must_eq(lseek(fd, data + 7, SEEK_HOLE), data + PAGE);
	}
	must_fail(lseek(fd, 16 * PAGE, SEEK_DATA), ENXIO);
	must_eq(lseek(fd, 16 * PAGE, SEEK_HOLE), 16 * PAGE);
	must_fail(lseek(fd, 20 * PAGE, SEEK_HOLE), ENXIO);
	must_fail(lseek(fd, 20 * PAGE, SEEK_DATA), ENXIO);
	must_fail(lseek(fd, -1, SEEK_DATA), ENXIO);
	must(pwrite(fd, "x", 1, 20 * PAGE - 1) == 1);
	must_eq(lseek(fd, 19 * PAGE, SEEK_HOLE), 20 * PAGE);

	/* Allocated but never written, also once zeroes are mapped there. */
	must(!ftruncate(fd, 0));
	must(!fallocate(fd, 0, 0, 2 * UNWRITTEN));
	for (i = 0; i < 2; i++) {
		must_fail(lseek(fd, UNWRITTEN, SEEK_DATA), ENXIO);
		must_eq(lseek(fd, UNWRITTEN, SEEK_HOLE), UNWRITTEN);
		map = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, UNWRITTEN);
		must(map != MAP_FAILED);
		verify_zero(map, PAGE);
	}
	must(!ftruncate(fd, 0));
}

static void cmd_fiemap(char **argv)
{
	struct fiemap *map = calloc(1, 4096);
	struct fiemap_extent *e = map->fm_extents;
	unsigned int i, count;
	int fd;

	enter(argv[0]);
	fd = new_at("f", 0600);
	for (i = 0; i < 8; i++)
		must(pwrite(fd, "x", 1, (4 * i + 1) * PAGE) == 1);
	must(!fallocate(fd, FALLOC_FL_KEEP_SIZE, 40 * PAGE, 4 * PAGE));
	must(!fsync(fd));
	map->fm_length = ~0ULL;
	must(!ioctl(fd, FS_IOC_FIEMAP, map));
	count = map->fm_mapped_extents;
	must(count >= 9);
	map->fm_extent_count = 60;
	must(!ioctl(fd, FS_IOC_FIEMAP, map));
	must_eq(map->fm_mapped_extents, count);
	for (i = 0; i < 8; i++) {
		must_eq(e[i].fe_logical, (4 * i + 1) * PAGE);
		must(e[i].fe_length >= PAGE);
		must(e[i].fe_physical);
		must(!(e[i].fe_flags & FIEMAP_EXTENT_UNWRITTEN));
		must(!(e[i].fe_flags & FIEMAP_EXTENT_LAST));
	}
	must_eq(e[8].fe_logical, 40 * PAGE);
	must(e[8].fe_flags & FIEMAP_EXTENT_UNWRITTEN);
	must(e[count - 1].fe_flags & FIEMAP_EXTENT_LAST);
	/* A window, and room for two. */
	map->fm_start = 4 * PAGE;
	map->fm_length = 20 * PAGE;
	map->fm_extent_count = 2;
	must(!ioctl(fd, FS_IOC_FIEMAP, map));
	must_eq(map->fm_mapped_extents, 2);
	must_eq(e[0].fe_logical, 5 * PAGE);
	map->fm_start = 100 * PAGE;
	must(!ioctl(fd, FS_IOC_FIEMAP, map));
	must_eq(map->fm_mapped_extents, 0);
	map->fm_start = 0;
	map->fm_length = 0;
	must_fail(ioctl(fd, FS_IOC_FIEMAP, map), EINVAL);
}

/* What follows the end in its last page, as every mapping shows it. */
static void want_clean_end(int fd, const char *what)
{
	off_t end = size(fd), page = end / PAGE * PAGE;
	char *p = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, page);
	int dirty = 0;

	must(p != MAP_FAILED);
	for (; end % PAGE; end++)
		dirty += p[end - page] != 0;
	if (dirty)
		fail("%s: %d bytes past the end are not zero", what, dirty);
	must(!munmap(p, PAGE));
}

/* A mapping stores all that there is of the last page past the end. */
static void store_past_end(int fd)
{
	off_t end = size(fd), page = end / PAGE * PAGE;
	char *p = mmap(NULL, PAGE, RW, MAP_SHARED, fd, page);

	must(p != MAP_FAILED && end != page);
	memset(p + (end - page), 'Z', PAGE - (end - page));
	must(!munmap(p, PAGE));
}

#define ODD	(3 * PAGE + 100)

/* An operation on a file of ODD bytes. */
struct end_case {
	const char *name;
	int mode;
	off_t at;
	off_t len;
};

enum { UP = 0x10000, DOWN, WRITE };

static const struct end_case end_cases[] = {
	{ "truncate up a little", UP, ODD + 2, 0 },
	{ "truncate up", UP, 9 * PAGE + 5, 0 },
	{ "truncate down a little", DOWN, ODD - 50, 0 },
	{ "truncate down", DOWN, PAGE + 7, 0 },
	{ "append", WRITE, ODD, 1 },
	{ "append a page", WRITE, ODD, PAGE },
	{ "write over the end", WRITE, ODD - 10, 50 },
	{ "write past the end", WRITE, ODD + 20, 30 },
	{ "write far past the end", WRITE, 5 * PAGE + 1, 3000 },
	{ "allocate", 0, ODD - 5, 50 },
	{ "allocate far", 0, 5 * PAGE, PAGE + 3 },
	{ "collapse", FALLOC_FL_COLLAPSE_RANGE, PAGE, PAGE },
	{ "insert", FALLOC_FL_INSERT_RANGE, PAGE, 2 * PAGE },
	{ "insert before the end", FALLOC_FL_INSERT_RANGE, 3 * PAGE, PAGE },
	{ "punch to the end", PUNCH, ODD - 50, 50 },
	{ "punch past the end", PUNCH, ODD - 50, 100 },
	{ "punch the last page", PUNCH, 3 * PAGE, PAGE },
	{ "zero to the end", FALLOC_FL_ZERO_RANGE | KEEP, ODD - 9, 9 },
	{ "zero past the end", FALLOC_FL_ZERO_RANGE, ODD - 9, 30 },
	{ "zero the last page", FALLOC_FL_ZERO_RANGE | KEEP, 3 * PAGE, PAGE },
};

static void do_end_case(int fd, const struct end_case *c)
{
	switch (c->mode) {
	case UP:
	case DOWN:
		must(!ftruncate(fd, c->at));
		break;
	case WRITE:
		full_pwrite(fd, page_buf, c->len, c->at);
		break;
	default:
		if (fallocate(fd, c->mode, c->at, c->len))
			fail("%s: %m", c->name);
	}
}

/* Nothing that was stored past the end is anywhere in the file, or comes. */
static void want_no_junk(int fd, const char *what)
{
	off_t end = size(fd), at;
	char *p;

	must(!ftruncate(fd, end + PAGE) && !ftruncate(fd, end + 2 * PAGE));
	p = mmap(NULL, end + 2 * PAGE, PROT_READ, MAP_SHARED, fd, 0);
	must(p != MAP_FAILED);
	for (at = 0; at < end + (off_t)(2 * PAGE); at++)
		if (p[at] == 'Z')
			fail("%s: junk at %lld of %lld", what, (long long)at,
			     (long long)end);
	must(!munmap(p, end + 2 * PAGE));
}

/*
 * Whatever moves, cuts or extends a file leaves zeroes in the rest of the last
 * page, though a mapping stored there before; it stays mapped, or not.
 */
static void cmd_ends(char **argv)
{
	unsigned int i;
	char *map;
	int fd;

	enter(argv[0]);
	memset(page_buf, 'w', PAGE);
	for (i = 0; i < 2 * ARRAY_SIZE(end_cases); i++) {
		const struct end_case *c = &end_cases[i / 2];

		fd = new_at("f", 0600);
		full_pwrite(fd, page_buf, PAGE, 0);
		full_pwrite(fd, page_buf, PAGE, PAGE);
		full_pwrite(fd, page_buf, PAGE, 2 * PAGE);
		full_pwrite(fd, page_buf, 100, 3 * PAGE);
		map = map_pte(fd, 4 * PAGE, RW);
		must(map != MAP_FAILED);
		if (i % 2)
			memset(map + ODD, 'Z', 4 * PAGE - ODD);
		must(i % 2 || !munmap(map, 4 * PAGE));
		store_past_end(fd);
		do_end_case(fd, c);
		want_clean_end(fd, c->name);
		want_no_junk(fd, c->name);
		must(!(i % 2) || !munmap(map, 4 * PAGE));
		must(!close(fd) && !unlink("f"));
	}
}

/* What is only allocated is no data, until something is stored. */
static void cmd_unwritten(char **argv)
{
	char map_buf[sizeof(struct fiemap) + sizeof(struct fiemap_extent)] = {};
	struct fiemap *map = (void *)map_buf;
	int fd, how;
	char *p;

	enter(argv[0]);
	for (how = 0; how < 3; how++) {
		fd = new_at("f", 0600);
		must(!fallocate(fd, 0, 0, 2 * PMD));
		must_fail(lseek(fd, 0, SEEK_DATA), ENXIO);
		must_eq(lseek(fd, 0, SEEK_HOLE), 0);
		map->fm_length = FIEMAP_MAX_OFFSET;
		map->fm_extent_count = 1;
		must(!ioctl(fd, FS_IOC_FIEMAP, map));
		must_eq(map->fm_mapped_extents, 1);
		must(map->fm_extents[0].fe_flags & FIEMAP_EXTENT_UNWRITTEN);
		p = how == 1 ? map_pte(fd, 2 * PMD, RW) :
			       map_pmd(fd, 2 * PMD, RW);
		must(p != MAP_FAILED);
		if (how == 2)
			verify_zero(p, 2 * PMD);
		must_fail(lseek(fd, 0, SEEK_DATA), ENXIO);
		fill(p + PMD + 5 * PAGE, PAGE, 1, 0);
		must(lseek(fd, 0, SEEK_DATA) <= (off_t)(PMD + 5 * PAGE));
		must(lseek(fd, 0, SEEK_DATA) >= (off_t)PMD);
		verify_zero(p, PMD + 5 * PAGE);
		verify(p + PMD + 5 * PAGE, PAGE, 1, 0);
		verify_zero(p + PMD + 6 * PAGE, PMD - 6 * PAGE);
		full_pwrite(fd, p + PMD + 5 * PAGE, 7, 3);
		must(lseek(fd, 0, SEEK_DATA) == 0);
		verify_zero(p + PAGE, PMD - PAGE);
		must_eq(memcmp(p + 3, p + PMD + 5 * PAGE, 7), 0);
		must(!munmap(p, 2 * PMD) && !close(fd) && !unlink("f"));
	}
}

static const struct cmd cmds[] = {
	{ "ends", 1, cmd_ends },
	{ "unwritten", 1, cmd_unwritten },
	{ "truncate", 1, cmd_truncate },
	{ "allocate", 1, cmd_allocate },
	{ "punch", 1, cmd_punch },
	{ "zero", 1, cmd_zero },
	{ "write-zeroes", 1, cmd_write_zeroes },
	{ "collapse", 1, cmd_collapse },
	{ "insert", 1, cmd_insert },
	{ "refused", 1, cmd_refused },
	{ "seek", 1, cmd_seek },
	{ "fiemap", 1, cmd_fiemap },
	{ }
};

int main(int argc, char **argv)
{
	return run_cmd(cmds, argc, argv);
}
