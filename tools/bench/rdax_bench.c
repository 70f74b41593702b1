// SPDX-License-Identifier: GPL-2.0
/*
 * Instructions per operation, by rdtsc in a guest of QEMU -icount shift=0.
 *
 *	rdax_bench base			the machine; fills the kernel's entropy
 *	rdax_bench DIR [PATTERN...]	cases whose names match, in DIR
 *	rdax_bench poweroff
 *
 * Prints "case NAME n=.. min=.. median=.. mean=.. max=.. [total=..]", all but n
 * in ticks per operation, or "failed NAME: why" for a case that is not what its
 * name says; the exit status tells whether there was one.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <ftw.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <linux/random.h>
#include <linux/stat.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

uint64_t samples[MAX_SAMPLES];
size_t nr_samples;
static uint64_t total_ticks;
static size_t total_n;
static const char *case_name = "setup";

void die(const char *fmt, ...)
{
	int saved = errno;
	va_list ap;

	printf("failed %s: ", case_name);
	va_start(ap, fmt);
	errno = saved;
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	fflush(stdout);
	_exit(1);
}

unsigned long faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_minflt + usage.ru_majflt;
}

void expect_faults(const char *what, unsigned long before, unsigned long want)
{
	unsigned long got = faults() - before;

	if (got != want)
		die("%s: %lu faults instead of %lu", what, got, want);
}

static void expect_dax(int fd)
{
	struct statx sx;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &sx))
		die("statx: %m");
	if (!(sx.stx_attributes & STATX_ATTR_DAX))
		die("the file is not in DAX state");
}

int create_file(const char *name, int flags)
{
	int fd = open(name, O_CREAT | O_EXCL | O_RDWR | flags, 0644);

	if (fd < 0)
		die("%s: %m", name);
	expect_dax(fd);
	return fd;
}

int make_file(const char *name, size_t size, enum content content)
{
	static char data[64 << 10];
	int fd = create_file(name, 0);

	if (fallocate(fd, 0, 0, size))
		die("fallocate: %m");
	memset(data, 0xa5, sizeof(data));
	for (size_t at = 0; content == WRITTEN && at < size; at += sizeof(data))
		if (pwrite(fd, data, sizeof(data), at) != sizeof(data))
			die("pwrite: %m");
	if (fsync(fd))
		die("fsync: %m");
	return fd;
}

char *map_file(int fd, size_t size, bool pmd)
{
	/* One PMD to align in, one to give up alignment in. */
	char *area = mmap(NULL, size + 2 * PMD, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	char *start, *map;

	if (area == MAP_FAILED)
		die("mmap: %m");
	start = (char *)(((uintptr_t)area + PMD - 1) & ~(PMD - 1));
	if (!pmd)
		start += PAGE;
	map = mmap(start, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
	if (map == MAP_FAILED)
		die("mmap: %m");
	return map;
}

void unmap_file(char *map, size_t size)
{
	if (munmap(map, size))
		die("munmap: %m");
}

void sync_all(void)
{
	int fd = open(".", O_RDONLY | O_DIRECTORY);

	if (fd < 0 || syncfs(fd))
		die("syncfs: %m");
	close(fd);
}

void report_total(uint64_t start, size_t n)
{
	total_ticks = ticks() - start;
	total_n = n;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void print_result(void)
{
	uint64_t sum = 0;

	if (!nr_samples)
		die("no samples");
	for (size_t i = 0; i < nr_samples; i++)
		sum += samples[i];
	qsort(samples, nr_samples, sizeof(samples[0]), compare);
	printf("case %s n=%zu min=%lu median=%lu mean=%lu max=%lu", case_name, nr_samples,
	       samples[0], samples[(nr_samples - 1) / 2], sum / nr_samples,
	       samples[nr_samples - 1]);
	if (total_n)
		printf(" total=%lu", total_ticks / total_n);
	printf("\n");
	fflush(stdout);
}

/* A process each: a signal ends one case only, and all start alike. */
static bool run_case(const struct bench_case *c)
{
	int status;
	pid_t pid;

	fflush(stdout);
	case_name = c->name;
	pid = fork();
	if (!pid) {
		memset(samples, 0, sizeof(samples));
		/* No fault of our own may be counted. */
		if (mlockall(MCL_CURRENT))
			die("mlockall: %m");
		c->run();
		print_result();
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		die("fork: %m");
	if (WIFSIGNALED(status)) {
		printf("failed %s: %s\n", c->name, strsignal(WTERMSIG(status)));
		fflush(stdout);
	}
	return WIFEXITED(status) && !WEXITSTATUS(status);
}

/* XFS gives out aligned extents to files that ask for them. */
static void inherit_extent_size(const char *dir)
{
	struct fsxattr attr;
	struct statfs sfs;
	int fd = open(dir, O_RDONLY | O_DIRECTORY);

	if (fd < 0 || fstatfs(fd, &sfs))
		die("%s: %m", dir);
	if (sfs.f_type == XFS_SUPER_MAGIC) {
		if (ioctl(fd, FS_IOC_FSGETXATTR, &attr))
			die("FSGETXATTR: %m");
		attr.fsx_xflags |= FS_XFLAG_EXTSZINHERIT;
		attr.fsx_extsize = PMD;
		if (ioctl(fd, FS_IOC_FSSETXATTR, &attr))
			die("FSSETXATTR: %m");
	}
	close(fd);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

/* What a file system left for later must not be counted for the next case. */
static void settle(void)
{
	const struct timespec tick = { .tv_nsec = 100 * 1000 * 1000 };

	sync_all();
	nanosleep(&tick, NULL);
	sync_all();
}

static bool run_in_directory(const struct bench_case *c)
{
	bool ok;

	case_name = c->name;
	if (mkdir(c->name, 0755))
		die("mkdir: %m");
	if (c->huge)
		inherit_extent_size(c->name);
	if (chdir(c->name))
		die("chdir: %m");
	settle();
	ok = run_case(c);
	if (chdir("..") || nftw(c->name, remove_entry, 16, FTW_DEPTH | FTW_PHYS)) {
		printf("failed %s: clean up: %m\n", c->name);
		ok = false;
	}
	return ok;
}

static bool matches(const char *name, char **patterns)
{
	if (!*patterns)
		return true;
	for (; *patterns; patterns++)
		if (!fnmatch(*patterns, name, 0))
			return true;
	return false;
}

static int run_directory(const char *dir, char **patterns)
{
	const struct bench_case *const all[] = { fault_cases, io_cases, name_cases };
	int bad = 0, ran = 0;

	if (chdir(dir))
		die("%s: %m", dir);
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		for (const struct bench_case *c = all[i]; c->name; c++) {
			if (!matches(c->name, patterns))
				continue;
			ran++;
			bad += !run_in_directory(c);
		}
	}
	case_name = "setup";
	if (!ran)
		die("no case has such a name");
	return bad ? 1 : 0;
}

/*
 * Without RDRAND the kernel's generator stays unseeded for the whole run, and
 * takes thousands of instructions whenever XFS draws a number.
 */
static void credit_entropy(void)
{
	struct {
		struct rand_pool_info info;
		char bytes[64];
	} pool = { .info = { .entropy_count = 512, .buf_size = 64 } };
	int fd = open("/dev/random", O_RDWR);

	memset(pool.bytes, 0x42, sizeof(pool.bytes));
	if (fd < 0 || ioctl(fd, RNDADDENTROPY, &pool))
		die("RNDADDENTROPY: %m");
	close(fd);
}

static int run_base(void)
{
	int bad = 0;

	credit_entropy();
	for (const struct bench_case *c = base_cases; c->name; c++)
		bad += !run_case(c);
	return bad ? 1 : 0;
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "poweroff"))
		return reboot(RB_POWER_OFF) ? 1 : 0;
	if (argc == 2 && !strcmp(argv[1], "base"))
		return run_base();
	if (argc >= 2)
		return run_directory(argv[1], argv + 2);
	fprintf(stderr, "usage: rdax_bench base | DIR [PATTERN...] | poweroff\n");
	return 2;
}
