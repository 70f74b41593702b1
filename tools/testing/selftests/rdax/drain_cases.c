// SPDX-License-Identifier: GPL-2.0
/*
 * Single holders of pages that a truncate, punch or unlink takes away, in the
 * cases where Linux waits for too long: see drain.sh.
 */
#include <signal.h>
#include <sys/mount.h>
#include <sys/uio.h>

#include "drain_test.h"

/* From the release of a page to the end of what waited for it. */
#define PROMPT		(50 * MS)
/* Long enough for a drain that waits to have let those in whom it must. */
#define WHILE		(60 * MS)
#define CONTROL_ROUNDS	2

/* A mapped file of SIZE bytes. */
struct file {
	int fd;
	char *map;
	int pipe[2];
	int pin;
	/* Who touches the page is who holds it. */
	bool own;
	/* When a page began to be released, by machine_now(). */
	long long released;
};

static struct file open_file(const char *kind)
{
	struct file f = { .pin = -1 };

	f.fd = pattern_file("f", kind, &f.map);
	verify(f.map, SIZE, 1, 0);
	must(!pipe(f.pipe));
	return f;
}

/* After a truncate: as much as is mapped at once. */
static void refill(struct file *f, const char *kind)
{
	size_t size = strcmp(kind, "pmd") ? 4 * PAGE : PMD;

	must(!ftruncate(f->fd, SIZE));
	write_pattern(f->fd, size, 1);
	verify(f->map, 4 * PAGE, 1, 0);
}

/* Holds a page by vmsplice() ("pipe"), or as pin_by() of fs_pin.h. */
static void hold(struct file *f, const char *how, off_t off)
{
	struct iovec iov = { f->map + off, PAGE };

	if (!strcmp(how, "pipe")) {
		must_eq(vmsplice(f->pipe[1], &iov, 1, 0), PAGE);
	} else {
		f->pin = pin_by(how, 0, f->fd, f->map, off);
		must(f->pin >= 0);
	}
}

/* What was held is what was there. */
static void release(struct file *f, off_t off)
{
	char buf[PAGE];

	f->released = machine_now();
	if (f->pin < 0) {
		must_eq(read(f->pipe[0], buf, PAGE), PAGE);
		verify(buf, PAGE, 1, off);
	} else {
		must(!close(f->pin));
		f->pin = -1;
	}
}

static void *toucher(void *arg)
{
	struct file *f = arg;

	/* Loads, or finds that the page is gone. */
	try_load(f->map + PAGE);
	if (f->own)
		release(f, PAGE);
	return NULL;
}

/*
 * Test 1: one pin, one touch of the page meanwhile, by another thread or by the one
 * that then releases it. other|own KIND ROUNDS
 */
static void cmd_refault(char **argv)
{
	int i, n = is_control() ? CONTROL_ROUNDS : atoi(argv[3]), ended = 0;
	long long *late = calloc(n, sizeof(*late));
	struct drain d = { .truncate = true };
	pthread_t touch;
	struct file f;
	char key[16];

	begin(argv[0]);
	snprintf(key, sizeof(key), "1 %s %s", argv[1], argv[2]);
	catch_sigbus();
	f = open_file(argv[2]);
	f.own = !strcmp(argv[1], "own");
	d.fd = f.fd;
	for (i = 0; i < n; i++) {
		hold(&f, "pipe", PAGE);
		drain_start(&d);
		must(!drain_ended(&d, now() + WHILE));
		must(!pthread_create(&touch, NULL, toucher, &f));
		if (!f.own) {
			must(!drain_ended(&d, now() + WHILE));
			release(&f, PAGE);
		}
		if (drain_ended(&d, now() + limit()))
			late[ended++] = d.ended - f.released;
		else
			not_ended();
		if (!d.joined)
			drain_rescue(&d, f.map, SIZE);
		must(!pthread_join(touch, NULL));
		if (!try_load(f.map + PAGE))
			fail("a page that was truncated is still mapped");
		refill(&f, argv[2]);
	}
	note("%d of %d ended", ended, n);
	if (!ended) {
		result(key, "0 of %d within %lld s", n, limit() / (1000 * MS));
		return;
	}
	result(key, "%d of %d, median %.1f ms, max %.1f ms", ended, n,
	       percentile(late, ended, 50) / 1e6, percentile(late, ended, 100) / 1e6);
	promise(percentile(late, ended, 100) <= slack() * PROMPT,
		"%lld us after the release, allowed are %lld",
		percentile(late, ended, 100) / 1000, slack() * PROMPT / 1000);
}

#define PUNCHES		20
#define READ		(128UL << 10)
#define READERS_SIZE	(8 * READ)

static struct readers {
	const char *disk;
	char *map;
	bool over;
	unsigned long reads;
} readers;

/* Reads from the beginning to the end, and again. */
static void *reader(void *arg)
{
	int disk = open(readers.disk, O_RDONLY | O_DIRECT | O_CLOEXEC);
	size_t off = (uintptr_t)arg * READ;

	must(disk >= 0);
	while (!__atomic_load_n(&readers.over, __ATOMIC_RELAXED)) {
		full_pread(disk, readers.map + off, READ, off);
		__atomic_fetch_add(&readers.reads, 1, __ATOMIC_RELAXED);
		off = (off + READ) % READERS_SIZE;
	}
	must(!close(disk));
	return NULL;
}

/* Test 3: O_DIRECT reads of a disk into what is punched. DISK READERS */
static void cmd_readers(char **argv)
{
	int i, n = atoi(argv[2]), ended = 0;
	/* Neither end is where a read begins or ends. */
	struct drain d = { .off = READ / 2, .len = READERS_SIZE / 2 };
	long long took[PUNCHES];
	pthread_t threads[n];
	struct file f;
	bool stuck = false;
	char key[8];

	begin(argv[0]);
	f = open_file("pte");
	d.fd = f.fd;
	readers.disk = argv[1];
	readers.map = f.map;
	for (i = 0; i < n; i++)
		must(!pthread_create(&threads[i], NULL, reader, (void *)(intptr_t)i));
	while (ended < PUNCHES && !stuck) {
		pause_for(20 * MS);
		drain_start(&d);
		stuck = !drain_ended(&d, now() + limit());
		if (stuck)
			not_ended();
		else
			took[ended++] = d.ended - d.begun;
	}
	__atomic_store_n(&readers.over, true, __ATOMIC_RELAXED);
	for (i = 0; i < n; i++)
		must(!pthread_join(threads[i], NULL));
	if (stuck)
		drain_rescue(&d, f.map, SIZE);
	note("%lu reads", readers.reads);
	for (i = 0; i < ended; i++)
		note("punch %d took %lld us", i + 1, took[i] / 1000);
	snprintf(key, sizeof(key), "3 %d", n);
	if (ended)
		result(key, "%d of %d, median %.0f ms, max %.0f ms", ended,
		       PUNCHES, percentile(took, ended, 50) / 1e6,
		       percentile(took, ended, 100) / 1e6);
	else
		result(key, "0 of %d", PUNCHES);
	must(readers.reads > (unsigned long)ended);
}

/* A process without privileges that holds a page of a file by a pipe. */
struct holder {
	pid_t pid;
	int orders, answers;
};

static void __noreturn holder_main(const char *kind, int orders, int answers)
{
	int fd, pipefd[2];
	char buf[PAGE], c = 0, *map;
	struct iovec iov;

	/* Its mount is below a directory of root's. */
	fd = open("f", O_RDONLY | O_CLOEXEC);
	must(fd >= 0);
	must(!setresgid(65534, 65534, 65534) && !setresuid(65534, 65534, 65534));
	map = strcmp(kind, "pmd") ? map_pte(fd, SIZE, PROT_READ) :
				    map_pmd(fd, SIZE, PROT_READ);
	must(map != MAP_FAILED && !pipe(pipefd));
	verify(map, SIZE, 1, 0);
	iov = (struct iovec){ map + PAGE, PAGE };
	must_eq(vmsplice(pipefd[1], &iov, 1, 0), PAGE);
	/* The pipe is all that knows of the page, and of the file system. */
	must(!munmap(map, SIZE) && !close(fd) && !chdir("/"));
	must_eq(write(answers, &c, 1), 1);
	must_eq(read(orders, &c, 1), 1);
	must_eq(read(pipefd[0], buf, PAGE), PAGE);
	verify(buf, PAGE, 1, PAGE);
	must_eq(write(answers, &c, 1), 1);
	must_eq(read(orders, &c, 1), 0);
	_exit(0);
}

static struct holder start_holder(const char *kind)
{
	int orders[2], answers[2];
	struct holder h;
	char c;

	must(!pipe2(orders, O_CLOEXEC) && !pipe2(answers, O_CLOEXEC));
	h.pid = fork();
	must(h.pid >= 0);
	if (!h.pid) {
		close(orders[1]);
		holder_main(kind, orders[0], answers[1]);
	}
	close(orders[0]);
	close(answers[1]);
	h.orders = orders[1];
	h.answers = answers[0];
	must_eq(read(h.answers, &c, 1), 1);
	return h;
}

static void holder_reads(struct holder *h)
{
	char c = 0;

	must_eq(write(h->orders, &c, 1), 1);
	if (read(h->answers, &c, 1) != 1)
		fail("the pipe does not have what the file had");
}

static void end_holder(struct holder *h)
{
	int status;

	must(!close(h->orders));
	must(waitpid(h->pid, &status, 0) == h->pid);
	must_eq(status, 0);
}

static void *unlinker(void *arg)
{
	struct drain *d = arg;

	d->begun = machine_now();
	must(!unlink("f"));
	d->ended = machine_now();
	return NULL;
}

/* The mount that the test works in, as a new one. */
static void remount(const char *dir, const char *dev)
{
	char *mnt = strdup(dir);

	*strrchr(mnt, '/') = '\0';
	must(!chdir("/"));
	must(!umount(mnt));
	must(!mount(dev, mnt, getenv("DRAIN_FS"), 0, "drain=strict"));
	must(!chdir(dir));
	free(mnt);
}

/* Test 4: HOLD_MS pte|pmd, and DEVICE or "" to unmount meanwhile. */
static void cmd_unlink(char **argv)
{
	long long begun, hold = atoi(argv[1]) * MS;
	unsigned long long free, held;
	struct drain d = {};
	struct holder h;
	char *map, key[16];
	int fd;

	begin(argv[0]);
	snprintf(key, sizeof(key), "4 %s", argv[2]);
	free = free_blocks_warm();
	fd = pattern_file("f", argv[2], &map);
	/* Whatever a child inherits would keep the file. */
	must(!munmap(map, SIZE) && !close(fd));
	h = start_holder(argv[2]);
	machine_now();
	must(!pthread_create(&d.thread, NULL, unlinker, &d));
	if (!drain_ended(&d, now() + limit())) {
		promise(false, "unlink did not end within %lld ms", limit() / MS);
		result(key, "not within %lld s", limit() / (1000 * MS));
		holder_reads(&h);
		must(drain_ended(&d, now() + RESCUED));
		end_holder(&h);
		want_free(free);
		return;
	}
	begun = now();
	held = free - free_blocks();
	note("unlink took %lld us; %llu blocks are held",
	     (d.ended - d.begun) / 1000, held);
	promise(held == 1 || (held == PMD / PAGE && !strcmp(argv[2], "pmd")),
		"%llu blocks are not free while one is held", held);
	if (*argv[3])
		remount(argv[0], argv[3]);
	fill_up("filler");
	pause_until(begun + hold);
	holder_reads(&h);
	end_holder(&h);
	must(!unlink("filler"));
	want_free(free);
	if (!*argv[3])
		result(key, "%.1f ms", (d.ended - d.begun) / 1e6);
	promise(d.ended - d.begun < 1000 * MS, "unlink took %lld us",
		(d.ended - d.begun) / 1000);
}

static void rewrite(int fd, off_t off, size_t len)
{
	char *buf = page_alloc(len);

	fill(buf, len, 1, off);
	full_pwrite(fd, buf, len, off);
	must(!munmap(buf, len));
}

/* A punch of 1 MiB at 3 MiB: how long it took, or -1 if it did not end. */
static long long far_punch(struct file *f, const char *how)
{
	struct drain d = { .fd = f->fd, .off = 3 << 20, .len = 1 << 20 };
	bool ended;

	rewrite(f->fd, d.off, d.len);
	verify(f->map, PAGE, 1, 0);
	verify(f->map + d.off, d.len, 1, d.off);
	if (how)
		hold(f, how, 0);
	drain_start(&d);
	ended = drain_ended(&d, now() + limit());
	if (how)
		release(f, 0);
	if (!ended) {
		drain_rescue(&d, f->map, SIZE);
		return -1;
	}
	verify(f->map + d.off - PAGE, PAGE, 1, d.off - PAGE);
	verify_zero(f->map + d.off, d.len);
	return d.ended - d.begun;
}

/* Test 5: a page that is held elsewhere in the file. HOW KIND ROUNDS */
static void cmd_far(char **argv)
{
	int i, n = is_control() ? CONTROL_ROUNDS : atoi(argv[3]), ended = 0;
	long long *with = calloc(n, sizeof(*with));
	long long *without = calloc(n, sizeof(*without));
	long long took, median, usual;
	struct file f;
	char key[16];

	begin(argv[0]);
	f = open_file(argv[2]);
	for (i = 0; i < n; i++) {
		without[i] = far_punch(&f, NULL);
		must(without[i] >= 0);
		took = far_punch(&f, argv[1]);
		if (took >= 0)
			with[ended++] = took;
	}
	usual = percentile(without, n, 50);
	snprintf(key, sizeof(key), "5 %s", argv[2]);
	if (!ended) {
		result(key, "0 of %d within %lld s; without pin %.1f ms", n,
		       limit() / (1000 * MS), usual / 1e6);
		promise(false, "no punch ended while page 0 was held");
		return;
	}
	median = percentile(with, ended, 50);
	note("%s: medians %lld us with, %lld us without a pin", argv[1],
	     median / 1000, usual / 1000);
	if (!strcmp(argv[1], "pipe"))
		result(key, "%d of %d, median %.1f ms; without pin %.1f ms",
		       ended, n, median / 1e6, usual / 1e6);
	promise(ended == n, "%d punches were delayed", n - ended);
	promise(median <= 2 * slack() * usual, "twice as long with a pin");
}

static const struct cmd cmds[] = {
	{ "refault", 4, cmd_refault },
	{ "readers", 3, cmd_readers },
	{ "unlink", 4, cmd_unlink },
	{ "far", 4, cmd_far },
	{ NULL, 0, NULL },
};

int main(int argc, char **argv)
{
	return run_cmd(cmds, argc, argv);
}
