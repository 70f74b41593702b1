// SPDX-License-Identifier: GPL-2.0
/*
 * Holds a DAX file in a given way and does as it is told on stdin, one word
 * per line, answering each with one line on stdout:
 *
 *   load, store	access the mapping: "ok" or the si_code of SIGBUS
 *   refault	the same after MADV_DONTNEED, so by a new page fault
 *   read, write	by system call: "ok" or errno
 *   pipe		reads the pinned page from the pipe: "ok" or "bad"
 *   unmap, close	lets go
 *   quit
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "dax_test.h"

#define RW	(PROT_READ | PROT_WRITE)
#define SIZE	(2 * PMD)

static int fd = -1;
static int pipefd[2];
static char *map;
static int writer_stop;
static int writer_errno;

static void *writer(void *arg)
{
	char *buf = page_alloc(PAGE);
	off_t off = 0;

	fill(buf, PAGE, 3, 0);
	while (!__atomic_load_n(&writer_stop, __ATOMIC_RELAXED)) {
		if (pwrite(fd, buf, PAGE, off) < 0 || fdatasync(fd)) {
			__atomic_store_n(&writer_errno, errno,
					 __ATOMIC_RELAXED);
			break;
		}
		off = (off + PAGE) % SIZE;
	}
	return NULL;
}

static void hold(const char *mode, const char *path)
{
	struct iovec iov;
	pthread_t thread;

	fd = create_file(path, SIZE);
	write_pattern(fd, SIZE, 1);
	if (!strcmp(mode, "open"))
		return;
	if (!strcmp(mode, "writer")) {
		must(!pthread_create(&thread, NULL, writer, NULL));
		return;
	}
	map = strcmp(mode, "pte") ? map_pmd(fd, SIZE, RW) :
				    map_pte(fd, SIZE, RW);
	must(map != MAP_FAILED);
	fill(map, SIZE, 2, 0);
	if (!strcmp(mode, "pin") || !strcmp(mode, "orphan-pin")) {
		must(!pipe(pipefd));
		iov = (struct iovec){ map + PMD + PAGE, PAGE };
		must_eq(vmsplice(pipefd[1], &iov, 1, 0), PAGE);
		if (!strcmp(mode, "orphan-pin")) {
			/* The pipe is all that knows of the page. */
			must(!munmap(map, SIZE));
			close(fd);
			map = NULL;
			fd = -1;
		}
	}
}

int main(int argc, char **argv)
{
	char line[64], buf[PAGE];
	int code;

	if (argc != 3)
		fail("usage: dax_hold open|writer|pte|pmd|pin|orphan-pin FILE");
	catch_sigbus();
	hold(argv[1], argv[2]);
	printf("ready\n");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin) && strcmp(line, "quit\n")) {
		line[strcspn(line, "\n")] = '\0';
		if (!strcmp(line, "load")) {
			code = try_load(map + PMD);
			if (!code)
				code = try_load(map);
			if (!code)
				verify(map, SIZE, 2, 0);
			answer("sigbus", code);
		} else if (!strcmp(line, "refault")) {
			must(!madvise(map, SIZE, MADV_DONTNEED));
			answer("sigbus", try_load(map + PMD));
		} else if (!strcmp(line, "store")) {
			answer("sigbus", try_store(map + PMD, 1));
		} else if (!strcmp(line, "read")) {
			answer("errno", pread(fd, buf, PAGE, 0) < 0 ?
			       errno : 0);
		} else if (!strcmp(line, "write")) {
			answer("errno", pwrite(fd, buf, PAGE, 0) < 0 ||
			       fsync(fd) ? errno : 0);
		} else if (!strcmp(line, "writer")) {
			answer("errno", __atomic_load_n(&writer_errno,
							__ATOMIC_RELAXED));
		} else if (!strcmp(line, "pipe")) {
			must_eq(read(pipefd[0], buf, PAGE), PAGE);
			verify(buf, PAGE, 2, PMD + PAGE);
			answer("", 0);
		} else if (!strcmp(line, "unmap")) {
			must(!munmap(map, SIZE));
			answer("", 0);
		} else if (!strcmp(line, "close")) {
			__atomic_store_n(&writer_stop, 1, __ATOMIC_RELAXED);
			answer("errno", close(fd) ? errno : 0);
		} else {
			fail("what is '%s'?", line);
		}
	}
	return 0;
}
