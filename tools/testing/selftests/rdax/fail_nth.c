// SPDX-License-Identifier: GPL-2.0
/*
 * fail_nth FIRST LAST STEP FILE TEXT COMMAND
 *
 * Writes TEXT to FILE (a driver's bind) with its n-th memory allocation made
 * to fail, n = FIRST, FIRST + STEP, ... until a write finishes before it comes
 * to its n-th allocation, or LAST is passed. COMMAND is run after each write,
 * with $NTH and $RESULT set ("ok" or an errno); it fails the test by failing.
 * Prints the last n. Exits with 1 if the end was not reached.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dax_test.h"

/* The failure hits this task only, so everything is opened before. */
static int inject(int nth_fd, int fd, const char *text, unsigned long n,
		  unsigned long *left)
{
	char num[24];
	ssize_t len;
	int err = 0;

	snprintf(num, sizeof(num), "%lu", n);
	must(pwrite(nth_fd, num, strlen(num), 0) == (ssize_t)strlen(num));
	if (pwrite(fd, text, strlen(text), 0) < 0)
		err = errno;
	len = pread(nth_fd, num, sizeof(num) - 1, 0);
	must(len > 0);
	num[len] = '\0';
	*left = strtoul(num, NULL, 0);
	must(pwrite(nth_fd, "0", 1, 0) == 1);
	return err;
}

int main(int argc, char **argv)
{
	unsigned long n, first, last, step, left = 0, failed = 0;
	int nth_fd, fd, err, rc;
	char num[24], res[24];

	if (argc != 7)
		fail("usage: fail_nth FIRST LAST STEP FILE TEXT COMMAND");
	first = strtoul(argv[1], NULL, 0);
	last = strtoul(argv[2], NULL, 0);
	step = strtoul(argv[3], NULL, 0);
	nth_fd = open("/proc/self/fail-nth", O_RDWR | O_CLOEXEC);
	if (nth_fd < 0)
		skip("no fail-nth: kernel without CONFIG_FAULT_INJECTION");
	for (n = first; n <= last; n += step) {
		fd = open(argv[4], O_WRONLY | O_CLOEXEC);
		if (fd < 0)
			fail("open %s: %m", argv[4]);
		err = inject(nth_fd, fd, argv[5], n, &left);
		close(fd);
		failed += !!err;
		snprintf(num, sizeof(num), "%lu", n);
		snprintf(res, sizeof(res), "%s", err ? strerrorname_np(err) :
			 "ok");
		setenv("NTH", num, 1);
		setenv("RESULT", res, 1);
		rc = system(argv[6]);
		if (rc)
			fail("n = %lu (%s): check failed: %#x", n, res, rc);
		if (left) {
			if (err)
				fail("n = %lu: %s with no failure injected", n,
				     res);
			break;
		}
	}
	note("%lu allocations, %lu probes failed", n, failed);
	printf("%lu\n", n);
	if (!left)
		fail("the end was not reached by n = %lu", last);
	if (!failed)
		fail("no injected failure made a probe fail");
	return 0;
}
