// SPDX-License-Identifier: GPL-2.0
/*
 * Records that must survive a machine that stops between two instructions.
 *
 *   write DIR	appends records, printing "COMMITTED n" when n are durable
 *   verify DIR N	fails unless the first N records are there and right
 *
 * Each record exists three times: appended by write(2) and fsync(2), stored
 * through a MAP_SYNC mapping and flushed by this program, and in a file of its
 * own, created and renamed into place.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "dax_test.h"

#define MAX_RECORDS	4096UL
#define LINE		64UL

static void flush_lines(const void *p, size_t len)
{
	const char *c = p, *end = c + len;

	for (; c < end; c += LINE)
		__builtin_ia32_clflush(c);
	__builtin_ia32_sfence();
}

static void path_of(char *out, size_t len, const char *dir, const char *name,
		    unsigned long n)
{
	snprintf(out, len, "%s/%s.%lu", dir, name, n);
}

static void write_file(const char *dir, int dirfd, unsigned long n)
{
	char tmp[256], path[256], buf[PAGE];
	int fd;

	path_of(tmp, sizeof(tmp), dir, "tmp", n);
	path_of(path, sizeof(path), dir, "file", n);
	fd = open_dax(tmp, O_RDWR | O_CREAT | O_EXCL);
	fill(buf, PAGE, n, 0);
	full_pwrite(fd, buf, PAGE, 0);
	must(!fsync(fd));
	must(!close(fd));
	must(!rename(tmp, path));
	must(!fsync(dirfd));
}

static void cmd_write(char **argv)
{
	char path[256], buf[PAGE], *map;
	int log, sync, dirfd;
	unsigned long n;

	dirfd = open(argv[0], O_RDONLY | O_DIRECTORY);
	must(dirfd >= 0);
	path_of(path, sizeof(path), argv[0], "log", 0);
	log = open_dax(path, O_RDWR | O_CREAT | O_EXCL);
	path_of(path, sizeof(path), argv[0], "sync", 0);
	/* Sparse: each store allocates, and its fault must make that durable. */
	sync = sparse_file(path, MAX_RECORDS * PAGE);
	map = map_at(sync, MAX_RECORDS * PAGE, PROT_READ | PROT_WRITE,
		     MAP_SHARED_VALIDATE | MAP_SYNC, 0, PAGE);
	if (map == MAP_FAILED)
		fail("MAP_SYNC: %m");
	must(!fsync(sync) && !fsync(dirfd));

	for (n = 1; n < MAX_RECORDS; n++) {
		char *rec = map + (n - 1) * PAGE;

		fill(buf, PAGE, n, 0);
		full_pwrite(log, buf, PAGE, (n - 1) * PAGE);
		must(!fsync(log));
		fill(rec, PAGE, n, 0);
		flush_lines(rec, PAGE);
		write_file(argv[0], dirfd, n);
		printf("COMMITTED %lu\n", n);
		fflush(stdout);
	}
}

static void check_record(const char *path, off_t off, unsigned long n)
{
	char buf[PAGE];
	int fd = open_dax(path, O_RDONLY);

	full_pread(fd, buf, PAGE, off);
	verify(buf, PAGE, n, 0);
	close(fd);
}

static void cmd_verify(char **argv)
{
	unsigned long n, count = strtoul(argv[1], NULL, 0);
	char log[256], sync[256], file[256];

	must(count > 0);
	path_of(log, sizeof(log), argv[0], "log", 0);
	path_of(sync, sizeof(sync), argv[0], "sync", 0);
	for (n = 1; n <= count; n++) {
		path_of(file, sizeof(file), argv[0], "file", n);
		note("record %lu", n);
		check_record(log, (n - 1) * PAGE, n);
		check_record(sync, (n - 1) * PAGE, n);
		check_record(file, 0, n);
	}
	/* What came after the last commit may be there, but not as garbage. */
	path_of(file, sizeof(file), argv[0], "file", n);
	if (!access(file, F_OK))
		check_record(file, 0, n);
}

static const struct cmd cmds[] = {
	{ "write", 1, cmd_write },
	{ "verify", 2, cmd_verify },
	{ }
};

int main(int argc, char **argv)
{
	return run_cmd(cmds, argc, argv);
}
