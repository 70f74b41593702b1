// SPDX-License-Identifier: GPL-2.0
/*
 * Unbinds a device and unloads its driver, with nothing in between: what is done after
 * the unbinding has told its caller that it is over must not have the module any more.
 *
 * usage: dax_unload UNBIND_FILE DEVICE MODULE
 */
#include <err.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	size_t len;
	int fd;

	if (argc != 4)
		errx(2, "usage: dax_unload UNBIND_FILE DEVICE MODULE");
	fd = open(argv[1], O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		err(1, "%s", argv[1]);
	len = strlen(argv[2]);
	if (write(fd, argv[2], len) != (ssize_t)len)
		err(1, "%s: %s", argv[1], argv[2]);
	/* Frees the attribute; sysfs would hold up the driver for it. */
	close(fd);
	if (syscall(SYS_delete_module, argv[3], O_NONBLOCK))
		err(1, "delete_module: %s", argv[3]);
	return 0;
}
