// SPDX-License-Identifier: GPL-2.0
/*
 * Random operations on a DAX file against a copy in memory, and truncation
 * racing with page faults. RDAX_SEED in the environment repeats a run.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dax_test.h"

#define RW	(PROT_READ | PROT_WRITE)
#define MAX	(3 * PMD)

static unsigned char *model;
static size_t size;		/* of the file, in bytes */
static u64 rnd;

static size_t below(size_t n)
{
	return prng(&rnd) % n;
}

static u64 start_seed(void)
{
	const char *s = getenv("RDAX_SEED");
	u64 seed = s ? strtoull(s, NULL, 0) : 20260107;

	note("RDAX_SEED=%llu", (unsigned long long)seed);
	return seed;
}

static void compare(const unsigned char *got, size_t off, size_t len,
		    const char *op)
{
	size_t i;

	if (!memcmp(got, model + off, len))
		return;
	for (i = 0; got[i] == model[off + i]; i++)
		;
	fail("%s: byte %#zx is %#x, want %#x (file size %#zx)", op, off + i,
	     got[i], model[off + i], size);
}

static void grow(size_t end)
{
	if (end > size)
		size = end;
}

/* Mostly small, sometimes a good part of the file. */
static size_t some_len(void)
{
	switch (below(4)) {
	case 0:
		return 1 + below(64);
	case 1:
		return 1 + below(2 * PAGE);
	case 2:
		return PAGE * (1 + below(16));
	default:
		return 1 + below(PMD / 2);
	}
}

static void op_write(int fd, int directfd, unsigned char *buf)
{
	size_t off = below(MAX - 1), len = some_len();

	if (below(3) == 0) {
		fd = directfd;
		off &= ~(PAGE - 1);
		len = (len + PAGE - 1) & ~(PAGE - 1);
	}
	if (off + len > MAX)
		len = MAX - off;
	fill(buf, len, prng(&rnd), off);
	full_pwrite(fd, buf, len, off);
	memcpy(model + off, buf, len);
	grow(off + len);
}

static void op_read(int fd, int directfd, unsigned char *buf)
{
	size_t off, len = some_len();

	if (!size)
		return;
	off = below(size);
	if (off + len > size)
		len = size - off;
	full_pread(below(2) ? fd : directfd, buf, len, off);
	compare(buf, off, len, "pread");
}

static void op_store(char *map)
{
	size_t off, len = some_len();

	if (!size)
		return;
	off = below(size);
	if (off + len > size)
		len = size - off;
	fill(map + off, len, prng(&rnd), off);
	memcpy(model + off, map + off, len);
}

static void op_load(const char *map)
{
	size_t off, len = some_len();

	if (!size)
		return;
	off = below(size);
	if (off + len > size)
		len = size - off;
	compare((const unsigned char *)map + off, off, len, "load");
}

static void op_punch(int fd, int mode)
{
	size_t off = below(MAX), len = some_len();

	if (off + len > MAX)
		len = MAX - off;
	if (fallocate(fd, mode | FALLOC_FL_KEEP_SIZE, off, len))
		fail("fallocate %#x %#zx+%#zx: %m", mode, off, len);
	memset(model + off, 0, len);
}

static void op_collapse(int fd, size_t block)
{
	size_t off, len = block * (1 + below(4));

	if (size <= len + block)
		return;
	off = below((size - len) / block) * block;
	if (off + len >= size)
		return;
	if (fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, off, len))
		fail("collapse %#zx+%#zx of %#zx: %m", off, len, size);
	memmove(model + off, model + off + len, size - off - len);
	memset(model + size - len, 0, len);
	size -= len;
}

static void op_insert(int fd, size_t block)
{
	size_t off, len = block * (1 + below(4));

	if (size + len > MAX || size <= block)
		return;
	off = below(size / block) * block;
	if (fallocate(fd, FALLOC_FL_INSERT_RANGE, off, len))
		fail("insert %#zx+%#zx into %#zx: %m", off, len, size);
	memmove(model + off + len, model + off, size - off);
	memset(model + off, 0, len);
	size += len;
}

static void op_truncate(int fd)
{
	size_t to = below(4) ? size - size / 8 : below(MAX);

	must(!ftruncate(fd, to));
	if (to < size)
		memset(model + to, 0, size - to);
	size = to;
}

static void cmd_model(char **argv)
{
	int fd = sparse_file(argv[0], MAX), directfd, i;
	int n = strtol(argv[1], NULL, 0);
	unsigned char *buf = page_alloc(MAX);
	struct stat st;
	char *map;

	rnd = start_seed();
	model = page_alloc(MAX);
	size = MAX;
	directfd = open_dax(argv[0], O_RDWR | O_DIRECT);
	must(!fstat(fd, &st));
	map = map_pmd(fd, MAX, RW);
	must(map != MAP_FAILED);
	for (i = 0; i < n; i++) {
		switch (below(14)) {
		case 0: case 1: case 2:
			op_write(fd, directfd, buf);
			break;
		case 3: case 4:
			op_read(fd, directfd, buf);
			break;
		case 5: case 6:
			op_store(map);
			break;
		case 7: case 8:
			op_load(map);
			break;
		case 9:
			op_punch(fd, FALLOC_FL_PUNCH_HOLE);
			break;
		case 10:
			op_punch(fd, FALLOC_FL_ZERO_RANGE);
			break;
		case 11:
			op_collapse(fd, st.st_blksize);
			break;
		case 12:
			op_insert(fd, st.st_blksize);
			break;
		default:
			op_truncate(fd);
		}
		must(!fstat(fd, &st));
		must_eq(st.st_size, size);
		if (i % 50 == 49 && size) {
			full_pread(fd, buf, size, 0);
			compare(buf, 0, size, "whole file by read");
			compare((unsigned char *)map, 0, size, "by mapping");
		}
	}
	must(!fsync(fd));
}

#define RACE_SIZE	(2 * PMD)

static int stop;
static unsigned long loads, buses;

static void *fault_loop(void *arg)
{
	unsigned char *map = arg;
	u64 state = (uintptr_t)&state | 1;

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		size_t off = prng(&state) % RACE_SIZE & ~63UL;
		int code;

		if (prng(&state) & 1)
			code = try_store(map + off, 0xa5);
		else
			code = try_load(map + off);
		__atomic_add_fetch(code ? &buses : &loads, 1,
				   __ATOMIC_RELAXED);
	}
	return NULL;
}

/*
 * Only 0 and 0xa5 were ever stored: anything else comes from another block.
 */
static void cmd_truncate_race(char **argv)
{
	int fd = create_file(argv[0], RACE_SIZE), i;
	int n = strtol(argv[1], NULL, 0);
	unsigned char *buf = page_alloc(RACE_SIZE);
	pthread_t thread[2];
	char *map[2];
	size_t j;

	map[0] = map_pmd(fd, RACE_SIZE, RW);
	map[1] = map_pte(fd, RACE_SIZE, RW);
	for (i = 0; i < 2; i++) {
		must(map[i] != MAP_FAILED);
		must(!pthread_create(&thread[i], NULL, fault_loop, map[i]));
	}
	rnd = start_seed();
	for (i = 0; i < n; i++) {
		switch (below(4)) {
		case 0:
			must(!ftruncate(fd, below(RACE_SIZE)));
			break;
		case 1:
			must(!fallocate(fd, FALLOC_FL_PUNCH_HOLE |
					FALLOC_FL_KEEP_SIZE,
					below(RACE_SIZE), 1 + below(PMD)));
			break;
		case 2:
			must(!fallocate(fd, FALLOC_FL_ZERO_RANGE,
					below(PMD), 1 + below(PMD)));
			break;
		default:
			must(!fallocate(fd, 0, 0, RACE_SIZE));
		}
	}
	must(!fallocate(fd, 0, 0, RACE_SIZE));
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	for (i = 0; i < 2; i++)
		must(!pthread_join(thread[i], NULL));
	note("%lu accesses, %lu beyond the end of the file", loads, buses);
	if (!loads)
		fail("the threads did nothing: no race was run");
	full_pread(fd, buf, RACE_SIZE, 0);
	for (j = 0; j < RACE_SIZE; j++)
		if (buf[j] && buf[j] != 0xa5)
			fail("byte %#zx is %#x: not from this file", j, buf[j]);
	if (memcmp(buf, map[0], RACE_SIZE) || memcmp(buf, map[1], RACE_SIZE))
		fail("read(2) and the mappings differ");
}

static void cmd_write(char **argv)
{
	int fd = create_file(argv[0], strtoul(argv[1], NULL, 0));

	write_pattern(fd, strtoul(argv[1], NULL, 0), strtoul(argv[2], NULL, 0));
	must(!close(fd));
}

/* From one DAX file to another, on two devices, without a system call. */
static void cmd_copy(char **argv)
{
	int in = open_dax(argv[0], O_RDONLY), out;
	char *from, *to;
	struct stat st;

	must(!fstat(in, &st));
	out = create_file(argv[1], st.st_size);
	from = map_pmd(in, st.st_size, PROT_READ);
	to = map_pmd(out, st.st_size, RW);
	must(from != MAP_FAILED && to != MAP_FAILED);
	memcpy(to, from, st.st_size);
	must(!msync(to, st.st_size, MS_SYNC));
	/* And by a system call with both of them: read from the one mapping. */
	full_pwrite(out, from + PMD, PMD, PMD);
	full_pread(in, to, PMD, 0);
}

static const struct cmd cmds[] = {
	{ "model", 2, cmd_model },
	{ "truncate-race", 2, cmd_truncate_race },
	{ "write", 3, cmd_write },
	{ "copy", 2, cmd_copy },
	{ }
};

int main(int argc, char **argv)
{
	return run_cmd(cmds, argc, argv);
}
