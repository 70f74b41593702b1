// SPDX-License-Identifier: GPL-2.0
/*
 * What `make run` shows of a file on a DAX file system, one property for each
 * call. Prints what it found; exits with 1 if it is not what DAX promises.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MIB (1024UL * 1024)
#define PMD (2 * MIB)
#define LENGTH (8 * MIB)

static void __attribute__((noreturn, format(printf, 1, 2))) die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("%s%s\n", errno ? ": " : "", errno ? strerror(errno) : "");
	exit(1);
}

static int open_file(const char *path, int flags)
{
	int fd = open(path, flags, 0600);

	if (fd < 0)
		die("open %s", path);
	return fd;
}

/* An address at which a PMD can map the start of the file, plus skew. */
static void *map_skewed(int fd, size_t length, int flags, size_t skew)
{
	char *space = mmap(NULL, length + 2 * PMD, PROT_NONE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *start;

	if (space == MAP_FAILED)
		die("mmap of address space");
	start = (char *)(((uintptr_t)space + PMD - 1) & ~(PMD - 1));
	return mmap(start + skew, length, PROT_READ | PROT_WRITE, flags | MAP_FIXED, fd, 0);
}

static void *map_aligned(int fd, size_t length, int flags)
{
	return map_skewed(fd, length, flags, 0);
}

static long faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_minflt + usage.ru_majflt;
}

static void check_dax(const char *path)
{
	struct statx stx;

	if (statx(AT_FDCWD, path, 0, STATX_BASIC_STATS, &stx))
		die("statx %s", path);
	errno = 0;
	if (!(stx.stx_attributes_mask & STATX_ATTR_DAX))
		die("the kernel does not report the DAX attribute");
	if (!(stx.stx_attributes & STATX_ATTR_DAX))
		die("the file is NOT in DAX mode");
	printf("statx says STATX_ATTR_DAX\n");
}

/* Faults needed to write one word into each page of LENGTH bytes. */
static void count_faults(const char *path, size_t skew, long least, long most)
{
	int fd = open_file(path, O_RDWR);
	char *map = map_skewed(fd, LENGTH, MAP_SHARED, skew);
	long before, count;

	if (map == MAP_FAILED)
		die("mmap %s", path);
	before = faults();
	for (size_t offset = 0; offset < LENGTH; offset += 4096)
		*(volatile uint64_t *)(map + offset) = offset;
	count = faults() - before;
	errno = 0;
	if (count < least || count > most)
		die("%ld faults for 8 MiB, expected %ld to %ld", count, least, most);
	printf("8 MiB written in %ld faults\n", count);
	munmap(map, LENGTH);
	close(fd);
}

static void map_sync(const char *path)
{
	int fd = open_file(path, O_RDWR);
	char *map = map_aligned(fd, PMD, MAP_SHARED_VALIDATE | MAP_SYNC);

	if (map == MAP_FAILED)
		die("mmap(MAP_SYNC)");
	*(volatile uint64_t *)map = 1;
	printf("mmap(MAP_SYNC) granted and written\n");
	close(fd);
}

static uint64_t word(uint64_t index, uint64_t seed)
{
	uint64_t x = (index + 1) * 0x9e3779b97f4a7c15ULL ^ seed * 0xbf58476d1ce4e5b9ULL;

	return x ^ x >> 29;
}

/* The first half by write(), the second through the mapping. */
static void fill(const char *path, uint64_t seed)
{
	int fd = open_file(path, O_RDWR | O_CREAT | O_TRUNC);
	uint64_t *buffer = malloc(LENGTH / 2), *map;
	size_t half = LENGTH / 2 / sizeof(*map);

	if (!buffer)
		die("malloc");
	if (ftruncate(fd, LENGTH))
		die("ftruncate");
	for (size_t i = 0; i < half; i++)
		buffer[i] = word(i, seed);
	if (pwrite(fd, buffer, LENGTH / 2, 0) != (ssize_t)(LENGTH / 2))
		die("pwrite");
	map = map_aligned(fd, LENGTH, MAP_SHARED);
	if (map == MAP_FAILED)
		die("mmap");
	for (size_t i = half; i < 2 * half; i++)
		map[i] = word(i, seed);
	if (msync(map, LENGTH, MS_SYNC))
		die("msync");
	free(buffer);
	close(fd);
}

/* The first half through the mapping, the second by read(). */
static void verify(const char *path, uint64_t seed)
{
	int fd = open_file(path, O_RDWR);
	uint64_t *buffer = malloc(LENGTH / 2), *map;
	size_t half = LENGTH / 2 / sizeof(*map);

	if (!buffer)
		die("malloc");
	map = map_aligned(fd, LENGTH, MAP_SHARED);
	if (map == MAP_FAILED)
		die("mmap");
	if (pread(fd, buffer, LENGTH / 2, LENGTH / 2) != (ssize_t)(LENGTH / 2))
		die("pread");
	errno = 0;
	for (size_t i = 0; i < half; i++) {
		if (map[i] != word(i, seed))
			die("word %zu, written by write(), reads wrong through mmap", i);
		if (buffer[i] != word(i + half, seed))
			die("word %zu, written through mmap, reads wrong by read()", i + half);
	}
	printf("8 MiB correct: write() read back through mmap, mmap read back by read()\n");
	free(buffer);
	close(fd);
}

static long milliseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* A page of the file in a pipe that nobody reads. Returns the pipe's end. */
static int hold_page(const char *path, uint64_t value)
{
	int fd = open_file(path, O_RDWR | O_CREAT | O_TRUNC);
	struct iovec page = { .iov_len = 4096 };
	int ends[2];

	if (ftruncate(fd, PMD) || pipe(ends))
		die("setting up");
	page.iov_base = map_aligned(fd, PMD, MAP_SHARED);
	if (page.iov_base == MAP_FAILED)
		die("mmap");
	*(uint64_t *)page.iov_base = value;
	if (vmsplice(ends[1], &page, 1, 0) != 4096)
		die("vmsplice");
	if (munmap(page.iov_base, PMD) || close(fd))
		die("letting go");
	return ends[0];
}

/* Deletes a file while somebody holds a page of it: for how long does it wait? */
static void unlink_held(const char *path, uint64_t value)
{
	int held = hold_page(path, value), done[2];
	struct pollfd end = { .events = POLLIN };
	uint64_t page[512];
	long begun = milliseconds(), took;
	pid_t child;
	int status;

	if (pipe(done))
		die("pipe");
	child = fork();
	if (!child)
		_exit(unlink(path) != 0);
	close(done[1]);
	end.fd = done[0];
	/* The child's end closes when it exits. */
	poll(&end, 1, 2000);
	took = milliseconds() - begun;
	if (read(held, page, sizeof(page)) != sizeof(page) || page[0] != value)
		die("the pipe has something else");
	if (waitpid(child, &status, 0) != child || status)
		die("unlink");
	if (end.revents)
		printf("deleted after %ld ms; the pipe has the old data\n", took);
	else
		printf("WAITED for the pipe to be read, %ld ms here\n", took);
}

int main(int argc, char **argv)
{
	const char *what = argc > 2 ? argv[1] : "";
	uint64_t seed = argc > 3 ? strtoull(argv[3], NULL, 0) : 1;

	if (!strcmp(what, "dax"))
		check_dax(argv[2]);
	else if (!strcmp(what, "pmd"))
		count_faults(argv[2], 0, 4, 8);
	else if (!strcmp(what, "pte"))
		count_faults(argv[2], 4096, 1500, 2200);
	else if (!strcmp(what, "sync"))
		map_sync(argv[2]);
	else if (!strcmp(what, "held"))
		unlink_held(argv[2], seed);
	else if (!strcmp(what, "fill"))
		fill(argv[2], seed);
	else if (!strcmp(what, "verify"))
		verify(argv[2], seed);
	else
		die("usage: daxdemo dax|pmd|pte|sync|held|fill|verify FILE [SEED]");
	return 0;
}
