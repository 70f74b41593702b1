// SPDX-License-Identifier: GPL-2.0
/*
 * fail_nth LAST STEP DRIVER DEVICE [ABSENT...]
 *
 * DRIVER and DEVICE are sysfs directories. Binds the device with the n-th
 * memory allocation of that failing, n = 1, 1 + STEP, ... until a bind is over
 * before it comes to its n-th allocation. After each bind, failed or not, and
 * the unbind that follows if it did not fail, none of the paths ABSENT may
 * exist, and /proc/iomem must be what it was.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dax_fail.h"

static const char *driver, *device, *name;
static char iomem[2][65536];

static int put(const char *file)
{
	char path[256];
	int fd, err;

	snprintf(path, sizeof(path), "%s/%s", driver, file);
	fd = open(path, O_WRONLY);
	if (fd < 0)
		fail("open %s: %m", path);
	err = write(fd, name, strlen(name)) < 0 ? errno : 0;
	close(fd);
	return err;
}

static void read_iomem(char *buf)
{
	size_t len = 0;
	ssize_t n;
	int fd;

	fd = open("/proc/iomem", O_RDONLY);
	must(fd >= 0);
	do {
		n = read(fd, buf + len, sizeof(iomem[0]) - 1 - len);
		must(n >= 0);
		len += n;
	} while (n);
	buf[len] = '\0';
	close(fd);
}

/* The n-th allocation of the write fails, and only of that. */
static int bind_failing(unsigned long n, unsigned long *left)
{
	struct fail_nth nth;
	char path[256];
	int fd, err;

	snprintf(path, sizeof(path), "%s/bind", driver);
	fd = open(path, O_WRONLY);
	if (fd < 0)
		fail("open %s: %m", path);
	nth = fail_nth_begin(n);
	err = write(fd, name, strlen(name)) < 0 ? errno : 0;
	*left = fail_nth_end(nth);
	close(fd);
	return err;
}

static void check(unsigned long n, int err, char **absent)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/driver", device);
	if (!access(path, F_OK)) {
		int unbind_err = put("unbind");

		if (err)
			fail("n = %lu: bound in spite of %s", n, strerror(err));
		if (unbind_err)
			fail("n = %lu: unbind: %s", n, strerror(unbind_err));
	} else if (!err) {
		fail("n = %lu: bind returned success and did not bind", n);
	}
	for (; *absent; absent++)
		if (!access(*absent, F_OK))
			fail("n = %lu (%s): left behind: %s", n, strerror(err),
			     *absent);
	read_iomem(iomem[1]);
	if (strcmp(iomem[0], iomem[1]))
		fail("n = %lu (%s): /proc/iomem is not as it was", n,
		     strerror(err));
}

int main(int argc, char **argv)
{
	unsigned long n, last, step, left = 0, failed = 0, survived = 0;
	int err;

	if (argc < 5)
		fail("usage: fail_nth LAST STEP DRIVER DEVICE [ABSENT...]");
	last = strtoul(argv[1], NULL, 0);
	step = strtoul(argv[2], NULL, 0);
	driver = argv[3];
	device = argv[4];
	name = strrchr(device, '/') + 1;
	read_iomem(iomem[0]);
	for (n = 1; n <= last; n += step) {
		err = bind_failing(n, &left);
		check(n, err, argv + 5);
		if (left) {
			if (err)
				fail("n = %lu: %s, and nothing had failed", n,
				     strerror(err));
			break;
		}
		if (err)
			failed++;
		else
			survived++;
	}
	note("%lu probes failed, %lu went on without what they did not get",
	     failed, survived);
	if (!left)
		fail("a probe has more than %lu allocations", last);
	if (!failed)
		fail("no failed allocation made a probe fail");
	return 0;
}
