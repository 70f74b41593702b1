/* SPDX-License-Identifier: GPL-2.0 */
/* Failing the n-th memory allocation of one system call of this task. */
#ifndef DAX_FAIL_H
#define DAX_FAIL_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "dax_test.h"

struct fail_nth {
	int fd;
};

/* From now on; skips the test if the kernel cannot do that. */
static inline struct fail_nth fail_nth_begin(unsigned long n)
{
	struct fail_nth nth = { open("/proc/self/fail-nth", O_RDWR) };
	char num[24];
	ssize_t len;

	if (nth.fd < 0)
		skip("no fail-nth: kernel without CONFIG_FAULT_INJECTION");
	len = snprintf(num, sizeof(num), "%lu", n);
	must(pwrite(nth.fd, num, len, 0) == len);
	return nth;
}

/*
 * With @nth armed: not only that one, but all from there on. The attributes must
 * have probability 100, times -1 and task-filter, see lasting_injection().
 */
static inline void fail_lasting(bool on)
{
	static int fd = -1;

	if (fd < 0)
		fd = open("/proc/self/make-it-fail", O_WRONLY | O_CLOEXEC);
	must(fd >= 0);
	must(pwrite(fd, on ? "1" : "0", 1, 0) == 1);
}

/* How many allocations were missing to the n-th: 0 if it has failed. */
static inline unsigned long fail_nth_end(struct fail_nth nth)
{
	char num[24];
	ssize_t len = pread(nth.fd, num, sizeof(num) - 1, 0);

	must(len > 0);
	num[len] = '\0';
	must(pwrite(nth.fd, "0", 1, 0) == 1);
	close(nth.fd);
	return strtoul(num, NULL, 0);
}

#endif
