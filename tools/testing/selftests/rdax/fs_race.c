// SPDX-License-Identifier: GPL-2.0
/*
 * Two tasks do different things to one file. Before, the free blocks of the
 * file system were filled with POISON by files that are gone since, and the
 * blocks beside them still hold it: the two tasks see only what they stored,
 * or zeros, and leave the other files as they are.
 *
 *   fs_race DIR MILLISECONDS [OP OP] [DISK]
 *
 * With DISK, O_DIRECT goes there, so that pages of the mapping are pinned;
 * without, it goes to another file.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/statvfs.h>

#include "fs_test.h"

#define RW	(PROT_READ | PROT_WRITE)
#define BLOCKS	48
#define SIZE	(BLOCKS * PAGE)
#define POISON	0xee
#define KEPT	8
#define KEPT_SIZE	(64 * PAGE)

struct task {
	void (*op)(struct task *t);
	unsigned char mark;	/* what it stores */
	u64 seed;
	char *map;
	char *buf;
	int fd, other;
	unsigned long done;
};

static long long end;
static const char *pair;

static size_t below(struct task *t, size_t n)
{
	return prng(&t->seed) % n;
}

static void check(const char *p, size_t len, const char *how)
{
	size_t i;

	for (i = 0; i < len; i++) {
		unsigned char c = p[i];

		if (c && c != 0xa1 && c != 0xb2)
			fail("%s: %s shows %#x: not from this file", pair, how,
			     c);
	}
}

static void op_write(struct task *t)
{
	size_t off = below(t, SIZE - 1), len = 1 + below(t, 3 * PAGE);

	if (len > SIZE - off)
		len = SIZE - off;
	memset(t->buf, t->mark, len);
	must(pwrite(t->fd, t->buf, len, off) == (ssize_t)len);
}

static void op_read(struct task *t)
{
	ssize_t n = pread(t->fd, t->buf, 4 * PAGE, below(t, SIZE));

	must(n >= 0);
	check(t->buf, n, "read");
}

static void op_store(struct task *t)
{
	int i;

	for (i = 0; i < 8; i++)
		try_store(t->map + below(t, SIZE), t->mark);
}

static void op_load(struct task *t)
{
	size_t off = below(t, BLOCKS) * PAGE;

	if (!try_copy(t->buf, t->map + off, PAGE))
		check(t->buf, PAGE, "load");
}

static void op_truncate(struct task *t)
{
	must(!ftruncate(t->fd, below(t, SIZE)));
	must(!ftruncate(t->fd, SIZE - below(t, 2) * below(t, SIZE)));
}

static void op_punch(struct task *t)
{
	must(!fallocate(t->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			below(t, SIZE), 1 + below(t, 8 * PAGE)));
}

static void op_zero(struct task *t)
{
	must(!fallocate(t->fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
			below(t, SIZE), 1 + below(t, 8 * PAGE)));
}

/* The other may have made the file too small, or this one too large. */
static void op_collapse(struct task *t)
{
	if (fallocate(t->fd, FALLOC_FL_COLLAPSE_RANGE, below(t, 8) * PAGE,
		      (1 + below(t, 4)) * PAGE))
		must(errno == EINVAL);
}

static void op_insert(struct task *t)
{
	struct stat st;

	if (fallocate(t->fd, FALLOC_FL_INSERT_RANGE, below(t, 8) * PAGE,
		      (1 + below(t, 4)) * PAGE))
		must(errno == EINVAL);
	must(!fstat(t->fd, &st));
	if (st.st_size > 2 * (off_t)SIZE)
		must(!ftruncate(t->fd, SIZE));
}

static void op_direct(struct task *t)
{
	size_t off = below(t, BLOCKS - 4) * PAGE;
	ssize_t n;

	if (below(t, 2)) {
		n = pwrite(t->other, t->map + off, 4 * PAGE, 0);
	} else {
		memset(t->buf, t->mark, 4 * PAGE);
		must(pwrite(t->other, t->buf, 4 * PAGE, 0) > 0);
		n = pread(t->other, t->map + off, 4 * PAGE, 0);
	}
	/* What lies behind the end of the file is no memory. */
	must(n >= 0 || errno == EFAULT);
	n = pread(t->other, t->buf, 4 * PAGE, 0);
	if (n > 0)
		check(t->buf, n, "O_DIRECT");
}

static const struct {
	const char *name;
	void (*fn)(struct task *t);
} ops[] = {
	{ "write", op_write }, { "read", op_read }, { "store", op_store },
	{ "load", op_load }, { "truncate", op_truncate },
	{ "punch", op_punch }, { "zero", op_zero },
	{ "collapse", op_collapse }, { "insert", op_insert },
	{ "direct", op_direct },
};

#define NOPS	ARRAY_SIZE(ops)

static bool over(void)
{
	return now_ms() >= end;
}

static void *run(void *arg)
{
	struct task *t = arg;

	do {
		t->op(t);
		t->done++;
	} while (!over());
	return NULL;
}

static void poison_file(const char *name, size_t size)
{
	char *buf = page_alloc(1UL << 20);
	int fd = new_at(name, 0600);
	size_t off, len;

	memset(buf, POISON, 1UL << 20);
	for (off = 0; off < size; off += len) {
		len = size - off < 1UL << 20 ? size - off : 1UL << 20;
		full_pwrite(fd, buf, len, off);
	}
	must(!close(fd) && !munmap(buf, 1UL << 20));
}

static void kept_name(char *name, int i)
{
	sprintf(name, "kept%d", i);
}

/* Files that stay lie between files that go. */
static void poison(void)
{
	char name[16];
	int i;

	for (i = 0; i < KEPT; i++) {
		kept_name(name, i);
		poison_file(name, KEPT_SIZE);
		sprintf(name, "gone%d", i);
		poison_file(name, 4UL << 20);
	}
	for (i = 0; i < KEPT; i++) {
		sprintf(name, "gone%d", i);
		must(!unlink(name));
	}
}

static void check_kept(void)
{
	char *buf = page_alloc(KEPT_SIZE), name[16];
	size_t j;
	int i, fd;

	for (i = 0; i < KEPT; i++) {
		kept_name(name, i);
		fd = open_dax(name, O_RDONLY);
		full_pread(fd, buf, KEPT_SIZE, 0);
		for (j = 0; j < KEPT_SIZE; j++)
			if ((unsigned char)buf[j] != POISON)
				fail("%s: byte %#zx of %s is %#x", pair, j,
				     name, (unsigned char)buf[j]);
		must(!close(fd));
	}
}

static void race(unsigned int a, unsigned int b, long ms, const char *disk)
{
	static const unsigned char marks[2] = { 0xa1, 0xb2 };
	const unsigned int op[2] = { a, b };
	char *map, *buf = page_alloc(2 * SIZE);
	struct task task[2] = {};
	pthread_t thread[2];
	char text[64], name[16];
	ssize_t n;
	int i, fd;

	snprintf(text, sizeof(text), "%s and %s", ops[a].name, ops[b].name);
	pair = text;
	fd = sparse_file("f", SIZE);
	map = map_pte(fd, 2 * SIZE, RW);
	must(map != MAP_FAILED);
	end = now_ms() + ms;
	for (i = 0; i < 2; i++) {
		task[i].op = ops[op[i]].fn;
		task[i].mark = marks[i];
		task[i].seed = a * 100 + b * 10 + i + 1;
		task[i].fd = fd;
		task[i].map = map;
		task[i].buf = page_alloc(4 * PAGE);
		sprintf(name, "direct%d", i);
		task[i].other = open(disk ? disk : name, O_RDWR | O_CREAT | O_DIRECT,
				     0600);
		must(task[i].other >= 0);
		memset(task[i].buf, marks[i], 4 * PAGE);
		full_pwrite(task[i].other, task[i].buf, 4 * PAGE, 0);
		must(!pthread_create(&thread[i], NULL, run, &task[i]));
	}
	for (i = 0; i < 2; i++) {
		must(!pthread_join(thread[i], NULL));
		must(!close(task[i].other));
		must(!munmap(task[i].buf, 4 * PAGE));
	}
	n = pread(fd, buf, 2 * SIZE, 0);
	must(n >= 0);
	check(buf, n, "the file in the end");
	if (memcmp(buf, map, n))
		fail("%s: read and mapping differ", pair);
	must(!munmap(buf, 2 * SIZE) && !munmap(map, 2 * SIZE) && !close(fd));
	must(!unlink("f"));
	check_kept();
	note("%s: %lu, %lu times", pair, task[0].done, task[1].done);
}

static unsigned int op_named(const char *name)
{
	unsigned int i;

	for (i = 0; i < NOPS; i++)
		if (!strcmp(ops[i].name, name))
			return i;
	fail("no operation %s", name);
}

int main(int argc, char **argv)
{
	unsigned int a, b;
	long ms;

	if (argc < 3)
		fail("usage: %s DIR MILLISECONDS [OP OP] [DISK]", argv[0]);
	enter(argv[1]);
	ms = strtol(argv[2], NULL, 0);
	poison();
	if (argc >= 5) {
		race(op_named(argv[3]), op_named(argv[4]), ms, argv[5]);
		return 0;
	}
	for (a = 0; a < NOPS; a++)
		for (b = a; b < NOPS; b++)
			race(a, b, ms, argv[3]);
	return 0;
}
