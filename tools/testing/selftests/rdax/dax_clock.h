/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Bounds of time that hold on a machine that others use, too.
 *
 * A host that is busy does not run the CPUs of a VM for tens of milliseconds at a time.
 * machine_now() is CLOCK_MONOTONIC without the time in which this machine did not run: a
 * thread of the highest priority on each CPU sleeps for CLOCK_PERIOD again and again; how
 * much too late it wakes up is not counted. Tasks of this machine, of lower priority, do not
 * delay it, so what is slow because of them, or waits for what does not come, is slow by this
 * clock as well.
 */
#ifndef DAX_CLOCK_H
#define DAX_CLOCK_H

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "dax_test.h"

/* In nanoseconds. */
#define CLOCK_PERIOD	5000000LL
/* What it takes at any time to wake up. */
#define CLOCK_GRACE	2000000LL
#define CLOCK_CPUS	64

static struct {
	pthread_mutex_t lock;
	/* Whose threads they are: a child has none of its parent's. */
	pid_t pid;
	int cpus;
	/* When each of them has to wake up. */
	long long due[CLOCK_CPUS];
	/* How long the machine did not run, and until when that is known. */
	long long lost, known;
	long long last;
} machine;

static inline long long clock_monotonic(void)
{
	struct timespec ts;

	must(!clock_gettime(CLOCK_MONOTONIC, &ts));
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

/* How much of the time until @now was lost, as one CPU saw it that is not known yet. */
static inline long long lost_until(long long due, long long now)
{
	/* It may have stopped at any time of the sleep: after half of it on average. */
	long long since = due - CLOCK_PERIOD / 2;

	if (now - due <= CLOCK_GRACE)
		return 0;
	if (since < machine.known)
		since = machine.known;
	return now > since ? now - since : 0;
}

static inline void *clock_thread(void *arg)
{
	long long *due = arg, now, lost;

	for (;;) {
		struct timespec ts = { *due / 1000000000, *due % 1000000000 };

		while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL))
			;
		pthread_mutex_lock(&machine.lock);
		now = clock_monotonic();
		lost = lost_until(*due, now);
		if (lost) {
			machine.lost += lost;
			machine.known = now;
		}
		*due = now + CLOCK_PERIOD;
		pthread_mutex_unlock(&machine.lock);
	}
	return NULL;
}

static inline void start_clock_thread(int cpu, long long *due)
{
	struct sched_param param = { sched_get_priority_max(SCHED_FIFO) };
	pthread_attr_t attr;
	pthread_t thread;
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(cpu, &cpus);
	*due = clock_monotonic() + CLOCK_PERIOD;
	must(!pthread_attr_init(&attr));
	must(!pthread_attr_setstacksize(&attr, 64 << 10));
	must(!pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED));
	must(!pthread_attr_setinheritsched(&attr, PTHREAD_EXPLICIT_SCHED));
	must(!pthread_attr_setschedpolicy(&attr, SCHED_FIFO));
	must(!pthread_attr_setschedparam(&attr, &param));
	must(!pthread_attr_setaffinity_np(&attr, sizeof(cpus), &cpus));
	must(!pthread_create(&thread, &attr, clock_thread, due));
	must(!pthread_attr_destroy(&attr));
}

static inline void start_clock(void)
{
	pthread_mutexattr_t attr;
	sigset_t all, old;
	cpu_set_t cpus;
	int cpu;

	machine.pid = getpid();
	machine.cpus = 0;
	machine.lost = 0;
	machine.known = 0;
	machine.last = 0;
	/* Who has the lock must not wait for others than these threads. */
	must(!pthread_mutexattr_init(&attr));
	must(!pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT));
	must(!pthread_mutex_init(&machine.lock, &attr));
	must(!sched_getaffinity(0, sizeof(cpus), &cpus));
	/* Signals are for the threads of the test. */
	sigfillset(&all);
	must(!pthread_sigmask(SIG_BLOCK, &all, &old));
	for (cpu = 0; cpu < CPU_SETSIZE && machine.cpus < CLOCK_CPUS; cpu++)
		if (CPU_ISSET(cpu, &cpus))
			start_clock_thread(cpu, &machine.due[machine.cpus++]);
	must(!pthread_sigmask(SIG_SETMASK, &old, NULL));
}

/*
 * Nanoseconds that this machine has run. The first call in a process must not race with
 * another.
 */
static inline long long machine_now(void)
{
	long long now, lost, most = 0;
	int i;

	if (machine.pid != getpid())
		start_clock();
	must(!pthread_mutex_lock(&machine.lock));
	now = clock_monotonic();
	for (i = 0; i < machine.cpus; i++) {
		lost = lost_until(machine.due[i], now);
		if (lost > most)
			most = lost;
	}
	now -= machine.lost + most;
	if (now < machine.last)
		now = machine.last;
	machine.last = now;
	must(!pthread_mutex_unlock(&machine.lock));
	return now;
}

static inline long long machine_ms(void)
{
	return machine_now() / 1000000;
}

#endif
