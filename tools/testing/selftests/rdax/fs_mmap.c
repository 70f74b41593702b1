// SPDX-License-Identifier: GPL-2.0
/* Mappings that meet system calls on the same file, and the ends of files. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <sys/uio.h>

#include "fs_test.h"

#define RW	(PROT_READ | PROT_WRITE)

/* Without a wish the kernel finds an address at which PMDs fit. */
static void cmd_address(char **argv)
{
	unsigned long before;
	size_t off;
	char *p;
	int fd;

	enter(argv[0]);
	fd = create_file("f", 8 * PMD);
	p = mmap(NULL, 8 * PMD, RW, MAP_SHARED, fd, 0);
	must(p != MAP_FAILED);
	must_eq((uintptr_t)p % PMD, 0);
	before = fault_count();
	for (off = 0; off < 8 * PMD; off += PAGE)
		p[off] = 1;
	if (fault_count() - before > 30)
		fail("%lu faults in 8 PMDs", fault_count() - before);
	p = mmap(NULL, 4 * PMD, RW, MAP_SHARED, fd, 3 * PAGE);
	must(p != MAP_FAILED);
	must_eq((uintptr_t)p % PMD, 3 * PAGE);
}

/* A buffer that is the file itself must not deadlock, whatever it copies. */
static void cmd_self(char **argv)
{
	size_t size = 64 * PAGE;
	int fd, direct, i;
	char *p;

	enter(argv[0]);
	fd = new_at("f", 0600);
	must(!ftruncate(fd, size));
	direct = open_dax("f", O_RDWR | O_DIRECT);
	p = map_pte(fd, size, RW);
	must(p != MAP_FAILED);
	/* A hole into itself, into another hole, and holes onto data. */
	full_pwrite(fd, p, PAGE, 0);
	full_pwrite(fd, p + PAGE, PAGE, 2 * PAGE);
	full_pread(fd, p + 3 * PAGE, PAGE, 4 * PAGE);
	verify_zero(p, 5 * PAGE);
	fill(p, 8 * PAGE, 1, 0);
	full_pwrite(fd, p, 8 * PAGE, 8 * PAGE);
	verify(p + 8 * PAGE, 8 * PAGE, 1, 0);
	full_pwrite(direct, p, 8 * PAGE, 16 * PAGE);
	verify(p + 16 * PAGE, 8 * PAGE, 1, 0);
	full_pread(direct, p + 24 * PAGE, 8 * PAGE, 16 * PAGE);
	verify(p + 24 * PAGE, 8 * PAGE, 1, 0);
	full_pread(fd, p + 32 * PAGE + 123, 8 * PAGE, 0);
	verify(p + 32 * PAGE + 123, 8 * PAGE, 1, 0);
	verify_zero(p + 32 * PAGE, 123);
	for (i = 0; i < 4; i++) {
		full_pwrite(fd, p + 2 * PAGE, PAGE, 2 * PAGE);
		full_pread(direct, p + 2 * PAGE, PAGE, 2 * PAGE);
	}
	verify(p, 8 * PAGE, 1, 0);
	/* Growing the file from a page behind its end cannot work. */
	must(!ftruncate(fd, PAGE));
	must_fail(pwrite(fd, p + PAGE, PAGE, PAGE), EFAULT);
	want_size("f", PAGE);
}

/* From file to file by O_DIRECT, over holes and allocated blocks. */
static void cmd_direct(char **argv)
{
	size_t size = 2 * PMD;
	int from, to, kind;
	char *p;

	enter(argv[0]);
	for (kind = 0; kind < 4; kind++) {
		from = kind & 1 ? sparse_file("a", size) : create_file("a", size);
		to = kind & 2 ? sparse_file("b", size) : create_file("b", size);
		must(!close(to));
		to = open_dax("b", O_RDWR | O_DIRECT);
		p = map_at(from, size, RW, MAP_SHARED, 0, kind & 1 ? PAGE : 0);
		must(p != MAP_FAILED);
		fill(p, PMD, kind + 1, 0);
		full_pwrite(to, p, size, 0);
		verify_file(to, PMD, kind + 1);
		full_pread(to, p + PMD, PMD, 0);
		verify(p + PMD, PMD, kind + 1, 0);
		must(!munmap(p, size) && !close(from) && !close(to));
	}
}

static void cmd_sync_hole(char **argv)
{
	size_t size = 3 * PMD;
	int fd, skew;
	char *p;

	enter(argv[0]);
	for (skew = 0; skew < 2; skew++) {
		fd = sparse_file("f", size);
		p = map_at(fd, size, RW, MAP_SHARED_VALIDATE | MAP_SYNC, 0,
			   skew * PAGE);
		if (p == MAP_FAILED)
			fail("MAP_SYNC: %m");
		verify_zero(p, PAGE);
		fill(p + 5 * PAGE, PAGE, 1, 0);
		fill(p + PMD, PMD, 2, 0);
		must_eq(try_load(p + 2 * PMD), 0);
		fill(p + 2 * PMD, PAGE, 3, 0);
		verify_zero(p, 5 * PAGE);
		verify(p + 5 * PAGE, PAGE, 1, 0);
		verify_zero(p + 6 * PAGE, PMD - 6 * PAGE);
		verify(p + PMD, PMD, 2, 0);
		verify_zero(p + 2 * PMD + PAGE, PMD - PAGE);
		must(!munmap(p, size) && !close(fd));
	}
}

static void cmd_grow(char **argv)
{
	char *p;
	int fd;

	enter(argv[0]);
	fd = new_at("f", 0600);
	p = map_pmd(fd, 2 * PMD, RW);
	must(p != MAP_FAILED);
	must_eq(try_load(p), 2);
	must(!ftruncate(fd, 1));
	must_eq(try_store(p, 1), 0);
	must_eq(try_load(p + PAGE), 2);
	full_pwrite(fd, p, 1, PMD);
	must_eq(try_load(p + PAGE), 0);
	must_eq(try_load(p + PMD + 1), 0);
	must_eq(try_load(p + PMD + PAGE), 2);
	must(!ftruncate(fd, 2 * PMD));
	fill(p + PAGE, 2 * PMD - PAGE, 1, PAGE);
	must(!ftruncate(fd, PMD + 1));
	must_eq(try_load(p + PMD + PAGE), 2);
	must(!ftruncate(fd, 2 * PMD));
	verify_zero(p + PMD + 1, PMD - 1);
	verify(p + PAGE, PMD - PAGE, 1, PAGE);
}

static void cmd_access(char **argv)
{
	int fd, ro;
	char *p;

	enter(argv[0]);
	fd = create_file("f", 2 * PMD);
	write_pattern(fd, 2 * PMD, 1);
	ro = open_dax("f", O_RDONLY);
	p = mmap(NULL, PAGE, RW, MAP_SHARED, ro, 0);
	must(p == MAP_FAILED && errno == EACCES);
	p = map_at(ro, 2 * PMD, RW, MAP_PRIVATE, 0, 0);
	must(p != MAP_FAILED);
	fill(p + PAGE, PAGE, 2, 0);
	verify(p, PAGE, 1, 0);
	verify_file(fd, 2 * PMD, 1);
	/* A private mapping shows what is written where it has no copy. */
	full_pwrite(fd, p + PAGE, PAGE, 5 * PAGE);
	verify(p + 5 * PAGE, PAGE, 2, 0);
	must(!munmap(p, 2 * PMD));
	must(!close(fd) && !close(ro));
	must(!unlink("f"));

	/* A mapping keeps a file that has no name and no descriptor. */
	fd = create_file("g", 2 * PMD);
	p = map_pmd(fd, 2 * PMD, RW);
	must(p != MAP_FAILED);
	must(!unlink("g") && !close(fd));
	fill(p, 2 * PMD, 3, 0);
	verify(p, 2 * PMD, 3, 0);
	must(!msync(p, 2 * PMD, MS_SYNC));
}

static void cmd_lock(char **argv)
{
	size_t size = 2 * PMD;
	unsigned long before;
	int fd, hole;
	char *p;

	enter(argv[0]);
	fd = create_file("f", size);
	hole = sparse_file("h", size);
	p = map_pte(fd, size, RW);
	must(p != MAP_FAILED && !mlock(p, size));
	/* A shared mapping is populated for reading only. */
	before = fault_count();
	verify_zero(p, size);
	if (fault_count() - before > 12)
		fail("%lu faults in a locked mapping", fault_count() - before);
	fill(p, size, 1, 0);
	verify_file(fd, size, 1);
	must(!munlock(p, size));
	p = map_pte(hole, size, RW);
	must(p != MAP_FAILED && !mlock(p, 16 * PAGE));
	must(!fallocate(hole, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
			8 * PAGE));
	must(!ftruncate(hole, 4 * PAGE));
	verify_zero(p, 4 * PAGE);
	must_eq(try_load(p + 5 * PAGE), 2);
	must(!munlock(p, 16 * PAGE));
}

static const struct cmd cmds[] = {
	{ "address", 1, cmd_address },
	{ "self", 1, cmd_self },
	{ "direct", 1, cmd_direct },
	{ "sync-hole", 1, cmd_sync_hole },
	{ "grow", 1, cmd_grow },
	{ "access", 1, cmd_access },
	{ "lock", 1, cmd_lock },
	{ }
};

int main(int argc, char **argv)
{
	return run_cmd(cmds, argc, argv);
}
