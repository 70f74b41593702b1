// SPDX-License-Identifier: GPL-2.0
/* A file system without space. The mount point is given: it gets full. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/statvfs.h>

#include "fs_test.h"

#define RW	(PROT_READ | PROT_WRITE)
#define CHUNK	(1UL << 20)

static void want_enospc(const char *what)
{
	if (errno != ENOSPC)
		fail("%s: %m, want ENOSPC", what);
}

/* Until not one more block can be had by write(2). */
static size_t fill_by_write(int fd, off_t off)
{
	char *buf = page_alloc(CHUNK);
	size_t len = CHUNK, done = 0;

	memset(buf, 'f', CHUNK);
	for (;;) {
		ssize_t n = pwrite(fd, buf, len, off + done);

		if (n > 0) {
			done += n;
			continue;
		}
		must(n < 0);
		want_enospc("pwrite");
		if (len == PAGE)
			break;
		len = len > 64 * PAGE ? 64 * PAGE : PAGE;
	}
	must(!munmap(buf, CHUNK));
	return done;
}

static void check_fill(int fd, size_t len)
{
	char *buf = page_alloc(CHUNK);
	size_t off, i;

	for (off = 0; off < len; off += 16 * CHUNK) {
		ssize_t n = pread(fd, buf, PAGE, off);

		must(n > 0);
		for (i = 0; i < (size_t)n; i++)
			must_eq(buf[i], 'f');
	}
	must(!munmap(buf, CHUNK));
}

static void cmd_write(char **argv)
{
	struct statvfs sv;
	size_t len;
	int fd;

	enter(argv[0]);
	fd = new_at("big", 0600);
	len = fill_by_write(fd, 0);
	must(!statvfs(".", &sv));
	note("%zu MiB, then %lu blocks free", len >> 20, sv.f_bfree);
	want_size("big", len);
	check_fill(fd, len);
	/* What has blocks can be written; what would need one cannot. */
	must(pwrite(fd, "f", 1, len / 2) == 1);
	must_fail(pwrite(fd, "f", 1, len + (1UL << 30)), ENOSPC);
	want_size("big", len);
	must(!ftruncate(fd, len / 2));
	must(fill_by_write(fd, len / 2) > len / 4);
	must(!unlink("big"));
}

static void cmd_fallocate(char **argv)
{
	size_t len = 1UL << 30, done = 0;
	int fd;

	enter(argv[0]);
	fd = new_at("big", 0600);
	while (len >= PAGE) {
		if (!fallocate(fd, FALLOC_FL_KEEP_SIZE, done, len)) {
			done += len;
			continue;
		}
		want_enospc("fallocate");
		len /= 2;
	}
	want_size("big", 0);
	note("%zu MiB", done >> 20);
	/* Promised space can be written, by call and by mapping. */
	must(!ftruncate(fd, done));
	must(pwrite(fd, "f", 1, done / 2) == 1);
	must_eq(try_store(map_pte(fd, PAGE, RW), 1), 0);
	must(!unlink("big"));
}

/* A fault that gets no block is a SIGBUS; later it works. */
static void cmd_mmap(char **argv)
{
	int fd, hole, huge;
	char *p, *q;
	size_t i, len;

	enter(argv[0]);
	hole = sparse_file("hole", 64 * PAGE);
	huge = sparse_file("huge", 2 * PMD);
	p = map_pte(hole, 64 * PAGE, RW);
	q = map_pmd(huge, 2 * PMD, RW);
	must(p != MAP_FAILED && q != MAP_FAILED);
	must_eq(try_store(p, 1), 0);
	fd = new_at("big", 0600);
	len = fill_by_write(fd, 0);
	for (i = 1; i < 64; i++)
		if (try_store(p + i * PAGE, 1))
			break;
	note("SIGBUS at page %zu of a full file system", i);
	must(i < 64);
	must_eq(try_store(p + 63 * PAGE, 1), 2);
	must_eq(try_store(q, 1), 2);
	must_eq(try_load(p + 63 * PAGE), 0);
	must_eq(try_load(q), 0);
	must_eq(try_store(p, 2), 0);
	must(!ftruncate(fd, len / 2));
	must_eq(try_store(p + 63 * PAGE, 1), 0);
	must_eq(try_store(q + PMD, 1), 0);
	must_eq(p[63 * PAGE], 1);
	must_eq(q[0], 0);
	must(!unlink("big") && !unlink("hole") && !unlink("huge"));
}

/* The rest of the space by files without data, then all of them go. */
static void cmd_create(char **argv)
{
	char name[300];
	int fd, i, n;

	enter(argv[0]);
	fd = new_at("big", 0600);
	fill_by_write(fd, 0);
	must(!close(fd));
	must(!mkdir("d", 0755) || errno == ENOSPC);
	memset(name, 'n', sizeof(name));
	for (n = 0; n < 200000; n++) {
		sprintf(name + 240, "%06d", n);
		fd = open(name, O_CREAT | O_EXCL | O_RDWR, 0600);
		if (fd < 0)
			break;
		must(!close(fd));
	}
	must(n < 200000);
	want_enospc("create");
	note("%d names", n);
	for (i = 0; i < 5; i++) {
		must_fail(mkdir("full", 0755), ENOSPC);
		must_fail(open(name, O_CREAT, 0600), ENOSPC);
	}
	want_gone(name);
	for (i = 0; i < n; i++) {
		sprintf(name + 240, "%06d", i);
		if (unlink(name))
			fail("unlink on a full file system: %m");
	}
	must(!unlink("big"));
	must(!rmdir("d") || errno == ENOENT);
}

#define THREADS	4

static void *filler(void *arg)
{
	char name[32];
	int fd;

	sprintf(name, "thread%ld", (long)arg);
	fd = new_at(name, 0600);
	fill_by_write(fd, 0);
	must(!close(fd));
	return NULL;
}

static void cmd_threads(char **argv)
{
	pthread_t thread[THREADS];
	unsigned long long total = 0;
	char name[32];
	long i;

	enter(argv[0]);
	for (i = 0; i < THREADS; i++)
		must(!pthread_create(&thread[i], NULL, filler, (void *)i));
	for (i = 0; i < THREADS; i++) {
		must(!pthread_join(thread[i], NULL));
		sprintf(name, "thread%ld", i);
		total += lstat_of(name).st_size;
		check_fill(open(name, O_RDONLY), lstat_of(name).st_size);
		must(!unlink(name));
	}
	note("%llu MiB", total >> 20);
}

static const struct cmd cmds[] = {
	{ "write", 1, cmd_write },
	{ "fallocate", 1, cmd_fallocate },
	{ "mmap", 1, cmd_mmap },
	{ "create", 1, cmd_create },
	{ "threads", 1, cmd_threads },
	{ }
};

int main(int argc, char **argv)
{
	return run_cmd(cmds, argc, argv);
}
