// SPDX-License-Identifier: GPL-2.0
/*
 * Random operations on one file against a copy in memory.
 *
 *   fs_model_data FILE [-n OPS] [-t SECONDS] [-s SEED]
 *
 * On a mismatch the seed and the last operations are printed; the same seed
 * and number of operations repeat the run.
 */
#include <linux/falloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/uio.h>

#include "fs_test.h"

#define RW	(PROT_READ | PROT_WRITE)
#define MAX	(5 * PMD / 2)
#define LOG	64

static unsigned char *model, *buf;
static char *map, *small;	/* the file by PMDs and by PTEs */
static int fd, direct;
static size_t size;
static u64 seed, rnd;
static long step;

static struct {
	long step;
	const char *name;
	size_t off, len, size;
} log[LOG];

static size_t below(size_t n)
{
	return prng(&rnd) % n;
}

static void record(const char *name, size_t off, size_t len)
{
	log[step % LOG].step = step;
	log[step % LOG].name = name;
	log[step % LOG].off = off;
	log[step % LOG].len = len;
	log[step % LOG].size = size;
}

static void show_log(void)
{
	long i;

	note("seed %llu, after %ld operations:", (unsigned long long)seed, step);
	for (i = step < LOG ? 0 : step - LOG + 1; i <= step; i++)
		note("%6ld %-16s %#8zx + %#8zx of %#zx", i, log[i % LOG].name,
		     log[i % LOG].off, log[i % LOG].len, log[i % LOG].size);
}

static void compare(const void *got, size_t off, size_t len, const char *how)
{
	const unsigned char *c = got;
	size_t i, bad = 0, first = 0, last = 0;

	if (!memcmp(c, model + off, len))
		return;
	for (i = 0; i < len; i++)
		if (c[i] != model[off + i]) {
			if (!bad++)
				first = i;
			last = i;
		}
	show_log();
	fail("%s: %zu bytes differ in %#zx..%#zx; the first is %#x, want %#x",
	     how, bad, off + first, off + last, c[first], model[off + first]);
}

static void check(bool good, const char *what)
{
	int err = errno;

	if (good)
		return;
	show_log();
	errno = err;
	fail("%s: %m", what);
}

/* Mostly small, sometimes whole pages, rarely a good part of the file. */
static size_t some_len(void)
{
	switch (below(8)) {
	case 0: case 1: case 2:
		return 1 + below(64);
	case 3: case 4:
		return 1 + below(2 * PAGE);
	case 5: case 6:
		return PAGE * (1 + below(16));
	default:
		return 1 + below(PMD / 2);
	}
}

/* A range of the file as it may become, or, with @inside, as it is. */
static bool range(size_t *off, size_t *len, bool inside)
{
	size_t end = inside ? size : MAX;

	if (!end)
		return false;
	*off = below(end);
	if (!below(3))
		*off &= ~(PAGE - 1);
	if (!below(12))
		*off = *off / PMD * PMD;
	*len = some_len();
	if (*len > end - *off)
		*len = end - *off;
	return *len;
}

/* Space between the old end and what is written now is zero. */
static void grow(size_t end)
{
	if (end > size) {
		memset(model + size, 0, end - size);
		size = end;
	}
}

static void op_write(int file, const char *name, unsigned int align)
{
	size_t off, len;

	if (!range(&off, &len, false))
		return;
	off &= ~(size_t)(align - 1);
	len = (len + align - 1) & ~(size_t)(align - 1);
	record(name, off, len);
	fill(buf, len, prng(&rnd), off);
	check(pwrite(file, buf, len, off) == (ssize_t)len, name);
	grow(off + len);
	memcpy(model + off, buf, len);
}

static void op_append(void)
{
	struct iovec iov = { buf, some_len() };

	if (size + iov.iov_len > MAX)
		return;
	record("append", size, iov.iov_len);
	fill(buf, iov.iov_len, prng(&rnd), size);
	check(pwritev2(fd, &iov, 1, 0, RWF_APPEND) == (ssize_t)iov.iov_len,
	      "append");
	memcpy(model + size, buf, iov.iov_len);
	size += iov.iov_len;
}

static void op_read(int file, const char *name)
{
	size_t off, len;

	if (!range(&off, &len, true))
		return;
	record(name, off, len);
	check(pread(file, buf, len + 100, off) ==
	      (ssize_t)(len + 100 < size - off ? len + 100 : size - off), name);
	compare(buf, off, len, name);
}

static void op_store(char *m, const char *name)
{
	size_t off, len;

	if (!range(&off, &len, true))
		return;
	record(name, off, len);
	fill(m + off, len, prng(&rnd), off);
	memcpy(model + off, m + off, len);
	if (!below(4))
		check(!msync(m + (off & ~(PAGE - 1)), len, MS_SYNC), "msync");
}

/* Behind the end, in its page: is never seen again. */
static void op_store_behind(void)
{
	size_t rest = -size & (PAGE - 1);

	if (!rest)
		return;
	record("store-behind", size, rest);
	memset(small + size, 0x77, rest);
}

static void op_load(const char *m, const char *name)
{
	size_t off, len;

	if (!range(&off, &len, true))
		return;
	record(name, off, len);
	compare(m + off, off, len, name);
}

static void op_truncate(void)
{
	size_t to = below(3) ? size - below(size / 4 + 1) : below(MAX);

	if (!below(4))
		to &= ~(PAGE - 1);
	record("truncate", to, 0);
	check(!ftruncate(fd, to), "truncate");
	if (to > size)
		grow(to);
	size = to;
}

static void op_zeros(int mode, const char *name)
{
	size_t off, len, end;

	if (!range(&off, &len, false))
		return;
	if (mode & FALLOC_FL_ZERO_RANGE && below(2))
		mode |= FALLOC_FL_KEEP_SIZE;
	record(name, off, len);
	check(!fallocate(fd, mode, off, len), name);
	end = off + len;
	if (!(mode & FALLOC_FL_KEEP_SIZE))
		grow(end);
	if (end > size)
		end = size;
	if (off < end)
		memset(model + off, 0, end - off);
}

static void op_allocate(void)
{
	size_t off, len;
	int mode = below(2) ? FALLOC_FL_KEEP_SIZE : 0;

	if (!range(&off, &len, false))
		return;
	record(mode ? "allocate-keep" : "allocate", off, len);
	check(!fallocate(fd, mode, off, len), "allocate");
	if (!mode)
		grow(off + len);
}

static void op_collapse(void)
{
	size_t len = PAGE * (1 + below(below(4) ? 4 : 512)), off;

	if (size <= len + PAGE)
		return;
	off = below((size - len) / PAGE) * PAGE;
	if (off + len >= size)
		return;
	record("collapse", off, len);
	check(!fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, off, len), "collapse");
	memmove(model + off, model + off + len, size - off - len);
	size -= len;
}

static void op_insert(void)
{
	size_t len = PAGE * (1 + below(below(4) ? 4 : 512)), off;

	if (size + len > MAX || size <= PAGE)
		return;
	off = below(size / PAGE) * PAGE;
	record("insert", off, len);
	check(!fallocate(fd, FALLOC_FL_INSERT_RANGE, off, len), "insert");
	memmove(model + off + len, model + off, size - off);
	memset(model + off, 0, len);
	size += len;
}

/* A page read by a mapping of the file into the file. */
static void op_copy(void)
{
	size_t off, len, to;

	if (!range(&off, &len, true))
		return;
	to = below(MAX - len + 1);
	/* What a write does with overlapping memory is not defined. */
	if (to < off + len && off < to + len)
		return;
	record("copy", off, len);
	check(pwrite(fd, small + off, len, to) == (ssize_t)len, "copy");
	grow(to + len);
	memcpy(model + to, model + off, len);
}

static void op_sync(void)
{
	record("sync", 0, 0);
	check(!(below(2) ? fsync(fd) : fdatasync(fd)), "sync");
}

static void one_op(void)
{
	switch (below(22)) {
	case 0: case 1: return op_write(fd, "write", 1);
	case 2: return op_write(direct, "write-direct", PAGE);
	case 3: return op_append();
	case 4: case 5: return op_read(fd, "read");
	case 6: return op_read(direct, "read-direct");
	case 7: case 8: return op_store(map, "store");
	case 9: return op_store(small, "store-small");
	case 10: return op_store_behind();
	case 11: return op_load(map, "load");
	case 12: return op_load(small, "load-small");
	case 13: case 14: return op_truncate();
	case 15: return op_zeros(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				 "punch");
	case 16: return op_zeros(FALLOC_FL_ZERO_RANGE, "zero");
	case 17: return op_allocate();
	case 18: return op_collapse();
	case 19: return op_insert();
	case 20: return op_copy();
	default: return op_sync();
	}
}

static void compare_all(void)
{
	struct stat st;

	check(!fstat(fd, &st), "fstat");
	check(st.st_size == (off_t)size, "size");
	full_pread(fd, buf, size, 0);
	compare(buf, 0, size, "whole file by read");
	compare(map, 0, size, "whole file by mapping");
}

int main(int argc, char **argv)
{
	long ops = 1000, seconds = 0;
	long long end;
	struct stat st;
	int c;

	seed = time(NULL) ^ getpid() << 16;
	while ((c = getopt(argc, argv, "n:t:s:")) != -1) {
		if (c == 'n')
			ops = strtol(optarg, NULL, 0);
		else if (c == 't')
			seconds = strtol(optarg, NULL, 0);
		else if (c == 's')
			seed = strtoull(optarg, NULL, 0);
		else
			return 2;
	}
	if (optind + 1 != argc)
		fail("usage: %s FILE [-n OPS] [-t SECONDS] [-s SEED]", argv[0]);
	note("seed %llu", (unsigned long long)seed);
	rnd = seed * 2 + 1;
	fd = sparse_file(argv[optind], 0);
	direct = open_dax(argv[optind], O_RDWR | O_DIRECT);
	model = page_alloc(MAX + PAGE);
	buf = page_alloc(MAX + PAGE);
	map = map_pmd(fd, MAX + PAGE, RW);
	small = map_pte(fd, MAX + PAGE, RW);
	must(map != MAP_FAILED && small != MAP_FAILED);
	end = now_ms() + seconds * 1000;
	for (;; step++) {
		one_op();
		check(!fstat(fd, &st), "fstat");
		check(st.st_size == (off_t)size, "size");
		if (step % 100 == 99)
			compare_all();
		if (seconds ? now_ms() >= end : step + 1 >= ops)
			break;
	}
	compare_all();
	note("%ld operations", step + 1);
	return 0;
}
