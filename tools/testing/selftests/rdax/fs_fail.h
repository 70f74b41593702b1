/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Operations that are run with their n-th memory allocation failing, or all from
 * that on, n = 1, 2, ... until one is over before it comes to that. A single one
 * is often made good for: kvmalloc() tries twice. Each either fails with ENOMEM
 * and has changed nothing, or has done all that it does with memory, at once and
 * in what is read from the volume again. Nothing is left behind.
 *
 *	fs_fail_GROUP once|lasting DIRECTORY [NAME...]
 *
 * RDAX_FAIL_STEP is how many allocations it goes on by. The first is another one for
 * each operation, so that all places have their turn.
 */
#ifndef FS_FAIL_H
#define FS_FAIL_H

#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "dax_fail.h"
#include "fs_fail_digest.h"

/* More allocations than any of these has. */
#define LAST_NTH	5000

/* What an operation may do beside the rule. */
enum {
	/* Failed, it may have changed times. */
	TIMES_MAY = 1 << 0,
	/* Failed, it may have taken blocks, which show as zeroes. */
	BLOCKS_MAY = 1 << 1,
	/* It may be done in part, and says how much: see op.partly. */
	PARTLY = 1 << 2,
	/* Nothing is cached when it begins. */
	COLD = 1 << 3,
	/* The state is made anew for each n, not only where it has changed. */
	FRESH = 1 << 4,
	/* It cannot fail. */
	NEVER = 1 << 5,
	/* It changes nothing. */
	READS = 1 << 7,
	/* Not with all failing: a page fault is tried again until it has memory. */
	ONCE = 1 << 6,
};

struct op {
	const char *name;
	/* Makes the state before, in the working directory, which is empty. */
	void (*setup)(void);
	/* One system call: its result, or -1 and errno. */
	long (*run)(void);
	/* Closes what the two left open, and looks at what no state shows. */
	void (*after)(long ret);
	/* Undoes what is not in the working directory, at the end of the state. */
	void (*cleanup)(void);
	/* Looks at what is there after an operation that did less than all. */
	void (*partly)(long ret);
	/* The same after one that failed, where it need not be what was before. */
	void (*failed)(void);
	unsigned int flags;
	/* Another errno that a failed allocation ends in. */
	int other_errno;
};

#define OP(name_, setup_, run_, ...) \
	{ .name = name_, .setup = setup_, .run = run_, ##__VA_ARGS__ }

static struct {
	const char *op;
	unsigned long n;
	unsigned long failed, went_on;
	bool lasting;
	int dir;
	/* What an operation changes: a tree, where nothing else is said. */
	void (*state)(struct digest *d, const char *path, int leave_out);
	long ret;
	struct digest before, done, now, cold;
} fs_fail;

static void tell_where(void)
{
	note("operation '%s', n = %lu", fs_fail.op, fs_fail.n);
}

static void write_drop_caches(const char *what)
{
	int fd = open("/proc/sys/vm/drop_caches", O_WRONLY);

	must(fd >= 0);
	must(write(fd, what, 1) == 1);
	must(!close(fd));
}

/* Dentries and inodes. */
static void drop_caches(void)
{
	write_drop_caches("2");
}

/* All inodes that there could be: each block counts for as many as it holds. */
static u64 free_room(void)
{
	struct statvfs st;

	must(!syncfs(fs_fail.dir));
	must(!fstatvfs(fs_fail.dir, &st));
	return st.f_ffree;
}

/* Blocks that a pipe held are free soon after it has let go. */
static void want_room(u64 room)
{
	long long end = now_ms() + 20000;

	while (free_room() != room) {
		if (now_ms() > end)
			fail("room for %lld inodes more or less is free",
			     (long long)(free_room() - room));
		usleep(10000);
	}
}

static void begin_state(const struct op *op)
{
	if (mkdir("w", 0755) || chdir("w"))
		fail("begin: %m");
	if (op->setup)
		op->setup();
}

static void end_state(const struct op *op)
{
	if (op->cleanup)
		op->cleanup();
	must(!fchdir(fs_fail.dir));
	remove_tree("w");
}

static long run_nth(const struct op *op, unsigned long n, unsigned long *left,
		    int *err)
{
	struct fail_nth nth;
	long ret;

	if (op->flags & COLD)
		drop_caches();
	nth = fail_nth_begin(n);
	if (fs_fail.lasting && n)
		fail_lasting(true);
	errno = 0;
	ret = op->run();
	*err = ret < 0 ? errno : 0;
	if (fs_fail.lasting && n)
		fail_lasting(false);
	*left = fail_nth_end(nth);
	return ret;
}

/* What the VFS knows is what is on the volume, times and all. */
static void look(struct digest *d, int leave_out)
{
	fs_fail.state(d, ".", 0);
	drop_caches();
	fs_fail.state(&fs_fail.cold, ".", 0);
	want_same(&fs_fail.cold, d, "another state is on the volume");
	if (leave_out)
		fs_fail.state(d, ".", leave_out);
}

static int may(const struct op *op)
{
	return (op->flags & TIMES_MAY ? NO_TIMES : 0) |
	       (op->flags & BLOCKS_MAY ? NO_BLOCKS : 0);
}

/* Without a failure: what the operation does. */
static void run_plain(const struct op *op)
{
	unsigned long left;
	int err, i;

	/* The second time inodes and blocks of directories are there. */
	for (i = 0; i < 2; i++) {
		fs_fail.n = 0;
		begin_state(op);
		fs_fail.ret = run_nth(op, 0, &left, &err);
		if (err)
			fail("%s, and no allocation failed", strerror(err));
		if (op->after)
			op->after(fs_fail.ret);
		look(&fs_fail.done, NO_TIMES | may(op));
		end_state(op);
	}
}

static void check_failed(const struct op *op, int err, bool injected)
{
	if (!injected)
		fail("%s, and nothing had failed", strerror(err));
	if (op->flags & NEVER || (err != ENOMEM && err != op->other_errno))
		fail("failed with %s", strerror(err));
	if (op->after)
		op->after(-1);
	if (op->failed) {
		op->failed();
		drop_caches();
		op->failed();
	} else {
		look(&fs_fail.now, may(op));
		want_same(&fs_fail.now, &fs_fail.before,
			  "failed, and has changed this");
	}
	fs_fail.failed++;
}

static void check_done(const struct op *op, long ret, bool injected)
{
	if (op->after)
		op->after(ret);
	if (op->flags & PARTLY && injected && ret < fs_fail.ret) {
		op->partly(ret);
		drop_caches();
		op->partly(ret);
	} else {
		look(&fs_fail.now, NO_TIMES | may(op));
		want_same(&fs_fail.now, &fs_fail.done, "succeeded, and is not done");
	}
	fs_fail.went_on += injected;
}

static void fail_each(const struct op *op, unsigned int index)
{
	unsigned long left = 0;
	int step;
	bool ready = false;
	u64 room;
	long ret;
	int err;

	/* Of this process, and open when memory fails. */
	if (fs_fail.lasting)
		fail_lasting(false);
	fs_fail.op = op->name;
	fs_fail.failed = fs_fail.went_on = 0;
	/* With a block for the names in the directory. */
	must(!mkdir("w", 0755) && !rmdir("w"));
	room = free_room();
	run_plain(op);
	want_room(room);
	step = getenv("RDAX_FAIL_STEP") ? atoi(getenv("RDAX_FAIL_STEP")) : 1;
	must(step > 0);
	for (fs_fail.n = 1 + index % step; !left; fs_fail.n += step) {
		if (fs_fail.n > LAST_NTH)
			fail("more than %d allocations", LAST_NTH);
		if (!ready) {
			begin_state(op);
			fs_fail.state(&fs_fail.before, ".", may(op));
		}
		ret = run_nth(op, fs_fail.n, &left, &err);
		if (err)
			check_failed(op, err, !left);
		else
			check_done(op, ret, !left);
		ready = (err || op->flags & READS) && !(op->flags & FRESH);
		if (ready)
			continue;
		end_state(op);
		want_room(room);
	}
	if (ready)
		end_state(op);
	note("%-20s %4lu failed, %4lu went on", op->name, fs_fail.failed,
	     fs_fail.went_on);
}

static bool is_asked(const char *name, char **names)
{
	if (!*names)
		return true;
	for (; *names; names++)
		if (!strcmp(name, *names))
			return true;
	return false;
}

/* In a process of its own, so that one that fails does not end the others. */
static bool passes(const struct op *op, unsigned int index)
{
	pid_t pid = fork();
	char failed[64];
	int status;

	must(pid >= 0);
	if (!pid) {
		on_fail = tell_where;
		fail_each(op, index);
		_exit(0);
	}
	must(waitpid(pid, &status, 0) == pid);
	if (!status)
		return true;
	snprintf(failed, sizeof(failed), "failed-%s", op->name);
	if (rename("w", failed) && errno != ENOENT)
		fail("rename w: %m");
	return false;
}

/* argv: mode, directory, which is made, and names of operations, all without. */
static void fail_ops(const struct op *ops, char **argv)
{
	int asked = 0, failed = 0;
	const struct op *op;

	fs_fail.lasting = !strcmp(*argv, "lasting");
	must(fs_fail.lasting || !strcmp(*argv, "once"));
	argv++;
	enter(argv[0]);
	fs_fail.dir = open(".", O_RDONLY | O_DIRECTORY);
	must(fs_fail.dir >= 0);
	if (!fs_fail.state)
		fs_fail.state = digest_of;
	/* No line in the log each time. */
	write_drop_caches("4");
	for (op = ops; op->name; op++) {
		if (!is_asked(op->name, argv + 1) ||
		    (op->flags & ONCE && fs_fail.lasting))
			continue;
		failed += !passes(op, op - ops);
		asked++;
	}
	must(asked);
	if (failed)
		fail("%d of %d operations", failed, asked);
}

#endif
