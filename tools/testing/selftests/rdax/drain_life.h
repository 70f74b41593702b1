/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Drains that wait, and tasks beside them, each a process of its own. Whether one
 * waits is read from debugfs: $DRAINS_FILE is the file "drains" of the mount.
 * File systems without it are controls: what they do is told, not judged.
 */
#ifndef DRAIN_LIFE_H
#define DRAIN_LIFE_H

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "dax_clock.h"
#include "fs_pin.h"

#ifndef FALLOC_FL_WRITE_ZEROES
#define FALLOC_FL_WRITE_ZEROES	0x80
#endif

/* How long to wait for what must come, in milliseconds. */
#define LIMIT		(20000 * time_factor())
/* What does not wait at all; CPUs are emulated, and slow. In milliseconds, by machine_ms(). */
#define SOON		1500
/* Of rust/rdax/gate/patience.rs, in milliseconds. */
#define PATIENCE_FIRST	40
#define PATIENCE_LAST	320

/* What is drained: pages 16 to 31 of a file of SIZE bytes. */
#define FIRST		(16 * PAGE)
#define LAST		(31 * PAGE)
#define BEFORE		(8 * PAGE)
#define AFTER		(40 * PAGE)

static inline bool is_control(void)
{
	return !getenv("DRAINS_FILE");
}

/* Between two looks at what has no event of its own. */
static inline void look_again(long long end, const char *what)
{
	struct timespec ts = { 0, 2 * MS };

	if (now_ms() > end)
		fail("%s does not come", what);
	nanosleep(&ts, NULL);
}

/*
 * Milliseconds in which a task that needs @tickets tickets has them all: as many
 * intervals of patience, twice, and what does not wait.
 */
static inline long long patience(unsigned int tickets)
{
	long long interval = PATIENCE_FIRST, sum = 0;

	while (tickets--) {
		sum += interval;
		if (interval < PATIENCE_LAST)
			interval *= 2;
	}
	return 2 * sum + SOON;
}

/* So many milliseconds since @begun, by machine_ms(), must not be over yet. */
static inline void want_within(const char *what, long long begun, long long ms)
{
	long long took = machine_ms() - begun;

	note("%s: %lld ms, allowed are %lld", what, took, ms);
	if (took > ms && !is_control())
		fail("%s took %lld ms", what, took);
}

/*
 * The field @name of the line "@what ino=..." of the file @fd and the task @pid, or
 * -1 if there is none.
 */
static inline long shown(const char *what, int fd, pid_t pid, const char *name)
{
	FILE *f = fopen(getenv("DRAINS_FILE"), "r");
	char text[512], line[64], who[32], *at;
	struct stat st;
	long value = -1;

	must(f && !fstat(fd, &st));
	snprintf(line, sizeof(line), "%s ino=%lu ", what,
		 (unsigned long)st.st_ino);
	snprintf(who, sizeof(who), " pid=%d ", pid);
	while (fgets(text, sizeof(text), f)) {
		if (strncmp(text, line, strlen(line)) || !strstr(text, who))
			continue;
		at = strstr(text, name);
		must(at);
		value = atol(at + strlen(name));
	}
	fclose(f);
	return value;
}

/* A task at the gate of @fd; @ticket is '0', '1', or '?' for either. */
static inline bool is_waiting(int fd, pid_t pid, char ticket)
{
	long has = shown("waiter", fd, pid, " ticket=");

	return ticket == '?' ? has >= 0 : has == ticket - '0';
}

static inline void want_waiting(int fd, pid_t pid, char ticket)
{
	long long end = now_ms() + LIMIT;

	while (!is_waiting(fd, pid, ticket))
		look_again(end, "a task at the gate");
}

/* How it ended, or -1 if it has not after @ms milliseconds. */
static inline int end_of(pid_t pid, int ms)
{
	struct pollfd p = { .fd = syscall(SYS_pidfd_open, pid, 0), .events = POLLIN };
	int status;

	must(p.fd >= 0);
	must(poll(&p, 1, ms) >= 0);
	close(p.fd);
	if (!p.revents)
		return -1;
	must_eq(waitpid(pid, &status, 0), pid);
	return status;
}

/* A task that runs @fn; when it returns, it has ended well. */
struct task {
	pid_t pid;
	/* The task says that it has come so far; it is told to go on. */
	int said[2];
	int told[2];
};

static inline void say_ready(struct task *t)
{
	must_eq(write(t->said[1], "", 1), 1);
}

static inline void await(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char c;

	must(poll(&p, 1, 6 * LIMIT) == 1 && read(fd, &c, 1) == 1);
}

static inline void start(struct task *t, void (*fn)(struct task *, void *),
			 void *arg)
{
	must(!pipe2(t->said, O_CLOEXEC) && !pipe2(t->told, O_CLOEXEC));
	t->pid = fork();
	must(t->pid >= 0);
	if (!t->pid) {
		must(!prctl(PR_SET_PDEATHSIG, SIGKILL));
		/* Nobody waits for what died. */
		close(t->said[0]);
		close(t->told[1]);
		fn(t, arg);
		_exit(0);
	}
	close(t->said[1]);
	close(t->told[0]);
}

static inline void want_ready(struct task *t)
{
	await(t->said[0]);
}

static inline void go_on(struct task *t)
{
	must_eq(write(t->told[1], "", 1), 1);
}

static inline int reap(struct task *t, int ms)
{
	int status = end_of(t->pid, ms);

	if (status != -1) {
		close(t->said[0]);
		close(t->told[1]);
	}
	return status;
}

static inline void want_done(struct task *t, int ms)
{
	int status = reap(t, ms);

	if (status)
		fail("a task has not done its work: %#x", status);
}

/* What takes pages from a file, by name. */
static const char * const drain_ops[] = {
	"truncate", "open", "punch", "zero", "write-zeroes", "collapse", "insert",
};

static inline int fallocate_mode(const char *op)
{
	if (!strcmp(op, "punch"))
		return FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
	if (!strcmp(op, "zero"))
		return FALLOC_FL_ZERO_RANGE;
	if (!strcmp(op, "write-zeroes"))
		return FALLOC_FL_WRITE_ZEROES;
	if (!strcmp(op, "collapse"))
		return FALLOC_FL_COLLAPSE_RANGE;
	if (!strcmp(op, "insert"))
		return FALLOC_FL_INSERT_RANGE;
	fail("what is '%s'?", op);
}

/* Of pages 16 to 31; what moves blocks, or has no range, takes all from there. */
static inline int drain_by(int fd, const char *op)
{
	char path[64];

	if (!strcmp(op, "truncate"))
		return ftruncate(fd, FIRST);
	if (!strcmp(op, "open")) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		fd = open(path, O_RDWR | O_TRUNC | O_CLOEXEC);
		return fd < 0 ? fd : close(fd);
	}
	return fallocate(fd, fallocate_mode(op), FIRST, LAST + PAGE - FIRST);
}

static inline long drain_syscall(const char *op)
{
	if (!strcmp(op, "truncate"))
		return SYS_ftruncate;
	return strcmp(op, "open") ? SYS_fallocate : SYS_openat;
}

/* Of these the first ones are what waits on every file system. */
static inline unsigned int nr_drain_ops(void)
{
	return is_control() ? 3 : ARRAY_SIZE(drain_ops);
}

/* How a page is held. */
static const char * const kinds[] = { "pipe", "plain", "memory", "file" };

struct drain {
	pid_t pid;
	int fd;
};

/* Milliseconds since it began, or -1 if it does not wait. */
static inline long drain_age(const struct drain *d)
{
	return shown("drain", d->fd, d->pid, " age_ms=");
}

static inline bool drain_is_shown(const struct drain *d)
{
	return drain_age(d) >= 0;
}

/* Whether a task sleeps in that system call. */
static inline bool sleeps_in(pid_t pid, long nr)
{
	char path[64], text[64] = "";
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/syscall", pid);
	fd = open(path, O_RDONLY);
	must(fd >= 0);
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	/* It says "running" if it does. */
	return n > 0 && text[0] != 'r' && atol(text) == nr;
}

static inline void want_sleeping(pid_t pid, long nr)
{
	long long end = now_ms() + LIMIT;

	while (!sleeps_in(pid, nr))
		look_again(end, "a task that sleeps");
}

static inline void want_drain(const struct drain *d)
{
	long long end = now_ms() + LIMIT;

	while (!drain_is_shown(d))
		look_again(end, "a drain that waits");
}

/* In a process that has nothing but the file; returns when it waits. */
static inline struct drain drain_start(int fd, const char *op)
{
	struct drain d = { .fd = fd };
	int sync[2];

	must(!pipe(sync));
	d.pid = fork();
	must(d.pid >= 0);
	if (!d.pid) {
		must(!prctl(PR_SET_PDEATHSIG, SIGKILL));
		must_eq(write(sync[1], "", 1), 1);
		must_eq(dup2(fd, 3), 3);
		must(!close_range(4, ~0U, 0));
		_exit(drain_by(3, op) ? errno : 0);
	}
	await(sync[0]);
	close(sync[0]);
	close(sync[1]);
	if (is_control())
		want_sleeping(d.pid, drain_syscall(op));
	else
		want_drain(&d);
	return d;
}

/* Its errno, 0 if it worked; it must be over in so many milliseconds. */
static inline int drain_end(const struct drain *d, int ms)
{
	int status = end_of(d->pid, ms);

	if (status == -1)
		fail("the drain is not over after %d ms", ms);
	if (!WIFEXITED(status))
		fail("the drain ended with %#x", status);
	return WEXITSTATUS(status);
}

/* A drain has worked, soon after @since. */
static inline void want_drained(const struct drain *d, long long since)
{
	must_eq(drain_end(d, LIMIT), 0);
	want_within("drain, from the release", since, SOON);
}

#endif
