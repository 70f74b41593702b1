// SPDX-License-Identifier: GPL-2.0
/* The block device of a pmem namespace, by O_DIRECT and ioctl. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "dax_test.h"

static int open_bdev(const char *path, int flags)
{
	int fd = open(path, O_RDWR | O_DIRECT | O_CLOEXEC | flags);

	if (fd < 0)
		fail("open %s: %m", path);
	return fd;
}

static void cmd_geometry(char **argv)
{
	int fd = open_bdev(argv[0], 0), lbs;
	unsigned int pbs, opt;

	must(!ioctl(fd, BLKSSZGET, &lbs));
	must(!ioctl(fd, BLKPBSZGET, &pbs));
	must(!ioctl(fd, BLKIOOPT, &opt));
	must_eq(lbs, 512);
	must_eq(pbs, 4096);
	must(opt == 0 || opt == 4096);
}

static void cmd_sectors(char **argv)
{
	int fd = open_bdev(argv[0], 0);
	char *buf = page_alloc(8 * PAGE);
	u64 cap;
	int i;

	fill(buf, 8 * PAGE, 1, 0);
	full_pwrite(fd, buf, 8 * PAGE, 1 << 20);

	/* One sector in each place of a page, the neighbours untouched. */
	for (i = 0; i < 8; i++) {
		off_t off = i * PAGE + i * 512;

		fill(buf, 512, 2, off);
		full_pwrite(fd, buf, 512, (1 << 20) + off);
	}
	memset(buf, 0, 8 * PAGE);
	full_pread(fd, buf, 8 * PAGE, 1 << 20);
	for (i = 0; i < 8; i++) {
		off_t off = i * PAGE + i * 512;

		verify(buf + i * PAGE, i * 512, 1, i * PAGE);
		verify(buf + off, 512, 2, off);
		verify(buf + off + 512, PAGE - (i + 1) * 512, 1, off + 512);
	}
	/* A segment that starts and ends inside pages of memory. */
	full_pread(fd, buf + 512, 2 * PAGE, (1 << 20) + 2 * PAGE + 2 * 512);
	verify(buf + 512, 512, 2, 2 * PAGE + 2 * 512);

	must(pread(fd, buf, 100, 1 << 20) < 0);
	must_eq(errno, EINVAL);
	must(pread(fd, buf, 512, (1 << 20) + 100) < 0);
	must_eq(errno, EINVAL);
	must(pwrite(fd, buf, 1000, 1 << 20) < 0);
	must_eq(errno, EINVAL);

	/* The last sector is there, the one behind it is not. */
	must(!ioctl(fd, BLKGETSIZE64, &cap));
	fill(buf, 512, 3, 0);
	full_pwrite(fd, buf, 512, cap - 512);
	memset(buf, 0, 512);
	full_pread(fd, buf, 512, cap - 512);
	verify(buf, 512, 3, 0);
	must_eq(pread(fd, buf, 512, cap), 0);
	must(pwrite(fd, buf, 512, cap) < 0);
	must_eq(errno, ENOSPC);
}

static void cmd_nowait(char **argv)
{
	int fd = open_bdev(argv[0], 0);
	char *buf = page_alloc(2 * PAGE);
	struct iovec iov = { buf, PAGE };
	ssize_t n;

	fill(buf, PAGE, 4, 0);
	n = pwritev2(fd, &iov, 1, 2 << 20, RWF_NOWAIT);
	if (n != (ssize_t)PAGE)
		fail("pwritev2 RWF_NOWAIT: %zd %m", n);
	memset(buf, 0, PAGE);
	n = preadv2(fd, &iov, 1, 2 << 20, RWF_NOWAIT);
	if (n != (ssize_t)PAGE)
		fail("preadv2 RWF_NOWAIT: %zd %m", n);
	verify(buf, PAGE, 4, 0);
}

/* write DEV OFFSET BYTES SEED dsync|plain */
static void cmd_write(char **argv)
{
	int fd = open_bdev(argv[0], strcmp(argv[4], "dsync") ? 0 : O_DSYNC);
	size_t len = strtoul(argv[2], NULL, 0);
	char *buf = page_alloc(len);

	fill(buf, len, strtoul(argv[3], NULL, 0), 0);
	full_pwrite(fd, buf, len, strtoul(argv[1], NULL, 0));
}

/* read DEV OFFSET BYTES SEED; the seed 0 stands for zeroes */
static void cmd_read(char **argv)
{
	int fd = open_bdev(argv[0], 0);
	size_t len = strtoul(argv[2], NULL, 0);
	u64 seed = strtoul(argv[3], NULL, 0);
	char *buf = page_alloc(len);

	full_pread(fd, buf, len, strtoul(argv[1], NULL, 0));
	if (seed)
		verify(buf, len, seed, 0);
	else
		verify_zero(buf, len);
}

static void cmd_read_eio(char **argv)
{
	int fd = open_bdev(argv[0], 0);
	size_t len = strtoul(argv[2], NULL, 0);
	char *buf = page_alloc(len);

	if (pread(fd, buf, len, strtoul(argv[1], NULL, 0)) >= 0)
		fail("read of poison succeeded");
	must_eq(errno, EIO);
}

static void cmd_discard(char **argv)
{
	u64 range[2] = { 4 << 20, PMD };
	int fd = open_bdev(argv[0], 0);

	if (!ioctl(fd, BLKDISCARD, range))
		fail("BLKDISCARD succeeded on a device without discard");
	must_eq(errno, EOPNOTSUPP);
}

/* zeroout DEV OFFSET BYTES */
static void cmd_zeroout(char **argv)
{
	u64 range[2] = {
		strtoul(argv[1], NULL, 0), strtoul(argv[2], NULL, 0)
	};
	int fd = open_bdev(argv[0], 0);

	must(!ioctl(fd, BLKZEROOUT, range));
}

static void cmd_flush(char **argv)
{
	int fd = open_bdev(argv[0], 0);

	must(!fsync(fd));
}

static const struct cmd cmds[] = {
	{ "geometry", 1, cmd_geometry },
	{ "sectors", 1, cmd_sectors },
	{ "nowait", 1, cmd_nowait },
	{ "write", 5, cmd_write },
	{ "read", 4, cmd_read },
	{ "read-eio", 3, cmd_read_eio },
	{ "discard", 1, cmd_discard },
	{ "zeroout", 3, cmd_zeroout },
	{ "flush", 1, cmd_flush },
	{ }
};

int main(int argc, char **argv)
{
	return run_cmd(cmds, argc, argv);
}
