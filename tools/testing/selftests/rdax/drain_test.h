/* SPDX-License-Identifier: GPL-2.0 */
/*
 * For the tests of drain.sh: what is promised of rdaxfs and only recorded of
 * other file systems, and drains that a test outlives.
 *
 * Environment:
 *   DRAIN_FS		the file system: what it does is asserted if it is rdaxfs
 *   DRAIN_RESULTS	a file that gets a line "key<tab>value" per result
 *   RDAX_LIMIT_MS	how long to wait for a drain of rdaxfs (15000, times RDAX_TIMEOUT)
 *   RDAX_CONTROL_MS	how long to wait for one of another file system (1000)
 */
#ifndef DRAIN_TEST_H
#define DRAIN_TEST_H

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "fs_drain.h"
#include "fs_pin.h"

static inline bool is_control(void)
{
	return strcmp(getenv("DRAIN_FS"), "rdaxfs");
}

static inline int knob(const char *name, int value)
{
	const char *text = getenv(name);

	return text && *text ? atoi(text) : value;
}

/* How long to wait for a drain; longer than any of rdaxfs may take on a busy machine. */
static inline long long limit(void)
{
	if (is_control())
		return knob("RDAX_CONTROL_MS", 1000) * MS;
	return knob("RDAX_LIMIT_MS", 15000) * MS * time_factor();
}

/* By how much the bounds are longer than those that are promised. */
static inline long long slack(void)
{
	return knob("RDAX_SLACK", 1);
}

/* Until what nothing keeps from ending has ended. */
#define RESCUED		(30000 * MS * time_factor())

/* Fails, but for a control, unless what is promised holds. */
#define promise(cond, ...)						\
	do {								\
		bool kept = (cond);					\
									\
		if (!kept && !is_control())				\
			fail(__VA_ARGS__);				\
		if (!kept)						\
			note("not kept: " __VA_ARGS__);			\
	} while (0)

/*
 * A drain that did not end in time. Whom it waits for may wait for it, so there
 * would be no end to waiting for either; exiting kills them.
 */
#define not_ended()							\
	promise(false, "a drain did not end within %lld ms", limit() / MS)

static inline void __printf(2, 3) result(const char *key, const char *fmt, ...)
{
	FILE *f = fopen(getenv("DRAIN_RESULTS"), "a");
	va_list ap;

	must(f);
	fprintf(f, "%s\t", key);
	va_start(ap, fmt);
	vfprintf(f, fmt, ap);
	va_end(ap);
	fputc('\n', f);
	must(!fclose(f));
}

/* Something that drains, on a thread of its own. */
struct drain {
	int fd;
	off_t off, len;
	/* Truncate to @off instead of punching a hole. */
	bool truncate;
	pthread_t thread;
	bool joined;
	/* By machine_now(). */
	long long begun, ended;
};

static inline void drain_now(struct drain *d)
{
	d->begun = machine_now();
	if (d->truncate)
		must(!ftruncate(d->fd, d->off));
	else
		punch(d->fd, d->off, d->len);
	d->ended = machine_now();
}

static inline void *drain_thread(void *arg)
{
	drain_now(arg);
	return NULL;
}

static inline void drain_start(struct drain *d)
{
	d->joined = false;
	d->begun = 0;
	d->ended = 0;
	/* Starts the clock. */
	machine_now();
	must(!pthread_create(&d->thread, NULL, drain_thread, d));
}

/* Whether it has ended, until @when. */
static inline bool drain_ended(struct drain *d, long long when)
{
	struct timespec ts = { when / (1000 * MS), when % (1000 * MS) };
	int err;

	if (!d->joined) {
		err = pthread_clockjoin_np(d->thread, NULL, CLOCK_MONOTONIC, &ts);
		must(!err || err == ETIMEDOUT);
		d->joined = !err;
	}
	return d->joined;
}

/*
 * For a drain that did not end although nobody holds a page any more: take away
 * what maps them, too. Mainline waits until the pages have no reference at all.
 */
static inline void drain_rescue(struct drain *d, void *map, size_t size)
{
	long long end = now() + RESCUED;

	do {
		must(!madvise(map, size, MADV_DONTNEED));
		if (now() > end)
			fail("not even without holders and mappings");
	} while (!drain_ended(d, now() + 50 * MS));
}

static inline int by_value(const void *a, const void *b)
{
	long long x = *(const long long *)a, y = *(const long long *)b;

	return x < y ? -1 : x > y;
}

/* Sorts @n values; returns the one that @percent of them do not exceed. */
static inline long long percentile(long long *values, int n, int percent)
{
	int at = (n * percent + 99) / 100 - 1;

	qsort(values, n, sizeof(*values), by_value);
	return values[at < 0 ? 0 : at];
}

#endif
