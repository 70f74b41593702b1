// SPDX-License-Identifier: GPL-2.0
/* Files with bad blocks and with memory failures. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dax_test.h"

#define RW	(PROT_READ | PROT_WRITE)

/* Prints the 512-byte sector of the device behind a byte of the file. */
static void cmd_sector(char **argv)
{
	struct {
		struct fiemap map;
		struct fiemap_extent ext;
	} f = {};
	int fd = open_dax(argv[0], O_RDONLY);
	u64 off = strtoul(argv[1], NULL, 0);

	f.map.fm_start = off;
	f.map.fm_length = 1;
	f.map.fm_flags = FIEMAP_FLAG_SYNC;
	f.map.fm_extent_count = 1;
	must(!ioctl(fd, FS_IOC_FIEMAP, &f.map));
	must_eq(f.map.fm_mapped_extents, 1);
	printf("%llu\n",
	       (f.ext.fe_physical + off - f.ext.fe_logical) / 512);
}

static const char *bus_name(int code)
{
	switch (code) {
	case 0:
		return "no signal";
	case BUS_ADRERR:
		return "BUS_ADRERR";
	case BUS_MCEERR_AR:
		return "BUS_MCEERR_AR";
	case BUS_MCEERR_AO:
		return "BUS_MCEERR_AO";
	}
	return "other si_code";
}

static char *map_kind(int fd, const char *kind, size_t size)
{
	char *p;

	p = strcmp(kind, "pmd") ? map_pte(fd, size, RW) :
				  map_pmd(fd, size, RW);
	must(p != MAP_FAILED);
	return p;
}

/* load FILE OFFSET pte|pmd: a load must end in SIGBUS */
static void cmd_load_bus(char **argv)
{
	int fd = open_dax(argv[0], O_RDWR), code;
	size_t off = strtoul(argv[1], NULL, 0);
	char *p = map_kind(fd, argv[2], 2 * PMD);

	code = try_load(p + off);
	note("load of poison by %s: %s", argv[2], bus_name(code));
	if (code != BUS_ADRERR && code != BUS_MCEERR_AR)
		fail("no SIGBUS from a load of poison");
}

/* What is beside the poison stays readable through the same mapping. */
static void cmd_neighbours(char **argv)
{
	int fd = open_dax(argv[0], O_RDWR);
	size_t off = strtoul(argv[1], NULL, 0);
	char *p = map_kind(fd, argv[2], 2 * PMD);
	u64 seed = strtoul(argv[3], NULL, 0);

	if (!try_load(p + off))
		fail("no SIGBUS from a load of poison");
	verify(p, off, seed, 0);
	verify(p + off + PAGE, 2 * PMD - off - PAGE, seed, off + PAGE);
}

static void cmd_read_eio(char **argv)
{
	int fd = open_dax(argv[0], O_RDONLY);
	char buf[512];

	if (pread(fd, buf, sizeof(buf), strtoul(argv[1], NULL, 0)) > 0)
		fail("read of poison succeeded");
	must_eq(errno, EIO);
}

static void cmd_write_page(char **argv)
{
	int fd = open_dax(argv[0], O_RDWR);
	off_t off = strtoul(argv[1], NULL, 0);
	char *buf = page_alloc(PAGE);

	fill(buf, PAGE, strtoul(argv[2], NULL, 0), off);
	full_pwrite(fd, buf, PAGE, off);
}

static void cmd_zero_page(char **argv)
{
	int fd = open_dax(argv[0], O_RDWR);
	off_t off = strtoul(argv[1], NULL, 0);
	char *buf = page_alloc(PAGE);

	must(!fallocate(fd, FALLOC_FL_ZERO_RANGE, off, PAGE));
	full_pread(fd, buf, PAGE, off);
	verify_zero(buf, PAGE);
}

static void child_hwpoison(const char *file, size_t off, const char *kind)
{
	int fd = open_dax(file, O_RDWR), code;
	char *p = map_kind(fd, kind, 2 * PMD);

	must_eq(try_store(p + off, 1), 0);
	if (madvise(p + off, PAGE, MADV_HWPOISON)) {
		if (errno == EINVAL)
			skip("no MADV_HWPOISON in this kernel");
		/* The signal may be pending already: that is the result. */
		note("MADV_HWPOISON: %m");
	}
	code = try_load(p + off);
	note("after the failure: %s", bus_name(code));
	_exit(code ? 0 : 1);
}

/*
 * The kernel may kill the process from madvise() itself, or at its next
 * access: either is right, going on as if nothing happened is not.
 */
static void cmd_hwpoison(char **argv)
{
	pid_t pid = fork();
	int status;

	must(pid >= 0);
	if (!pid)
		child_hwpoison(argv[0], strtoul(argv[1], NULL, 0), argv[2]);
	must(waitpid(pid, &status, 0) == pid);
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS) {
		note("killed by SIGBUS");
		return;
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == KSFT_SKIP)
		_exit(KSFT_SKIP);
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		fail("poison went unnoticed: wait status %#x", status);
}

/* A process that did not touch the page finds it bad later. */
static void cmd_after(char **argv)
{
	int fd = open(argv[0], O_RDWR), code;
	char *p;

	if (fd < 0) {
		must_eq(errno, EIO);
		note("open: EIO, the file system is shut down");
		return;
	}
	p = map_kind(fd, argv[2], 2 * PMD);
	code = try_load(p + strtoul(argv[1], NULL, 0));
	note("later load: %s", bus_name(code));
	if (!code)
		fail("the bad page can be read");
}

static const struct cmd cmds[] = {
	{ "sector", 2, cmd_sector },
	{ "load-bus", 3, cmd_load_bus },
	{ "neighbours", 4, cmd_neighbours },
	{ "read-eio", 2, cmd_read_eio },
	{ "write-page", 3, cmd_write_page },
	{ "zero-page", 2, cmd_zero_page },
	{ "hwpoison", 3, cmd_hwpoison },
	{ "after", 3, cmd_after },
	{ }
};

int main(int argc, char **argv)
{
	return run_cmd(cmds, argc, argv);
}
