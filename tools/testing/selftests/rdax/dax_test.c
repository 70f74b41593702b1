// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/stat.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "dax_test.h"

#define TRACEFS	"/sys/kernel/tracing"

static char trace_dir[128];

static void trace_drop(void)
{
	if (trace_dir[0] && rmdir(trace_dir))
		note("cannot remove %s: %m", trace_dir);
	trace_dir[0] = '\0';
}

static void say(const char *what, const char *fmt, va_list ap)
{
	int saved = errno;

	fputs(what, stderr);
	errno = saved;
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
}

void (*on_fail)(void);

void fail(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say("FAIL: ", fmt, ap);
	va_end(ap);
	trace_drop();
	if (on_fail)
		on_fail();
	_exit(1);
}

void answer(const char *what, int code)
{
	if (code)
		printf("%s %d\n", what, code);
	else
		printf("ok\n");
	fflush(stdout);
}

void skip(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say("SKIP: ", fmt, ap);
	va_end(ap);
	_exit(KSFT_SKIP);
}

void note(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say("", fmt, ap);
	va_end(ap);
}

int run_cmd(const struct cmd *cmds, int argc, char **argv)
{
	const struct cmd *c;

	for (c = cmds; argc > 1 && c->name; c++) {
		if (strcmp(c->name, argv[1]))
			continue;
		if (argc - 2 != c->nargs)
			fail("%s takes %d arguments", c->name, c->nargs);
		c->fn(argv + 2);
		return 0;
	}
	fprintf(stderr, "usage: %s TEST ARGS..., with TEST one of\n", argv[0]);
	for (c = cmds; c->name; c++)
		fprintf(stderr, "  %s\n", c->name);
	return 1;
}

int time_factor(void)
{
	const char *text = getenv("RDAX_TIMEOUT");
	int factor = text ? atoi(text) : 1;

	return factor > 1 ? factor : 1;
}

bool is_dax(int fd)
{
	struct statx stx;

	must(!syscall(SYS_statx, fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS,
		      &stx));
	if (!(stx.stx_attributes_mask & STATX_ATTR_DAX))
		return false;
	return stx.stx_attributes & STATX_ATTR_DAX;
}

int open_dax(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);

	if (fd < 0)
		fail("open %s: %m", path);
	if (!is_dax(fd))
		fail("%s is not a DAX file", path);
	return fd;
}

static int new_file(const char *path)
{
	struct fsxattr fsx;
	int fd;

	unlink(path);
	fd = open_dax(path, O_RDWR | O_CREAT | O_EXCL);

	/* XFS only: allocate in whole 2 MiB. ext4 aligns large files itself. */
	if (!ioctl(fd, FS_IOC_FSGETXATTR, &fsx)) {
		fsx.fsx_xflags |= FS_XFLAG_EXTSIZE;
		fsx.fsx_extsize = PMD;
		ioctl(fd, FS_IOC_FSSETXATTR, &fsx);
	}
	return fd;
}

int create_file(const char *path, size_t size)
{
	int fd = new_file(path);

	must(!fallocate(fd, 0, 0, size));
	return fd;
}

int sparse_file(const char *path, size_t size)
{
	int fd = new_file(path);

	must(!ftruncate(fd, size));
	return fd;
}

/* Fails unless each 2 MiB of the file are 2 MiB of the device. */
void require_pmd_blocks(int fd, size_t size)
{
	const unsigned int max = 64;
	struct fiemap *map;
	size_t good = 0;
	unsigned int i;

	map = calloc(1, sizeof(*map) + max * sizeof(map->fm_extents[0]));
	must(map);
	map->fm_length = size;
	map->fm_flags = FIEMAP_FLAG_SYNC;
	map->fm_extent_count = max;
	must(!ioctl(fd, FS_IOC_FIEMAP, map));
	for (i = 0; i < map->fm_mapped_extents; i++) {
		struct fiemap_extent *e = &map->fm_extents[i];
		u64 start, end = e->fe_logical + e->fe_length;

		if ((e->fe_logical ^ e->fe_physical) & (PMD - 1))
			continue;
		start = (e->fe_logical + PMD - 1) & ~(PMD - 1);
		end &= ~(PMD - 1);
		if (end > start)
			good += end - start;
	}
	if (good < (size & ~(PMD - 1))) {
		for (i = 0; i < map->fm_mapped_extents; i++)
			note("extent %llx at %llx length %llx",
			     map->fm_extents[i].fe_logical,
			     map->fm_extents[i].fe_physical,
			     map->fm_extents[i].fe_length);
		fail("only %zu of %zu bytes lie in aligned 2 MiB blocks", good,
		     size);
	}
	free(map);
}

u64 prng(u64 *state)
{
	u64 x = *state;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	*state = x;
	return x * 0x2545f4914f6cdd1dULL;
}

static u64 word_at(u64 seed, off_t off)
{
	u64 x = seed * 0x9e3779b97f4a7c15ULL + off / 8 + 1;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	return x ^ (x >> 27);
}

static unsigned char byte_at(u64 seed, off_t off)
{
	return word_at(seed, off) >> (off % 8 * 8);
}

void fill(void *p, size_t len, u64 seed, off_t off)
{
	unsigned char *c = p;

	while (len && (off % 8 || len < 8)) {
		*c++ = byte_at(seed, off++);
		len--;
	}
	for (; len >= 8; len -= 8, off += 8, c += 8) {
		u64 w = word_at(seed, off);

		memcpy(c, &w, 8);
	}
	while (len--)
		*c++ = byte_at(seed, off++);
}

void verify(const void *p, size_t len, u64 seed, off_t off)
{
	const unsigned char *c = p;

	while (len) {
		u64 w = word_at(seed, off);

		if (off % 8 == 0 && len >= 8 && !memcmp(c, &w, 8)) {
			c += 8;
			off += 8;
			len -= 8;
			continue;
		}
		if (*c != byte_at(seed, off))
			fail("byte %#llx is %#x, want %#x (pattern %llu)",
			     (long long)off, *c, byte_at(seed, off),
			     (unsigned long long)seed);
		c++;
		off++;
		len--;
	}
}

void verify_zero(const void *p, size_t len)
{
	const unsigned char *c = p;
	size_t i;

	for (i = 0; i < len; i++)
		if (c[i])
			fail("byte %#zx is %#x, want 0", i, c[i]);
}

void full_pread(int fd, void *buf, size_t len, off_t off)
{
	while (len) {
		ssize_t n = pread(fd, buf, len, off);

		if (n < 0)
			fail("pread %#zx at %#llx: %m", len, (long long)off);
		if (!n)
			fail("pread: end of file at %#llx", (long long)off);
		buf = (char *)buf + n;
		off += n;
		len -= n;
	}
}

void full_pwrite(int fd, const void *buf, size_t len, off_t off)
{
	while (len) {
		ssize_t n = pwrite(fd, buf, len, off);

		if (n <= 0)
			fail("pwrite %#zx at %#llx: %m", len, (long long)off);
		buf = (const char *)buf + n;
		off += n;
		len -= n;
	}
}

void *page_alloc(size_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	must(p != MAP_FAILED);
	return p;
}

void write_pattern(int fd, size_t size, u64 seed)
{
	size_t chunk = size < (1UL << 20) ? size : 1UL << 20;
	void *buf = page_alloc(chunk);
	size_t off;

	for (off = 0; off < size; off += chunk) {
		if (chunk > size - off)
			chunk = size - off;
		fill(buf, chunk, seed, off);
		full_pwrite(fd, buf, chunk, off);
	}
	must(!munmap(buf, chunk));
}

void verify_file(int fd, size_t len, u64 seed)
{
	size_t chunk = len < (1UL << 20) ? len : 1UL << 20;
	void *buf = page_alloc(chunk);
	size_t off;

	for (off = 0; off < len; off += chunk) {
		if (chunk > len - off)
			chunk = len - off;
		full_pread(fd, buf, chunk, off);
		verify(buf, chunk, seed, off);
	}
	must(!munmap(buf, chunk));
}

void *map_at(int fd, size_t len, int prot, int flags, off_t off, size_t skew)
{
	size_t room = len + skew + 2 * PMD;
	uintptr_t base;
	char *area, *p;

	area = mmap(NULL, room, PROT_NONE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	must(area != MAP_FAILED);
	base = ((uintptr_t)area + PMD - 1) & ~(PMD - 1);
	p = mmap((void *)(base + skew), len, prot, flags | MAP_FIXED, fd, off);
	if (p == MAP_FAILED) {
		int err = errno;

		munmap(area, room);
		errno = err;
	}
	return p;
}

unsigned long fault_count(void)
{
	struct rusage ru;

	must(!getrusage(RUSAGE_SELF, &ru));
	return ru.ru_minflt + ru.ru_majflt;
}

static void trace_put(const char *name, const char *val)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", trace_dir, name);
	fd = open(path, O_WRONLY);
	if (fd < 0)
		fail("open %s: %m", path);
	must(write(fd, val, strlen(val)) == (ssize_t)strlen(val));
	close(fd);
}

/* False where the kernel has no such tracepoint: the caller then skips. */
bool trace_start(void)
{
	if (access(TRACEFS "/events/fs_dax/dax_pmd_fault_done", F_OK))
		return false;
	snprintf(trace_dir, sizeof(trace_dir), TRACEFS "/instances/rdax.%d",
		 getpid());
	if (mkdir(trace_dir, 0700)) {
		trace_dir[0] = '\0';
		return false;
	}
	/*
	 * No set_event_pid: that also patches the scheduler's tracepoints, and
	 * QEMU without KVM now and then runs into such a breakpoint too late.
	 */
	trace_put("events/fs_dax/dax_pmd_fault_done/enable", "1");
	trace_put("tracing_on", "1");
	return true;
}

struct pmd_events trace_stop(int fd)
{
	struct pmd_events ev = {};
	char path[256], line[1024], file[64];
	struct stat st;
	FILE *f;

	must(!fstat(fd, &st));
	snprintf(file, sizeof(file), " dev %u:%u ino %#llx ", major(st.st_dev),
		 minor(st.st_dev), (long long)st.st_ino);
	trace_put("tracing_on", "0");
	snprintf(path, sizeof(path), "%s/trace", trace_dir);
	f = fopen(path, "r");
	must(f);
	while (fgets(line, sizeof(line), f)) {
		if (!strstr(line, "dax_pmd_fault_done:") || !strstr(line, file))
			continue;
		if (strstr(line, " NOPAGE"))
			ev.nopage++;
		else if (strstr(line, "FALLBACK"))
			ev.fallback++;
		else
			ev.other++;
	}
	fclose(f);
	trace_put("events/fs_dax/dax_pmd_fault_done/enable", "0");
	trace_drop();
	return ev;
}

static __thread sigjmp_buf bus_env;
static __thread volatile int bus_code;
static __thread volatile bool bus_armed;

static void on_sigbus(int sig, siginfo_t *si, void *ctx)
{
	if (!bus_armed) {
		if (si->si_code != BUS_MCEERR_AO)
			signal(SIGBUS, SIG_DFL);
		return;
	}
	bus_code = si->si_code;
	siglongjmp(bus_env, 1);
}

void catch_sigbus(void)
{
	struct sigaction sa = {
		.sa_sigaction = on_sigbus,
		.sa_flags = SA_SIGINFO,
	};

	must(!sigaction(SIGBUS, &sa, NULL));
}

int try_load(const volatile void *p)
{
	catch_sigbus();
	bus_code = 0;
	bus_armed = true;
	if (!sigsetjmp(bus_env, 1))
		(void)*(const volatile unsigned char *)p;
	bus_armed = false;
	return bus_code;
}

int try_store(volatile void *p, unsigned char val)
{
	catch_sigbus();
	bus_code = 0;
	bus_armed = true;
	if (!sigsetjmp(bus_env, 1))
		*(volatile unsigned char *)p = val;
	bus_armed = false;
	return bus_code;
}

int try_copy(void *dst, const void *src, size_t len)
{
	catch_sigbus();
	bus_code = 0;
	bus_armed = true;
	if (!sigsetjmp(bus_env, 1))
		memcpy(dst, src, len);
	bus_armed = false;
	return bus_code;
}

/* As whole words, one after the other. */
size_t try_words(volatile void *dst, const volatile void *src, size_t n)
{
	const volatile u64 *from = src;
	volatile u64 *to = dst;
	volatile size_t i = 0;

	bus_code = 0;
	bus_armed = true;
	if (!sigsetjmp(bus_env, 1))
		for (; i < n; i++)
			to[i] = from[i];
	bus_armed = false;
	return i;
}
