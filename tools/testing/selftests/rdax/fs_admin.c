// SPDX-License-Identifier: GPL-2.0
/* What fs-admin.sh cannot do with programs of the system. */
#include <linux/fs.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "fs_test.h"

#define RW		(PROT_READ | PROT_WRITE)

static void cmd_shutdown(char **argv)
{
	uint32_t how = strtoul(argv[1], NULL, 0);
	int fd = open(argv[0], O_RDONLY);

	must(fd >= 0);
	if (ioctl(fd, GOINGDOWN, &how))
		fail("shutdown %u: %m", how);
}

/* With open files and mappings the file system is shut down. */
static void cmd_shutdown_users(char **argv)
{
	uint32_t how = 2;
	char buf[PAGE];
	char *p, *q;
	int fd, dir;

	enter(argv[0]);
	fd = create_file("f", 4 * PMD);
	write_pattern(fd, 4 * PMD, 1);
	p = map_pmd(fd, 4 * PMD, RW);
	q = map_pte(fd, 4 * PMD, RW);
	must(p != MAP_FAILED && q != MAP_FAILED);
	verify(p, PMD, 1, 0);
	dir = open(".", O_RDONLY);
	must(!ioctl(dir, GOINGDOWN, &how));
	must_fail(pread(fd, buf, PAGE, 0), EIO);
	must_fail(pwrite(fd, buf, PAGE, 0), EIO);
	must_fail(ftruncate(fd, 0), EIO);
	must_fail(fsync(fd), EIO);
	must_fail(fallocate(fd, 0, 0, 8 * PMD), EIO);
	must_fail(open("new", O_CREAT | O_RDWR, 0600), EIO);
	must_fail(mkdir("d", 0755), EIO);
	must_fail(unlink("f"), EIO);
	must_fail(rename("f", "g"), EIO);
	must_fail(link("f", "g"), EIO);
	must_fail(symlink("f", "s"), EIO);
	/* A new write fault has nowhere to go. */
	must_eq(try_store(q + 3 * PMD, 1), 2);
	/* The device is still there: what is mapped may stay, or go. */
	try_load(p);
}

/*
 * Writes, stores and creates until told on stdin, then says how many of each
 * were done since the line before: to see that a freeze stops them.
 */
static unsigned long done[3];
static int stop;

static void *load_thread(void *arg)
{
	long kind = (long)arg;
	char name[32];
	char *p;
	int fd;

	sprintf(name, "load%ld", kind);
	fd = sparse_file(name, 64 * PAGE);
	p = map_pte(fd, 64 * PAGE, RW);
	must(p != MAP_FAILED);
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		switch (kind) {
		case 0:
			must(pwrite(fd, "x", 1, 0) == 1);
			break;
		case 1:
			must(!madvise(p, PAGE, MADV_DONTNEED));
			must(!fsync(fd));
			p[0]++;
			break;
		default:
			touch("new");
			must(!unlink("new"));
		}
		__atomic_add_fetch(&done[kind], 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

static void cmd_load(char **argv)
{
	pthread_t thread[3];
	char line[64];
	long i;

	enter(argv[0]);
	for (i = 0; i < 3; i++)
		must(!pthread_create(&thread[i], NULL, load_thread,
				     (void *)i));
	puts("ready");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin) && strcmp(line, "quit\n")) {
		for (i = 0; i < 3; i++)
			printf("%lu ", __atomic_load_n(&done[i],
						       __ATOMIC_RELAXED));
		putchar('\n');
		fflush(stdout);
	}
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	for (i = 0; i < 3; i++)
		must(!pthread_join(thread[i], NULL));
}

static const struct cmd cmds[] = {
	{ "shutdown", 2, cmd_shutdown },
	{ "shutdown-users", 1, cmd_shutdown_users },
	{ "load", 1, cmd_load },
	{ }
};

int main(int argc, char **argv)
{
	return run_cmd(cmds, argc, argv);
}
