// SPDX-License-Identifier: GPL-2.0
/*
 * kmsg MARK: prints the kernel log behind the last line that contains MARK.
 * One process instead of a pipeline of three: under emulation that is most of
 * what a small test costs.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dax_test.h"

int main(int argc, char **argv)
{
	static char rec[8192];
	size_t size = 0, used = 0;
	char *out = NULL, *text;
	ssize_t n;
	int fd;

	if (argc != 2)
		fail("usage: kmsg MARK");
	fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);
	if (fd < 0)
		fail("open /dev/kmsg: %m");
	for (;;) {
		n = read(fd, rec, sizeof(rec) - 1);
		if (n < 0 && (errno == EPIPE || errno == EINTR))
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		must(n > 0);
		rec[n] = '\0';
		text = strchr(rec, ';');
		if (!text)
			continue;
		if (strstr(text, argv[1])) {
			used = 0;
			continue;
		}
		/* The lines after the first one are properties of the device. */
		text++;
		n = strcspn(text, "\n") + 1;
		if (used + n + 1 > size) {
			size = 2 * (used + n + 1);
			out = realloc(out, size);
			must(out);
		}
		memcpy(out + used, text, n);
		used += n;
	}
	must(fwrite(out, 1, used, stdout) == used);
	return 0;
}
