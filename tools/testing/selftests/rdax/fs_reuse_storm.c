// SPDX-License-Identifier: GPL-2.0
/*
 * Processes hold pages of one file, and write to them, in every way there is and
 * all the time, while blocks are taken from it and other files get them. Each
 * byte that they write, but two of a word, is MARK: they may see that or zeroes,
 * and no other file may show it.
 *
 *   fs_reuse_storm SECONDS SEED DISK MNT DEV
 */
#include <sys/prctl.h>
#include <sys/uio.h>

#include "fs_reuse_volume.h"

#define MARK		0xa0
/* Words are torn where several write, so the bytes count. */
#define STORM		0xa0a0a0a0a0a00000ULL
#define STORM_PAGES	640
#define CHUNK		8

struct task {
	char *map, *buf;
	int fd, number;
	unsigned long done, refused;
};

static char path[128];
static bool *over;

static void check_storm(const void *p, size_t len, const char *who)
{
	const unsigned char *c = p;
	const u64 *word = p;
	size_t i;

	for (i = 0; i < len; i++)
		if (i % 8 >= 2 && c[i] && c[i] != MARK) {
			show_owner(word[i / 8]);
			fail("%s sees %#llx: not of this file", who, word[i / 8]);
		}
}

static void storm_pages(char *buf, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		fill_page(buf + i * PAGE, STORM + i * PAGE);
}

/* What comes of holding pages that may be gone, or on a full volume. */
static bool went(struct task *t, bool good)
{
	if (good) {
		t->done++;
		return true;
	}
	if (errno != EFAULT && errno != ENXIO && errno != EBUSY &&
	    errno != ENOSPC && errno != ENOMEM)
		fail("task %d: %m", t->number);
	t->refused++;
	return false;
}

static void storm_store(struct task *t, size_t page, size_t n)
{
	storm_pages(t->buf, n);
	errno = EFAULT;
	went(t, !try_copy(t->map + page * PAGE, t->buf, n * PAGE));
	if (!try_copy(t->buf, t->map + page * PAGE, n * PAGE))
		check_storm(t->buf, n * PAGE, "a mapping");
}

static void storm_vm(struct task *t, size_t page, size_t n)
{
	struct iovec local = { t->buf, n * PAGE };
	struct iovec remote = { t->map + page * PAGE, n * PAGE };
	ssize_t got;

	storm_pages(t->buf, n);
	went(t, process_vm_writev(getpid(), &local, 1, &remote, 1, 0) >= 0);
	got = process_vm_readv(getpid(), &local, 1, &remote, 1, 0);
	if (got > 0)
		check_storm(t->buf, got, "process_vm_readv");
}

static void storm_pipe(struct task *t, size_t page, size_t n)
{
	struct iovec iov = { t->map + page * PAGE, n * PAGE };
	ssize_t got;
	int fds[2];

	must(!pipe(fds));
	got = vmsplice(fds[1], &iov, 1, SPLICE_F_NONBLOCK);
	if (went(t, got > 0)) {
		pause_ms(below(4));
		must_eq(read(fds[0], t->buf, got), got);
		check_storm(t->buf, got, "a pipe");
	}
	must(!close(fds[0]) && !close(fds[1]));
}

static void storm_pin(struct task *t, size_t page, size_t n)
{
	u64 flags = RDAX_PIN_WRITE | (below(2) ? RDAX_PIN_NOWAIT : 0);
	u64 pinned, off, word;
	int pin;

	if (below(2))
		pin = request(flags | RDAX_PIN_FILE, t->fd, page * PAGE,
			      n * PAGE, &pinned);
	else
		pin = request(flags | (below(2) ? RDAX_PIN_NOTIFY : 0), 0,
			      (uintptr_t)t->map + page * PAGE, n * PAGE, &pinned);
	if (!went(t, pin >= 0))
		return;
	pause_ms(below(6));
	for (off = 0; off < pinned; off += PAGE / 2) {
		word = dma_sum(pin, off, sizeof(word));
		check_storm(&word, sizeof(word), "a pin");
	}
	dma_fill(pin, 0, pinned, STORM);
	must(!close(pin));
}

static void storm_disk(struct task *t, size_t page, size_t n)
{
	off_t at = t->number * CHUNK * PAGE;
	char *addr = t->map + page * PAGE;
	ssize_t done;

	if (below(2)) {
		went(t, pread(slow_disk.fd, addr, n * PAGE, at) > 0);
		return;
	}
	done = pwrite(slow_disk.fd, addr, n * PAGE, at);
	if (!went(t, done > 0))
		return;
	full_pread(slow_disk.fd, t->buf, n * PAGE, at);
	check_storm(t->buf, n * PAGE, "the disk");
}

static void (*const storms[])(struct task *t, size_t page, size_t n) = {
	storm_store, storm_vm, storm_pipe, storm_pin, storm_disk,
};

static void run_task(int number, u64 seed)
{
	struct task t = { .buf = page_alloc(CHUNK * PAGE), .number = number };
	unsigned long i;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	rnd = seed + number;
	storm_pages(t.buf, CHUNK);
	full_pwrite(slow_disk.fd, t.buf, CHUNK * PAGE, number * CHUNK * PAGE);
	while (!__atomic_load_n(over, __ATOMIC_RELAXED)) {
		t.fd = open(path, O_RDWR | O_CLOEXEC);
		if (t.fd < 0) {
			must(errno == ENOENT);
			continue;
		}
		t.map = below(2) ? map_pmd(t.fd, STORM_PAGES * PAGE, RW) :
				   map_pte(t.fd, STORM_PAGES * PAGE, RW);
		must(t.map != MAP_FAILED);
		for (i = 0; i < 20; i++)
			storms[number](&t, below(STORM_PAGES - CHUNK),
				       1 + below(CHUNK));
		must(!munmap(t.map, STORM_PAGES * PAGE) && !close(t.fd));
	}
	note("task %d: %lu times, %lu times refused", number, t.done, t.refused);
	exit(0);
}

static int open_storm(int flags)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | flags, 0600);

	if (fd < 0)
		must(errno == ENOSPC);
	else if (ftruncate(fd, STORM_PAGES * PAGE))
		must(errno == ENOSPC);
	return fd;
}

static void take_something(void)
{
	static const int modes[] = {
		FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
		FALLOC_FL_COLLAPSE_RANGE, FALLOC_FL_INSERT_RANGE,
	};
	size_t first = below(STORM_PAGES - 1), n = 1 + below(STORM_PAGES / 2);
	char other[sizeof(path) + 8];
	int fd = open_storm(0), what = below(8);

	if (fd < 0)
		return;
	if (first + n > STORM_PAGES - 1)
		n = STORM_PAGES - 1 - first;
	record("take", NULL, first, what);
	if (what < (int)ARRAY_SIZE(modes)) {
		if (n && fallocate(fd, modes[what], first * PAGE, n * PAGE))
			must(errno == ENOSPC || errno == EINVAL);
		if (ftruncate(fd, STORM_PAGES * PAGE))
			must(errno == ENOSPC);
	} else if (what == 4) {
		must(!ftruncate(fd, first * PAGE) || errno == ENOSPC);
	} else if (what == 5) {
		must(!unlink(path));
	} else if (what == 6) {
		snprintf(other, sizeof(other), "%s-new", path);
		must(!close(fd));
		fd = open(other, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		if (fd < 0) {
			must(errno == ENOSPC);
			return;
		}
		must(!ftruncate(fd, STORM_PAGES * PAGE) || errno == ENOSPC);
		must(!rename(other, path));
	} else {
		must(!close(fd));
		fd = open_storm(O_TRUNC);
	}
	if (fd >= 0)
		must(!close(fd));
}

static void check_storm_file(void)
{
	static char *buf;
	int fd = open_storm(0);
	ssize_t n;

	if (fd < 0)
		return;
	if (!buf)
		buf = page_alloc(STORM_PAGES * PAGE);
	n = pread(fd, buf, STORM_PAGES * PAGE, 0);
	must(n >= 0);
	check_storm(buf, n, "the file");
	must(!close(fd));
}

static void one_step(struct volume *v, unsigned int i)
{
	static const char *const options[] = {
		"drain=bounded,drain_ms=0", "drain=bounded,drain_ms=2",
		"drain=bounded,drain_ms=1000", "drain=strict",
	};

	if (i % 32 == 0)
		set_options(options[below(ARRAY_SIZE(options))]);
	take_something();
	if (used < NFILES / 2)
		add_filler(v, 1 + below(128));
	else
		while (used > NFILES / 4)
			remove_file(&files[below(used)]);
	if (used)
		check_file(&files[below(used)]);
	if (i % 8 == 0)
		check_storm_file();
}

int main(int argc, char **argv)
{
	pid_t pids[ARRAY_SIZE(storms)];
	long long end;
	unsigned int i, steps = 0;
	siginfo_t info;
	u64 seed;
	int status;

	if (argc != 6)
		fail("usage: %s SECONDS SEED DISK MNT DEV", argv[0]);
	seed = strtoull(argv[2], NULL, 0);
	note("seed %llu", seed);
	rnd = seed * 2 + 1;
	begin_test(argv[3]);
	must(disk);
	add_volume(argv[4], argv[5]);
	snprintf(path, sizeof(path), "%s/storm", argv[4]);
	over = mmap(NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(over != MAP_FAILED);
	must(!close(open_storm(0)));
	for (i = 0; i < ARRAY_SIZE(storms); i++) {
		pids[i] = fork();
		must(pids[i] >= 0);
		if (!pids[i])
			run_task(i, rnd);
	}
	end = now_ms() + strtol(argv[1], NULL, 0) * 1000;
	do {
		one_step(volumes, steps++);
		info.si_pid = 0;
		must(!waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT));
	} while (now_ms() < end && !info.si_pid);
	__atomic_store_n(over, true, __ATOMIC_RELAXED);
	for (i = 0; i < ARRAY_SIZE(storms); i++) {
		must(waitpid(pids[i], &status, 0) == pids[i]);
		if (status)
			fail("task %u: wait status %#x", i, status);
	}
	check_files();
	check_storm_file();
	must(!unlink(path));
	remove_all();
	want_free(volumes);
	note("%u steps", steps);
	return 0;
}
