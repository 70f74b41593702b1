// SPDX-License-Identifier: GPL-2.0
/*
 * Taking blocks from a file while somebody holds references to its pages: a
 * pipe that vmsplice() filled. Each test works in a directory of its own; the
 * mount options it needs are set by fs-drain.sh.
 */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/uio.h>

#include "fs_drain.h"

#define RW	(PROT_READ | PROT_WRITE)
#define SIZE	(2 * PMD)
#define DELAY	(300 * MS)
/* From the release of a page to the end of what waited for it, by machine_now(). */
#define PROMPT	(50 * MS)
/* What does not wait, likewise. Emulated CPUs are slow, drain_ms is 10000 there. */
#define SOON	(5000 * MS)

/* A mapped file of SIZE bytes, pattern 1. */
struct held {
	int fd;
	char *map;
	int pipe[2];
};

static struct held map_file(const char *path, const char *kind)
{
	struct held h;

	h.fd = create_file(path, SIZE);
	write_pattern(h.fd, SIZE, 1);
	if (!strcmp(kind, "pmd")) {
		require_pmd_blocks(h.fd, SIZE);
		h.map = map_pmd(h.fd, SIZE, RW);
	} else {
		h.map = map_pte(h.fd, SIZE, RW);
	}
	must(h.map != MAP_FAILED);
	verify(h.map, SIZE, 1, 0);
	must(!pipe(h.pipe));
	return h;
}

static void pin(struct held *h, off_t off)
{
	struct iovec iov = { h->map + off, PAGE };

	must_eq(vmsplice(h->pipe[1], &iov, 1, 0), PAGE);
}

static void release(struct held *h, u64 seed, off_t off)
{
	char buf[PAGE];

	must_eq(read(h->pipe[0], buf, PAGE), PAGE);
	verify(buf, PAGE, seed, off);
}

static void drop(struct held *h)
{
	if (h->map)
		must(!munmap(h->map, SIZE));
	if (h->fd >= 0)
		must(!close(h->fd));
	close(h->pipe[0]);
	close(h->pipe[1]);
}

static void *truncator(void *arg)
{
	struct held *h = arg;

	must(!ftruncate(h->fd, 0));
	return (void *)(intptr_t)machine_now();
}

static void *toucher(void *arg)
{
	struct held *h = arg;

	/* Loads, or finds that the page is gone. */
	try_load(h->map + PAGE);
	return NULL;
}

/* One pin, one touch of the page meanwhile, release: not for ever. */
static void cmd_refault(char **argv)
{
	long long begun, released, done, bound = PROMPT;
	pthread_t trunc, touch;
	struct held h;
	void *ret;

	enter(argv[0]);
	catch_sigbus();
	/* Unmapping takes its time, too. */
	h = map_file("other", argv[1]);
	begun = machine_now();
	truncator(&h);
	bound += machine_now() - begun;
	drop(&h);
	h = map_file("f", argv[1]);
	pin(&h, PAGE);
	begun = now();
	must(!pthread_create(&trunc, NULL, truncator, &h));
	pause_until(begun + DELAY / 2);
	must(!pthread_create(&touch, NULL, toucher, &h));
	pause_until(begun + 2 * DELAY);
	want_size("f", SIZE);
	released = machine_now();
	release(&h, 1, PAGE);
	must(!pthread_join(trunc, &ret));
	must(!pthread_join(touch, NULL));
	done = (intptr_t)ret - released;
	note("truncate returned %lld us after the release, allowed are %lld",
	     done / 1000, bound / 1000);
	must(done <= bound);
	drop(&h);
}

#define HOLDERS	3
#define HOLD	(5 * MS)
#define PUNCHES	10

static struct held storm;
static int storm_over;

/* Holds the same page again and again, for HOLD each. */
static void *holder(void *arg)
{
	struct iovec iov = { storm.map + PAGE, PAGE };
	char buf[PAGE];
	int fds[2];

	must(!pipe(fds));
	while (!__atomic_load_n(&storm_over, __ATOMIC_RELAXED)) {
		/* A hole gets a block. */
		must(!try_store(storm.map + PAGE, 1));
		must_eq(vmsplice(fds[1], &iov, 1, 0), PAGE);
		pause_until(now() + HOLD);
		must_eq(read(fds[0], buf, PAGE), PAGE);
		__atomic_fetch_add((unsigned long *)arg, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

/* There always is somebody who holds the page, but nobody anew meanwhile. */
static void cmd_storm(char **argv)
{
	long long begun, took, worst = 0;
	pthread_t threads[HOLDERS];
	unsigned long held = 0;
	int i;

	enter(argv[0]);
	storm = map_file("f", argv[1]);
	catch_sigbus();
	for (i = 0; i < HOLDERS; i++)
		must(!pthread_create(&threads[i], NULL, holder, &held));
	for (i = 0; i < PUNCHES; i++) {
		pause_until(now() + 20 * MS);
		begun = machine_now();
		punch(storm.fd, 0, PMD);
		took = machine_now() - begun;
		if (took > worst)
			worst = took;
	}
	__atomic_store_n(&storm_over, 1, __ATOMIC_RELAXED);
	for (i = 0; i < HOLDERS; i++)
		must(!pthread_join(threads[i], NULL));
	note("%lu times held; the longest punch took %lld us", held,
	     worst / 1000);
	must(held > 3 * PUNCHES && worst < 10 * PROMPT);
	drop(&storm);
}

#define LATE	30

static int late_over;

/* Faults on one page after the other: calls that a ticket is good for. */
static void *sweeper(void *arg)
{
	char *map = arg;
	off_t off;

	while (!__atomic_load_n(&late_over, __ATOMIC_RELAXED))
		for (off = PAGE; off < (off_t)PMD; off += PAGE)
			must(!try_load(map + off));
	return NULL;
}

/* What tasks map while the drain waits is gone when it gives up waiting. */
static void cmd_late(char **argv)
{
	pthread_t thread;
	struct held h;
	int i;

	enter(argv[0]);
	catch_sigbus();
	h = map_file("f", argv[1]);
	must(!pthread_create(&thread, NULL, sweeper, h.map));
	for (i = 0; i < LATE; i++) {
		pin(&h, 0);
		punch(h.fd, 0, PMD);
		verify_zero(h.map, PMD);
		release(&h, 1, 0);
		write_pattern(h.fd, SIZE, 1);
	}
	__atomic_store_n(&late_over, 1, __ATOMIC_RELAXED);
	must(!pthread_join(thread, NULL));
	drop(&h);
	must(!unlink("f"));
}

/* An unlink does not wait, and nobody gets the block. */
static void cmd_unlink(char **argv)
{
	unsigned long long free, left;
	long long begun, took;
	struct held h;

	enter(argv[0]);
	free = free_blocks_warm();
	h = map_file("f", argv[1]);
	pin(&h, PAGE);
	must(!munmap(h.map, SIZE));
	h.map = NULL;
	close(h.fd);
	h.fd = -1;
	begun = machine_now();
	must(!unlink("f"));
	took = machine_now() - begun;
	note("unlink took %lld us", took / 1000);
	must(took < SOON);
	left = free - free_blocks();
	note("%llu blocks are held", left);
	must(left == 1 || (left == PMD / PAGE && !strcmp(argv[1], "pmd")));
	release(&h, 1, PAGE);
	want_free(free);
	drop(&h);
}

/* A page that is held elsewhere in the file delays nothing. */
static void cmd_far(char **argv)
{
	long long begun, took;
	struct held h;

	enter(argv[0]);
	h = map_file("f", argv[1]);
	pin(&h, 0);
	begun = machine_now();
	punch(h.fd, 3 << 20, 1 << 20);
	took = machine_now() - begun;
	note("punch took %lld us", took / 1000);
	must(took < SOON);
	verify(h.map, 3 << 20, 1, 0);
	verify_zero(h.map + (3 << 20), 1 << 20);
	release(&h, 1, 0);
	drop(&h);
	must(!unlink("f"));
}

/* A full file system does not reuse what is held. */
static void cmd_reuse(char **argv)
{
	unsigned long long free;
	char *buf = page_alloc(PAGE);
	struct held h;
	int fd;

	enter(argv[0]);
	free = free_blocks_warm();
	h = map_file("f", argv[1]);
	pin(&h, PAGE);
	must(!ftruncate(h.fd, 0));
	fill_up("filler");
	release(&h, 1, PAGE);
	drop(&h);
	/* What was held is space too, now: whoever needs it need not wait. */
	fd = new_at("more", 0644);
	must_eq(write(fd, buf, PAGE), PAGE);
	close(fd);
	must(!unlink("f") && !unlink("filler") && !unlink("more"));
	want_free(free);
}

/* Whether the file is locked: then this would have to wait for it. */
static bool is_locked(int fd)
{
	struct iovec iov;
	char byte;

	iov.iov_base = &byte;
	iov.iov_len = 1;
	return preadv2(fd, &iov, 1, 0, RWF_NOWAIT) < 0 && errno == EAGAIN;
}

/* The holder waits for the lock of the file, and the drain for the holder. */
static void cmd_self_splice(char **argv)
{
	off_t off = PAGE;
	pthread_t trunc;
	struct held h;

	enter(argv[0]);
	h = map_file("f", argv[1]);
	pin(&h, 0);
	must(!pthread_create(&trunc, NULL, truncator, &h));
	while (!is_locked(h.fd))
		sched_yield();
	must_eq(splice(h.pipe[0], NULL, h.fd, &off, PAGE, 0), PAGE);
	must(!pthread_join(trunc, NULL));
	want_size("f", 2 * PAGE);
	verify_zero(h.map, PAGE);
	verify(h.map + PAGE, PAGE, 1, 0);
	drop(&h);
	must(!unlink("f"));
}

static void cmd_fill(char **argv)
{
	enter(argv[0]);
	fill_up("filler");
}

/* A part of a huge page goes, while the page is held: the rest can be used. */
static void cmd_part(char **argv)
{
	unsigned long long free;
	struct held h;

	enter(argv[0]);
	free = free_blocks_warm();
	h = map_file("f", "pmd");
	pin(&h, PAGE);
	if (!strcmp(argv[1], "punch")) {
		punch(h.fd, 4 * PAGE, 2 * PAGE);
	} else {
		must(!ftruncate(h.fd, 4 * PAGE));
		must(!ftruncate(h.fd, SIZE));
	}
	verify(h.map, 4 * PAGE, 1, 0);
	verify_zero(h.map + 4 * PAGE, 2 * PAGE);
	/* Blocks come for the hole; the holder sees what is stored. */
	fill(h.map, 6 * PAGE, 2, 0);
	must(!msync(h.map, SIZE, MS_SYNC));
	verify_file(h.fd, 6 * PAGE, 2);
	if (argv[2][0] == 'l') {
		/* Held until all else is gone. */
		must(!munmap(h.map, SIZE));
		h.map = NULL;
		must(!ftruncate(h.fd, 0));
		release(&h, 2, PAGE);
	} else {
		release(&h, 2, PAGE);
		verify(h.map, 6 * PAGE, 2, 0);
		must(!ftruncate(h.fd, 0));
	}
	drop(&h);
	must(!unlink("f"));
	want_free(free);
}

/* Blocks move in the file while they are held, and are huge there again. */
static void cmd_move(char **argv)
{
	int how = !strcmp(argv[2], "collapse") ? FALLOC_FL_COLLAPSE_RANGE :
						 FALLOC_FL_INSERT_RANGE;
	off_t len = !strcmp(argv[3], "huge") ? PMD : PAGE, from, to;
	unsigned long long free;
	struct held h;

	enter(argv[0]);
	free = free_blocks_warm();
	h = map_file("f", argv[1]);
	from = PMD + PAGE;
	pin(&h, from);
	fill(h.map, SIZE, 3, 0);
	must(!fallocate(h.fd, how, 0, len));
	to = how == FALLOC_FL_COLLAPSE_RANGE ? from - len : from + len;
	if (to + PAGE <= (off_t)SIZE) {
		verify(h.map + to, PAGE, 3, from);
		fill(h.map + to, PAGE, 4, to);
		release(&h, 4, to);
	} else {
		release(&h, 3, from);
	}
	must(!ftruncate(h.fd, 0));
	drop(&h);
	must(!unlink("f"));
	want_free(free);
}

/* Zeroing leaves the blocks, and so the pages, where they are. */
static void cmd_zero(char **argv)
{
	char buf[PAGE];
	struct held h;

	enter(argv[0]);
	h = map_file("f", argv[1]);
	pin(&h, PAGE);
	must(!fallocate(h.fd, FALLOC_FL_ZERO_RANGE, 0, SIZE));
	verify_zero(h.map, SIZE);
	must_eq(read(h.pipe[0], buf, PAGE), PAGE);
	verify_zero(buf, PAGE);
	fill(h.map, SIZE, 2, 0);
	verify_file(h.fd, SIZE, 2);
	drop(&h);
	must(!unlink("f"));
}

/* A drain that is killed leaves all as it was, and the gate open. */
static void cmd_kill(char **argv)
{
	long long begun = now();
	struct held h;
	int status;
	pid_t pid;

	enter(argv[0]);
	h = map_file("f", argv[1]);
	pin(&h, PAGE);
	pid = fork();
	must(pid >= 0);
	if (!pid) {
		must(!ftruncate(h.fd, 0));
		_exit(0);
	}
	pause_until(begun + DELAY);
	must_eq(waitpid(pid, &status, WNOHANG), 0);
	must(!kill(pid, SIGKILL));
	must_eq(waitpid(pid, &status, 0), pid);
	must(WIFSIGNALED(status));
	want_size("f", SIZE);
	verify(h.map, SIZE, 1, 0);
	verify_file(h.fd, SIZE, 1);
	release(&h, 1, PAGE);
	must(!ftruncate(h.fd, 0));
	drop(&h);
	must(!unlink("f"));
}

/* A file that somebody holds from an earlier mount can be mapped. */
static void cmd_check(char **argv)
{
	int fd = open_dax(argv[0], O_RDWR);
	char *map = !strcmp(argv[1], "pmd") ? map_pmd(fd, SIZE, RW) :
					      map_pte(fd, SIZE, RW);

	must(map != MAP_FAILED);
	verify(map, SIZE, 2, 0);
	fill(map, SIZE, 2, 0);
	verify_file(fd, SIZE, 2);
}

static const struct cmd cmds[] = {
	{ "refault", 2, cmd_refault },
	{ "storm", 2, cmd_storm },
	{ "late", 2, cmd_late },
	{ "unlink", 2, cmd_unlink },
	{ "far", 2, cmd_far },
	{ "reuse", 2, cmd_reuse },
	{ "self-splice", 2, cmd_self_splice },
	{ "fill", 1, cmd_fill },
	{ "part", 3, cmd_part },
	{ "move", 4, cmd_move },
	{ "zero", 2, cmd_zero },
	{ "kill", 2, cmd_kill },
	{ "check", 2, cmd_check },
	{ NULL, 0, NULL },
};

int main(int argc, char **argv)
{
	return run_cmd(cmds, argc, argv);
}
