// SPDX-License-Identifier: GPL-2.0
/*
 * userfaultfd write-protect markers where a DAX file is mapped: asynchronous
 * mode, which every user may register any mapping for.
 */
#include <pthread.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <linux/falloc.h>
#include <linux/userfaultfd.h>

#include "fs_test.h"

#ifndef UFFD_FEATURE_WP_UNPOPULATED
#define UFFD_FEATURE_WP_UNPOPULATED	(1 << 13)
#endif
#ifndef UFFD_FEATURE_WP_ASYNC
#define UFFD_FEATURE_WP_ASYNC		(1 << 15)
#endif
#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY		1
#endif

/* Of linux/fs.h, from 6.7 on. */
struct scan_region {
	u64 start, end, categories;
};

struct scan_arg {
	u64 size, flags, start, end, walk_end, vec, vec_len, max_pages;
	u64 inverted, mask, anyof_mask, return_mask;
};

#define SCAN		_IOWR('f', 16, struct scan_arg)
#define IS_WRITTEN	(1 << 1)

#define RW		(PROT_READ | PROT_WRITE)
#define NOBODY		65534
#define PAGES		64UL
#define SIZE		(PAGES * PAGE)

static int uffd = -1;

/* Everything from here on is done by a user without privileges. */
static void drop_privileges(void)
{
	must(!setresgid(NOBODY, NOBODY, NOBODY));
	must(!setresuid(NOBODY, NOBODY, NOBODY));
	/* Or /proc/self is root's. */
	must(!prctl(PR_SET_DUMPABLE, 1));
}

static void open_uffd(void)
{
	struct uffdio_api api = {
		.api = UFFD_API,
		.features = UFFD_FEATURE_WP_ASYNC | UFFD_FEATURE_WP_UNPOPULATED,
	};

	uffd = syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
	if (uffd < 0)
		fail("userfaultfd: %m");
	if (ioctl(uffd, UFFDIO_API, &api))
		skip("no asynchronous write-protection: %m");
}

static void protect(void *p, size_t len)
{
	struct uffdio_writeprotect wp = {
		.range = { (uintptr_t)p, len },
		.mode = UFFDIO_WRITEPROTECT_MODE_WP,
	};

	must(!ioctl(uffd, UFFDIO_WRITEPROTECT, &wp));
}

static void arm(void *p, size_t len)
{
	struct uffdio_register reg = {
		.range = { (uintptr_t)p, len },
		.mode = UFFDIO_REGISTER_MODE_WP,
	};

	must(!ioctl(uffd, UFFDIO_REGISTER, &reg));
	protect(p, len);
}

static void disarm(void *p, size_t len)
{
	struct uffdio_range range = { (uintptr_t)p, len };

	must(!ioctl(uffd, UFFDIO_UNREGISTER, &range));
}

/* Whether a page was written to since it was protected. */
static bool written(void *p)
{
	struct scan_region region;
	struct scan_arg arg = {
		.size = sizeof(arg),
		.start = (uintptr_t)p,
		.end = (uintptr_t)p + PAGE,
		.vec = (uintptr_t)&region,
		.vec_len = 1,
		.mask = IS_WRITTEN,
		.return_mask = IS_WRITTEN,
	};
	int fd = open("/proc/self/pagemap", O_RDONLY), found;

	must(fd >= 0);
	found = ioctl(fd, SCAN, &arg);
	must(found >= 0);
	must(!close(fd));
	return found > 0;
}

static char *map_armed(int fd, size_t len, int flags)
{
	char *p = map_at(fd, len, RW, flags, 0, 0);

	must(p != MAP_FAILED);
	arm(p, len);
	return p;
}

static int begin(char **argv)
{
	int fd;

	enter(argv[0]);
	fd = new_at("f", 0666);
	drop_privileges();
	open_uffd();
	return fd;
}

static int begin_written(char **argv, size_t size)
{
	int fd = begin(argv);

	write_pattern(fd, size, 1);
	return fd;
}

/* Data is seen, and a page that is only read is not reported as written. */
static void cmd_read(char **argv)
{
	int fd = begin_written(argv, SIZE);
	char *p = map_armed(fd, SIZE, MAP_SHARED);
	char *private = map_armed(fd, SIZE, MAP_PRIVATE);

	verify(p, SIZE, 1, 0);
	verify(private, SIZE, 1, 0);
	must(!written(p) && !written(p + SIZE - PAGE) && !written(private));
}

/* First touch by writing, and a write after a read; both reach the file. */
static void cmd_write(char **argv)
{
	int fd = begin_written(argv, SIZE);
	char *p = map_armed(fd, SIZE, MAP_SHARED);
	unsigned int i;

	for (i = 0; i < PAGES; i += 4)
		verify(p + i * PAGE, PAGE, 1, i * PAGE);
	for (i = 0; i < PAGES; i += 2)
		fill(p + i * PAGE, PAGE, 2, i * PAGE);
	for (i = 0; i < PAGES; i++) {
		must_eq(written(p + i * PAGE), !(i & 1));
		verify(p + i * PAGE, PAGE, 2 - (i & 1), i * PAGE);
	}
	must(!msync(p, SIZE, MS_SYNC));
	protect(p, SIZE);
	must(!written(p));
	fill(p, SIZE, 3, 0);
	must(written(p) && written(p + PAGE));
	must(!munmap(p, SIZE) && !fsync(fd));
	verify_file(fd, SIZE, 3);
}

static void cmd_private(char **argv)
{
	int fd = begin_written(argv, SIZE);
	char *p = map_armed(fd, SIZE, MAP_PRIVATE);

	verify(p, SIZE / 2, 1, 0);
	fill(p, SIZE, 2, 0);
	must(written(p) && written(p + SIZE - PAGE));
	verify(p, SIZE, 2, 0);
	verify_file(fd, SIZE, 1);
}

/* Holes are pages of zeroes, until somebody writes. */
static void cmd_hole(char **argv)
{
	int fd = begin(argv);
	struct stat st;
	char *p, *q;

	must(!ftruncate(fd, SIZE));
	p = map_armed(fd, SIZE, MAP_SHARED);
	q = map_pte(fd, SIZE, RW);
	must(q != MAP_FAILED);
	verify_zero(p, SIZE);
	must(!written(p));
	must(!fstat(fd, &st));
	must_eq(st.st_blocks, 0);
	/* By the other mapping, by write() and by this one. */
	fill(q, PAGE, 1, 0);
	verify(p, PAGE, 1, 0);
	must(!written(p));
	full_pwrite(fd, q, PAGE, PAGE);
	verify(p + PAGE, PAGE, 1, 0);
	fill(p + 2 * PAGE, PAGE, 2, 2 * PAGE);
	verify(q + 2 * PAGE, PAGE, 2, 2 * PAGE);
	must(written(p + 2 * PAGE));
	/* One that was never read. */
	must(!ftruncate(fd, 2 * SIZE));
	p = map_armed(fd, 2 * SIZE, MAP_SHARED);
	fill(p + SIZE, PAGE, 3, SIZE);
	verify_zero(p + SIZE + PAGE, SIZE - PAGE);
	must_eq(try_load(p + SIZE), 0);
	must(!ftruncate(fd, SIZE));
	must_eq(try_load(p + SIZE), 2);
	must_eq(try_store(p + SIZE, 1), 2);
}

/* Huge pages before, beside and after. */
static void cmd_pmd(char **argv)
{
	int fd = begin_written(argv, 4 * PMD);
	char *p = map_pmd(fd, 4 * PMD, RW), *q;

	must(p != MAP_FAILED);
	fill(p, PMD, 2, 0);
	arm(p, 4 * PMD);
	verify(p, PMD, 2, 0);
	verify(p + PMD, PMD, 1, PMD);
	must(!written(p) && !written(p + PMD));
	fill(p + PAGE, PAGE, 3, PAGE);
	fill(p + PMD, PAGE, 3, PMD);
	fill(p + 2 * PMD, PAGE, 3, 2 * PMD);
	must(written(p + PAGE) && written(p + PMD) && written(p + 2 * PMD));
	must(!written(p) && !written(p + 2 * PMD + PAGE));
	q = map_pmd(fd, 4 * PMD, RW);
	must(q != MAP_FAILED);
	verify(q + PMD, PAGE, 3, PMD);
	verify(q + PMD + PAGE, PMD - PAGE, 1, PMD + PAGE);
	fill(q + 3 * PMD, PMD, 4, 3 * PMD);
	verify(p + 3 * PMD, PMD, 4, 3 * PMD);
	must(!written(p + 3 * PMD));
}

/* Without the registration the markers are nothing, and pages are huge again. */
static void cmd_unregister(char **argv)
{
	int fd = begin_written(argv, SIZE);
	char *p = map_armed(fd, SIZE, MAP_SHARED);

	verify(p, PAGE, 1, 0);
	fill(p + PAGE, PAGE, 2, PAGE);
	disarm(p, SIZE);
	fill(p, SIZE, 3, 0);
	verify_file(fd, SIZE, 3);
	arm(p, SIZE);
	must(!close(uffd));
	fill(p, SIZE, 4, 0);
	verify_file(fd, SIZE, 4);
}

static void cmd_fork(char **argv)
{
	int fd = begin_written(argv, SIZE), status;
	char *p = map_armed(fd, SIZE, MAP_SHARED);
	pid_t pid;

	verify(p, PAGE, 1, 0);
	pid = fork();
	must(pid >= 0);
	if (!pid) {
		verify(p, SIZE, 1, 0);
		fill(p, SIZE / 2, 2, 0);
		_exit(0);
	}
	must(waitpid(pid, &status, 0) == pid);
	must_eq(status, 0);
	verify(p, SIZE / 2, 2, 0);
	verify(p + SIZE / 2, SIZE / 2, 1, SIZE / 2);
	must(!written(p));
	fill(p, SIZE, 3, 0);
	verify_file(fd, SIZE, 3);
}

static void cmd_sync(char **argv)
{
	int fd = begin_written(argv, SIZE);
	char *p = mmap(NULL, SIZE, RW, MAP_SHARED_VALIDATE | MAP_SYNC, fd, 0);

	if (p == MAP_FAILED)
		skip("MAP_SYNC: %m");
	must(!fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
			SIZE / 2));
	arm(p, SIZE);
	verify_zero(p, PAGE);
	fill(p, SIZE, 2, 0);
	must(written(p) && written(p + SIZE - PAGE));
	verify_file(fd, SIZE, 2);
}

/*
 * Races. Each page holds its number; a page that was taken away reads as zero.
 * Anything else is a page of something else.
 */
#define ROUNDS	100

static char *area;
static int stop, shared_fd;
static unsigned long faults;

static void *touch_pages(void *arg)
{
	u64 state = (uintptr_t)arg;
	volatile u64 *word;
	size_t page;
	u64 value;

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		page = prng(&state) % PAGES;
		word = (void *)(area + page * PAGE);
		if (prng(&state) & 1) {
			value = 0;
			if (try_copy(&value, (void *)word, sizeof(value)))
				continue;
			if (value && value != page + 1)
				fail("page %zu holds %llu", page, value);
		} else {
			value = page + 1;
			try_copy((void *)word, &value, sizeof(value));
		}
		__atomic_fetch_add(&faults, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

static void *protect_pages(void *arg)
{
	u64 state = (uintptr_t)arg;
	size_t page;

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		page = prng(&state) % PAGES;
		protect(area + page * PAGE, PAGE);
		if (!(prng(&state) % 8))
			must(!madvise(area, SIZE, MADV_DONTNEED));
	}
	return NULL;
}

/* Blocks that leave the file are another's at once, who looks at them. */
static void reuse(int fd, char *other, size_t from, size_t len)
{
	full_pwrite(fd, other, len, from);
	must(!ftruncate(fd, 0));
}

static void take_away(int round, int other_fd, char *buffer)
{
	size_t from = round % PAGES * PAGE;

	switch (round % 4) {
	case 0:
		must(!ftruncate(shared_fd, from));
		reuse(other_fd, buffer, 0, SIZE);
		must(!ftruncate(shared_fd, SIZE));
		break;
	case 1:
		must(!fallocate(shared_fd, FALLOC_FL_PUNCH_HOLE |
				FALLOC_FL_KEEP_SIZE, from, SIZE - from));
		reuse(other_fd, buffer, 0, SIZE);
		break;
	case 2:
		must(!fallocate(shared_fd, FALLOC_FL_ZERO_RANGE |
				FALLOC_FL_KEEP_SIZE, from, SIZE - from));
		break;
	default:
		must(!fsync(shared_fd));
	}
}

/* For tasks that race: @size bytes of a file at @area, and another file; returns that one. */
static int begin_race(char **argv, size_t size)
{
	int other;

	enter(argv[0]);
	shared_fd = new_at("f", 0600);
	other = new_at("other", 0600);
	drop_privileges();
	open_uffd();
	must(!ftruncate(shared_fd, size));
	area = map_armed(shared_fd, size, MAP_SHARED);
	return other;
}

static int race_rounds(void)
{
	char *rounds = getenv("RDAX_ROUNDS");

	return rounds ? atoi(rounds) : ROUNDS;
}

/* Bytes for the other file that no store to the first one has. */
static char *race_buffer(size_t size)
{
	return memset(page_alloc(size), 0xee, size);
}

static void cmd_race(char **argv)
{
	char *buffer = race_buffer(SIZE);
	int n = race_rounds(), other, i;
	pthread_t thread[3];

	catch_sigbus();
	other = begin_race(argv, SIZE);
	for (i = 0; i < 2; i++)
		must(!pthread_create(&thread[i], NULL, touch_pages,
				     (void *)(uintptr_t)(i + 1)));
	must(!pthread_create(&thread[2], NULL, protect_pages, (void *)7));
	for (i = 0; i < n; i++)
		take_away(i, other, buffer);
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	for (i = 0; i < 3; i++)
		must(!pthread_join(thread[i], NULL));
	note("%lu accesses in %d rounds", faults, n);
}

/* What was stored and then synchronised is written back, whoever protects. */
static void cmd_dirty(char **argv)
{
	int fd = begin(argv), round;
	char *p;

	must(!ftruncate(fd, SIZE));
	p = map_armed(fd, SIZE, MAP_SHARED);
	for (round = 1; round < 5; round++) {
		fill(p, SIZE, round, 0);
		must(!fsync(fd));
		protect(p, SIZE / 2);
		verify(p, SIZE, round, 0);
	}
	must(!fsync(fd));
}

static long count_faults(void)
{
	return __atomic_load_n(&faults, __ATOMIC_RELAXED);
}

/* Rounds of the other task, which each take the page away. */
static int turn;

static void *touch_lent(void *arg)
{
	volatile u64 *word = (void *)area;
	int was;

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		/* A marker, and no page: what is mapped is lent. */
		must(!madvise(area, PAGE, MADV_DONTNEED));
		protect(area, PAGE);
		was = __atomic_load_n(&turn, __ATOMIC_RELAXED);
		do {
			u64 value = *word;

			if (value > 1)
				fail("the page holds %llx", value);
		} while (__atomic_load_n(&turn, __ATOMIC_RELAXED) - was < 2 &&
			 !__atomic_load_n(&stop, __ATOMIC_RELAXED));
		__atomic_fetch_add(&faults, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

/*
 * A page that a fault has returned locked is not mapped yet: one that is taken
 * away then must not be mapped afterwards.
 */
static void cmd_lent(char **argv)
{
	int n = race_rounds(), other = begin_race(argv, PAGE), i;
	char *buffer = race_buffer(PAGE);
	u64 one = 1;
	pthread_t thread;

	must(!pthread_create(&thread, NULL, touch_lent, NULL));
	/* On a busy machine, too, some of both. */
	for (i = 0; i < n || count_faults() < n; i++) {
		must_eq(pwrite(shared_fd, &one, sizeof(one), 0), sizeof(one));
		must(!fallocate(shared_fd, FALLOC_FL_PUNCH_HOLE |
				FALLOC_FL_KEEP_SIZE, 0, PAGE));
		/* Its block would not be reused while it is mapped. */
		must_eq(*(volatile u64 *)area, 0);
		reuse(other, buffer, 0, PAGE);
		__atomic_fetch_add(&turn, 1, __ATOMIC_RELAXED);
	}
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	must(!pthread_join(thread, NULL));
	note("%lu faults in %d rounds", faults, n);
}

static const struct cmd cmds[] = {
	{ "read", 1, cmd_read },
	{ "write", 1, cmd_write },
	{ "private", 1, cmd_private },
	{ "hole", 1, cmd_hole },
	{ "pmd", 1, cmd_pmd },
	{ "unregister", 1, cmd_unregister },
	{ "fork", 1, cmd_fork },
	{ "sync", 1, cmd_sync },
	{ "dirty", 1, cmd_dirty },
	{ "race", 1, cmd_race },
	{ "lent", 1, cmd_lent },
	{}
};

int main(int argc, char **argv)
{
	return run_cmd(cmds, argc, argv);
}
