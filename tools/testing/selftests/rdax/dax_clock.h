/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A clock for bounds of time that have to hold on a busy host as well.
 *
 * A busy host does not run the CPUs of a VM for milliseconds at a time. machine_now() is
 * CLOCK_MONOTONIC without that: on each CPU a thread of the highest priority sleeps for
 * CLOCK_PERIOD again and again, and the time by which it wakes up too late is not counted. Tasks
 * of this machine have lower priority and do not delay it: by this clock, too, a drain takes
 * long that waits for them, or for what does not come.
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
	/* The last time that it told. */
	long long last;
	struct clock_cpu {
		/* When its thread has to wake up. */
		long long due;
		/* By how much it was late so far. */
		long long lost;
	} cpu[CLOCK_CPUS];
} machine;

static inline long long clock_monotonic(void)
{
	struct timespec ts;

	must(!clock_gettime(CLOCK_MONOTONIC, &ts));
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

/* By how much a thread that wakes up at @now, or has not yet, is too late. */
static inline long long late_by(const struct clock_cpu *cpu, long long now)
{
	return now - cpu->due > CLOCK_GRACE ? now - cpu->due : 0;
}

static inline void *clock_thread(void *arg)
{
	struct clock_cpu *cpu = arg;
	long long now;

	for (;;) {
		struct timespec ts = { cpu->due / 1000000000, cpu->due % 1000000000 };

		while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL))
			;
		pthread_mutex_lock(&machine.lock);
		now = clock_monotonic();
		cpu->lost += late_by(cpu, now);
		cpu->due = now + CLOCK_PERIOD;
		pthread_mutex_unlock(&machine.lock);
	}
	return NULL;
}

static inline void start_clock_thread(int number, struct clock_cpu *cpu)
{
	struct sched_param param = { sched_get_priority_max(SCHED_FIFO) };
	pthread_attr_t attr;
	pthread_t thread;
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(number, &cpus);
	cpu->due = clock_monotonic() + CLOCK_PERIOD;
	cpu->lost = 0;
	must(!pthread_attr_init(&attr));
	must(!pthread_attr_setstacksize(&attr, 64 << 10));
	must(!pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED));
	must(!pthread_attr_setinheritsched(&attr, PTHREAD_EXPLICIT_SCHED));
	must(!pthread_attr_setschedpolicy(&attr, SCHED_FIFO));
	must(!pthread_attr_setschedparam(&attr, &param));
	must(!pthread_attr_setaffinity_np(&attr, sizeof(cpus), &cpus));
	must(!pthread_create(&thread, &attr, clock_thread, cpu));
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
			start_clock_thread(cpu, &machine.cpu[machine.cpus++]);
	must(!pthread_sigmask(SIG_SETMASK, &old, NULL));
}

/*
 * Nanoseconds that this machine has run, by the CPU that has run least. The first call in a
 * process must not race with another.
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
		lost = machine.cpu[i].lost + late_by(&machine.cpu[i], now);
		if (lost > most)
			most = lost;
	}
	/* A pause is not known before it is longer than CLOCK_GRACE: it stands still then. */
	if (now - most > machine.last)
		machine.last = now - most;
	now = machine.last;
	must(!pthread_mutex_unlock(&machine.lock));
	return now;
}

static inline long long machine_ms(void)
{
	return machine_now() / 1000000;
}

#endif
