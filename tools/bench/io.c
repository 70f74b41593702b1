// SPDX-License-Identifier: GPL-2.0
/* read(2), write(2) and fsync(2). */
#define _GNU_SOURCE
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"

static char buffer[64 << 10] __attribute__((aligned(4096)));

/* @n times @length bytes, each time @step further, over and over a written file. */
static void transfer(bool write, size_t length, size_t step, int n)
{
	size_t size = 4 * MIB;
	int fd = make_file("f", size, WRITTEN);

	memset(buffer, 0x5a, sizeof(buffer));
	for (int i = 0; i < n; i++) {
		off_t at = i * step % size;
		uint64_t start = ticks();
		ssize_t done;

		if (write)
			done = pwrite(fd, buffer, length, at);
		else
			done = pread(fd, buffer, length, at);
		sample(start);
		if (done != (ssize_t)length)
			die("%zd of %zu bytes: %m", done, length);
	}
}

static void pread_64(void)
{
	transfer(false, 64, PAGE, 2000);
}

static void pwrite_64(void)
{
	transfer(true, 64, PAGE, 2000);
}

static void pread_4k(void)
{
	transfer(false, PAGE, PAGE, 2000);
}

static void pwrite_4k(void)
{
	transfer(true, PAGE, PAGE, 2000);
}

static void pread_64k(void)
{
	transfer(false, sizeof(buffer), sizeof(buffer), 256);
}

static void pwrite_64k(void)
{
	transfer(true, sizeof(buffer), sizeof(buffer), 256);
}

static void append_block(int fd)
{
	ssize_t done = write(fd, buffer, PAGE);

	if (done != PAGE)
		die("%zd of %lu bytes: %m", done, PAGE);
}

static void append(void)
{
	int fd = create_file("f", O_APPEND);

	memset(buffer, 0x5a, sizeof(buffer));
	for (int i = 0; i < 500; i++) {
		uint64_t start = ticks();

		append_block(fd);
		sample(start);
	}
}

/*
 * XFS allocates whole stripe units to a file that has one already, but single
 * blocks before, at nearly twice the price: start where it is at its best.
 */
static void append_fsync(void)
{
	int fd = create_file("f", O_APPEND);

	memset(buffer, 0x5a, sizeof(buffer));
	for (size_t at = 0; at < PMD; at += PAGE)
		append_block(fd);
	if (fsync(fd))
		die("fsync: %m");
	for (int i = 0; i < 300; i++) {
		uint64_t start = ticks();

		append_block(fd);
		if (fsync(fd))
			die("fsync: %m");
		sample(start);
	}
	if (lseek(fd, 0, SEEK_END) != (off_t)(PMD + 300 * PAGE))
		die("the file has not the length it should");
}

static void fsync_clean(void)
{
	int fd = make_file("f", MIB, WRITTEN);

	for (int i = 0; i < 300; i++) {
		uint64_t start = ticks();

		if (fsync(fd))
			die("fsync: %m");
		sample(start);
	}
}

const struct bench_case io_cases[] = {
	{ .name = "pread_64", .run = pread_64 },
	{ .name = "pwrite_64", .run = pwrite_64 },
	{ .name = "pread_4k", .run = pread_4k },
	{ .name = "pwrite_4k", .run = pwrite_4k },
	{ .name = "pread_64k", .run = pread_64k },
	{ .name = "pwrite_64k", .run = pwrite_64k },
	{ .name = "append_4k", .run = append },
	{ .name = "append_4k_fsync", .run = append_fsync },
	{ .name = "fsync_clean", .run = fsync_clean },
	{ }
};
