// SPDX-License-Identifier: GPL-2.0
/*
 * Mounts, unmounts and shuts down a volume while its memory is traced.
 *
 *   crash_trace begin START SIZE		of the memory, physical
 *   crash_trace mount|umount|remount DEV DIR
 *   crash_trace sync DIR			nothing that changes anything
 *   crash_trace shutdown DIR
 *   crash_trace end
 */
#include <linux/fs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>

#include "crash_trace.h"

static void cmd_begin(char **argv)
{
	mark("begin %s %s", argv[0], argv[1]);
	/* A system call later the plugin records: the host looks for this. */
	sched_yield();
	mark("recording");
}

static void cmd_mount(char **argv)
{
	SAME("mount", !mount(argv[0], argv[1], "rdaxfs", MS_NOATIME, NULL));
}

static void cmd_umount(char **argv)
{
	SAME("umount", !umount(argv[1]));
}

static void cmd_remount(char **argv)
{
	const unsigned long flags = MS_REMOUNT | MS_NOATIME;

	SAME("remount read-only", !mount(argv[0], argv[1], "rdaxfs",
					 flags | MS_RDONLY, NULL));
	SAME("remount", !mount(argv[0], argv[1], "rdaxfs", flags, NULL));
}

static void cmd_sync(char **argv)
{
	int fd = open(argv[0], O_RDONLY | O_DIRECTORY);

	must(fd >= 0);
	SAME("syncfs", !syncfs(fd));
	SAME("fsync of a directory", !fsync(fd));
	SAME("freeze", !ioctl(fd, FIFREEZE, 0));
	SAME("thaw", !ioctl(fd, FITHAW, 0));
}

static void cmd_shutdown(char **argv)
{
	int fd = open(argv[0], O_RDONLY | O_DIRECTORY);
	uint32_t how = 2;

	must(fd >= 0);
	SAME("shutdown", !ioctl(fd, GOINGDOWN, &how));
}

static void cmd_end(char **argv)
{
	mark("end");
}

int main(int argc, char **argv)
{
	static const struct cmd cmds[] = {
		{ "begin", 2, cmd_begin },
		{ "mount", 2, cmd_mount },
		{ "umount", 2, cmd_umount },
		{ "remount", 2, cmd_remount },
		{ "sync", 1, cmd_sync },
		{ "shutdown", 1, cmd_shutdown },
		{ "end", 0, cmd_end },
		{ }
	};

	return run_cmd(cmds, argc, argv);
}
