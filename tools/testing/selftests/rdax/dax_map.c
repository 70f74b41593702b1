// SPDX-License-Identifier: GPL-2.0
/* What mapping calls promise, on DAX files mapped by PTEs and by PMDs. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dax_test.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE	23
#endif

#define RW	(PROT_READ | PROT_WRITE)

static void cmd_sync_ok(char **argv)
{
	int fd = create_file(argv[0], 2 * PMD);
	char *p;

	p = map_at(fd, 2 * PMD, RW, MAP_SHARED_VALIDATE | MAP_SYNC, 0, 0);
	if (p == MAP_FAILED)
		fail("MAP_SYNC: %m");
	fill(p, 2 * PMD, 1, 0);
	verify_file(fd, 2 * PMD, 1);
	p = map_at(fd, 2 * PMD, RW, MAP_SHARED_VALIDATE | MAP_SYNC, 0, PAGE);
	if (p == MAP_FAILED)
		fail("MAP_SYNC, misaligned: %m");
	fill(p + PMD - PAGE, 2 * PAGE, 2, 0);
	verify(p + PMD - PAGE, 2 * PAGE, 2, 0);
	verify(p, PMD - PAGE, 1, 0);
}

static void cmd_sync_refused(char **argv)
{
	int fd = create_file(argv[0], PAGE);
	char *p;

	p = mmap(NULL, PAGE, RW, MAP_SHARED_VALIDATE | MAP_SYNC, fd, 0);
	if (p != MAP_FAILED)
		fail("MAP_SYNC works on a device that is not synchronous");
	must_eq(errno, EOPNOTSUPP);
	p = mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0);
	must(p != MAP_FAILED);
	fill(p, PAGE, 1, 0);
	verify_file(fd, PAGE, 1);
}

static void cmd_private(char **argv)
{
	size_t size = 2 * PMD;
	int fd = create_file(argv[0], size);
	char *priv, *again;

	write_pattern(fd, size, 3);
	priv = map_at(fd, size, RW, MAP_PRIVATE, 0, 0);
	must(priv != MAP_FAILED);
	verify(priv, size, 3, 0);
	fill(priv, PMD, 4, 0);
	verify(priv, PMD, 4, 0);
	verify(priv + PMD, PMD, 3, PMD);
	verify_file(fd, size, 3);

	/* A private mapping not written yet sees what is written to the file. */
	write_pattern(fd, size, 5);
	verify(priv, PMD, 4, 0);
	verify(priv + PMD, PMD, 5, PMD);

	again = map_at(fd, size, RW, MAP_PRIVATE, 0, PAGE);
	must(again != MAP_FAILED);
	fill(again + PAGE, PAGE, 6, 0);
	verify(again, PAGE, 5, 0);
	verify(again + 2 * PAGE, size - 2 * PAGE, 5, 2 * PAGE);
	verify_file(fd, size, 5);
}

static void want_segv(char *p)
{
	pid_t pid = fork();
	int status;

	must(pid >= 0);
	if (!pid) {
		*(volatile char *)p = 1;
		_exit(0);
	}
	must(waitpid(pid, &status, 0) == pid);
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSEGV)
		fail("store to a read-only mapping: wait status %#x", status);
}

static void cmd_mprotect(char **argv)
{
	size_t size = 2 * PMD;
	int fd = create_file(argv[0], size);
	char *p;

	write_pattern(fd, size, 7);
	p = map_pmd(fd, size, RW);
	must(p != MAP_FAILED);
	fill(p, size, 8, 0);
	must(!mprotect(p, PMD, PROT_READ));
	verify(p, size, 8, 0);
	want_segv(p + 3 * PAGE);
	/* Splits the second PMD. */
	must(!mprotect(p + PMD + PAGE, PAGE, PROT_READ));
	want_segv(p + PMD + PAGE);
	must_eq(try_store(p + PMD, p[PMD]), 0);
	must_eq(try_store(p + PMD + 2 * PAGE, p[PMD + 2 * PAGE]), 0);
	verify(p, size, 8, 0);
	must(!mprotect(p, size, RW));
	fill(p, size, 9, 0);
	verify_file(fd, size, 9);
}

static void cmd_mremap(char **argv)
{
	size_t size = 4 * PMD;
	int fd = create_file(argv[0], size);
	char *p, *q, *room;

	write_pattern(fd, size, 10);
	p = map_pmd(fd, size, RW);
	must(p != MAP_FAILED);
	fill(p, size, 11, 0);

	/* To an address where the PMDs can stay, */
	room = map_at(-1, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, 0, 0);
	must(room != MAP_FAILED);
	q = mremap(p, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, room);
	must(q == room);
	verify(q, size, 11, 0);
	fill(q, size, 12, 0);

	/* to one where they cannot, */
	room = map_at(-1, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, 0,
		      3 * PAGE);
	must(room != MAP_FAILED);
	p = mremap(q, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, room);
	must(p == room);
	verify(p, size, 12, 0);
	fill(p, size, 13, 0);

	/* and shrunk into the middle of one, and grown again. */
	q = map_pmd(fd, size, RW);
	must(q != MAP_FAILED);
	verify(q, size, 13, 0);
	must(mremap(q, size, 3 * PMD + 5 * PAGE, 0) == q);
	verify(q, 3 * PMD + 5 * PAGE, 13, 0);
	q = mremap(q, 3 * PMD + 5 * PAGE, size, MREMAP_MAYMOVE);
	must(q != MAP_FAILED);
	verify(q, size, 13, 0);
	verify_file(fd, size, 13);
}

static void wait_ok(pid_t pid)
{
	int status;

	must(waitpid(pid, &status, 0) == pid);
	if (status)
		fail("child: wait status %#x", status);
}

static void cmd_fork_shared(char **argv)
{
	size_t size = 2 * PMD;
	int fd = create_file(argv[0], size);
	char *p = map_pmd(fd, size, RW);
	pid_t pid;

	must(p != MAP_FAILED);
	fill(p, size, 14, 0);
	pid = fork();
	must(pid >= 0);
	if (!pid) {
		verify(p, size, 14, 0);
		fill(p, PMD, 15, 0);
		fill(p + PMD + PAGE, PAGE, 15, 0);
		_exit(0);
	}
	wait_ok(pid);
	verify(p, PMD, 15, 0);
	verify(p + PMD, PAGE, 14, PMD);
	verify(p + PMD + PAGE, PAGE, 15, 0);
	verify(p + PMD + 2 * PAGE, PMD - 2 * PAGE, 14, PMD + 2 * PAGE);
}

static void cmd_fork_private(char **argv)
{
	size_t size = 2 * PMD;
	int fd = create_file(argv[0], size);
	char *p;
	pid_t pid;

	write_pattern(fd, size, 16);
	p = map_at(fd, size, RW, MAP_PRIVATE, 0, 0);
	must(p != MAP_FAILED);
	verify(p, size, 16, 0);
	fill(p, PAGE, 17, 0);
	pid = fork();
	must(pid >= 0);
	if (!pid) {
		verify(p, PAGE, 17, 0);
		verify(p + PAGE, size - PAGE, 16, PAGE);
		fill(p, PMD, 18, 0);
		verify(p, PMD, 18, 0);
		_exit(0);
	}
	wait_ok(pid);
	verify(p, PAGE, 17, 0);
	verify(p + PAGE, size - PAGE, 16, PAGE);
	verify_file(fd, size, 16);
}

/* What was stored is in the file after a remount: see map.sh. */
static void cmd_msync(char **argv)
{
	size_t size = 2 * PMD;
	int fd = create_file(argv[0], size);
	char *p = map_pmd(fd, size, RW);
	char *q = map_pte(fd, size, RW);
	int i;

	must(p != MAP_FAILED && q != MAP_FAILED);
	fill(p, size, 19, 0);
	must(!msync(p, size, MS_SYNC));
	/* After a sync the pages are clean: stores must be noticed again. */
	for (i = 0; i < 3; i++) {
		fill(p, PMD, 20 + i, 0);
		must(!msync(p, PAGE, MS_SYNC));
		fill(q + PMD, PAGE, 20 + i, PMD);
		must(!fdatasync(fd));
	}
	fill(p, size, 23, 0);
	must(!fsync(fd));
	must(!msync(p, size, MS_ASYNC));
	verify_file(fd, size, 23);
}

static void cmd_check(char **argv)
{
	int fd = open_dax(argv[0], O_RDONLY);

	verify_file(fd, strtoul(argv[1], NULL, 0), strtoul(argv[2], NULL, 0));
}

static void cmd_dontneed(char **argv)
{
	size_t size = 2 * PMD;
	int fd = create_file(argv[0], size);
	char *p = map_pmd(fd, size, RW);
	unsigned long before;

	must(p != MAP_FAILED);
	fill(p, size, 24, 0);
	must(!madvise(p, size, MADV_DONTNEED));
	before = fault_count();
	verify(p, size, 24, 0);
	if (fault_count() - before < 2)
		fail("no fault after MADV_DONTNEED");
	must(!madvise(p + PAGE, PAGE, MADV_DONTNEED));
	verify(p, size, 24, 0);
	must(!munmap(p + PMD / 2, PAGE));
	verify(p, PMD / 2, 24, 0);
	verify(p + PMD / 2 + PAGE, size - PMD / 2 - PAGE, 24, PMD / 2 + PAGE);
	verify_file(fd, size, 24);
}

static void cmd_populate(char **argv)
{
	size_t size = 2 * PMD;
	int fd = create_file(argv[0], size);
	unsigned long before;
	char *p;

	p = map_at(fd, size, RW, MAP_SHARED | MAP_POPULATE, 0, PAGE);
	must(p != MAP_FAILED);
	/* A shared mapping is populated for reading only. */
	before = fault_count();
	verify_zero(p, size);
	if (fault_count() - before > 12)
		fail("%lu faults after MAP_POPULATE", fault_count() - before);
	must(!madvise(p, size, MADV_POPULATE_WRITE));
	before = fault_count();
	fill(p, size, 25, 0);
	if (fault_count() - before > 12)
		fail("%lu faults after MADV_POPULATE_WRITE",
		     fault_count() - before);
	must(!munmap(p, size));
	p = map_pmd(fd, size, RW);
	must(p != MAP_FAILED);
	must(!mlock(p, size));
	verify(p, size, 25, 0);
	must(!munlock(p, size));
	verify_file(fd, size, 25);
}

static const struct cmd cmds[] = {
	{ "sync-ok", 1, cmd_sync_ok },
	{ "sync-refused", 1, cmd_sync_refused },
	{ "private", 1, cmd_private },
	{ "mprotect", 1, cmd_mprotect },
	{ "mremap", 1, cmd_mremap },
	{ "fork-shared", 1, cmd_fork_shared },
	{ "fork-private", 1, cmd_fork_private },
	{ "msync", 1, cmd_msync },
	{ "check", 3, cmd_check },
	{ "dontneed", 1, cmd_dontneed },
	{ "populate", 1, cmd_populate },
	{ }
};

int main(int argc, char **argv)
{
	return run_cmd(cmds, argc, argv);
}
