// SPDX-License-Identifier: GPL-2.0
/*
 * Memory runs out in operations on a mounted volume: see fs_fail.h. DEVICE has a
 * volume that is not mounted; DIRECTORY is on another file system.
 */
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mount.h>

#include "fs_fail.h"

#define EVERY_OPTION	"errors=continue,dax=always,drain=strict,drain_ms=7"
/* Of the superblock. */
#define STATE_AT	20

static const char *device, *disk;
static int fd;
/* It is mounted, but not to be seen, until its last file is closed. */
static bool detached;

/* As the medium has it, whatever the page cache of the device. */
static uint32_t volume_state(void)
{
	static char *block;
	uint32_t state;
	int dev;

	if (!block)
		block = page_alloc(PAGE);
	dev = open(device, O_RDONLY | O_DIRECT);
	must(dev >= 0);
	full_pread(dev, block, PAGE, 0);
	must(!close(dev));
	memcpy(&state, block + STATE_AT, sizeof(state));
	return state;
}

static bool is_mounted(char *line, size_t len)
{
	FILE *mounts = fopen("/proc/self/mounts", "r");
	bool found = false;

	must(mounts);
	while (!found && fgets(line, len, mounts))
		found = !strncmp(line, device, strlen(device)) &&
			line[strlen(device)] == ' ';
	fclose(mounts);
	return found;
}

/* How the volume is mounted, or that nothing of a mount is left. */
static void mount_state(struct digest *d, const char *path, int leave_out)
{
	char line[512], dir[256];
	long long end;

	d->len = 0;
	if (is_mounted(line, sizeof(line))) {
		digest_add(d, "%s", line);
	} else if (detached) {
		digest_add(d, "detached\n");
	} else {
		snprintf(dir, sizeof(dir), "/sys/kernel/debug/rdaxfs/%s", disk);
		for (end = now_ms() + 20000; !access(dir, F_OK); usleep(10000))
			if (now_ms() > end)
				fail("%s is left", dir);
		digest_add(d, "not mounted\n");
	}
	digest_add(d, "state %u\n", volume_state());
}

static void mountpoint(void)
{
	must(!mkdir("m", 0755));
}

static long mount_with(unsigned long flags, const char *options)
{
	return mount(device, "m", "rdaxfs", flags, options);
}

static long mount_rw(void)
{
	return mount_with(0, NULL);
}

static long mount_ro(void)
{
	return mount_with(MS_RDONLY, NULL);
}

static long mount_options(void)
{
	return mount_with(MS_NOATIME, EVERY_OPTION);
}

static long mount_bad(void)
{
	if (!mount_with(0, "drain=sometimes"))
		return 1;
	return errno == EINVAL ? 0 : -1;
}

static long mount_garbage(void)
{
	if (!mount("/dev/null", "m", "rdaxfs", 0, NULL))
		return 1;
	return errno == ENOTBLK ? 0 : -1;
}

static void mounted_with(unsigned long flags)
{
	mountpoint();
	if (mount_with(flags, NULL))
		fail("mount: %m");
}

static void mounted(void)
{
	mounted_with(0);
}

static void mounted_ro(void)
{
	mounted_with(MS_RDONLY);
}

static void in_use(void)
{
	mounted();
	fd = open("m/f", O_RDWR | O_CREAT | O_TRUNC, 0644);
	must(fd >= 0);
	full_pwrite(fd, "data", 4, 0);
}

static void used(void)
{
	in_use();
	must(!close(fd));
}

/* The last user of the volume is that of an unlinked file. */
static void last_user(void)
{
	in_use();
	must(!unlink("m/f"));
	must(!umount2("m", MNT_DETACH));
	detached = true;
}

static void after_last(long ret)
{
	detached = false;
}

static long close_last(void)
{
	return close(fd);
}

static void unmount(void)
{
	char line[512];

	if (is_mounted(line, sizeof(line)) && umount2("m", 0))
		fail("umount: %m");
}

static long unmount_now(void)
{
	return umount2("m", 0);
}

static long remount(unsigned long flags, const char *options)
{
	return mount(NULL, "m", NULL, MS_REMOUNT | flags, options);
}

static long remount_ro(void)
{
	return remount(MS_RDONLY, NULL);
}

static long remount_rw(void)
{
	return remount(0, NULL);
}

static long remount_options(void)
{
	return remount(MS_RDONLY, EVERY_OPTION);
}

static void opened(void)
{
	mounted();
	fd = open("m", O_RDONLY | O_DIRECTORY);
	must(fd >= 0);
}

static void frozen(void)
{
	opened();
	must(!ioctl(fd, FIFREEZE, 0));
}

static long freeze(void)
{
	return ioctl(fd, FIFREEZE, 0);
}

static long thaw(void)
{
	return ioctl(fd, FITHAW, 0);
}

static void after_freeze(long ret)
{
	if (ret < 0)
		must_fail(thaw(), EINVAL);
	else
		must(!thaw());
	must(!close(fd));
}

static void after_thaw(long ret)
{
	if (ret < 0)
		must(!thaw());
	else
		must_fail(thaw(), EINVAL);
	must(!close(fd));
}

static long go_down(uint32_t how)
{
	return ioctl(fd, GOINGDOWN, &how);
}

static long go_down_frozen(void)
{
	return go_down(0);
}

static long go_down_now(void)
{
	return go_down(2);
}

/* It works as before, or not at all. */
static void after_down(long ret)
{
	must_fail(thaw(), EINVAL);
	if (ret < 0)
		must(!mkdir("m/works", 0755) && !rmdir("m/works"));
	else
		must_fail(mkdir("m/works", 0755), EIO);
	must(!close(fd));
}

static long sync_it(void)
{
	return syncfs(fd);
}

static void close_fd(long ret)
{
	must(!close(fd));
}

#define MOUNT_OP(name, setup, run, ...)					\
	OP(name, setup, run, .cleanup = unmount, .flags = FRESH, ##__VA_ARGS__)

static const struct op ops[] = {
	MOUNT_OP("mount", mountpoint, mount_rw),
	MOUNT_OP("mount-ro", mountpoint, mount_ro),
	MOUNT_OP("mount-options", mountpoint, mount_options),
	MOUNT_OP("mount-bad-option", mountpoint, mount_bad),
	MOUNT_OP("mount-no-device", mountpoint, mount_garbage),
	MOUNT_OP("umount", used, unmount_now),
	OP("close-last", last_user, close_last, .after = after_last,
	   .cleanup = unmount, .flags = FRESH | NEVER),
	MOUNT_OP("remount-ro", used, remount_ro),
	MOUNT_OP("remount-rw", mounted_ro, remount_rw),
	MOUNT_OP("remount-options", used, remount_options),
	MOUNT_OP("sync", opened, sync_it, .after = close_fd),
	MOUNT_OP("freeze", opened, freeze, .after = after_freeze),
	MOUNT_OP("thaw", frozen, thaw, .after = after_thaw),
	MOUNT_OP("shutdown", opened, go_down_now, .after = after_down),
	MOUNT_OP("shutdown-freeze", opened, go_down_frozen,
		 .after = after_down),
	{ .name = NULL },
};

int main(int argc, char **argv)
{
	if (argc < 4)
		fail("usage: fs_fail_mount DEVICE once|lasting DIRECTORY [NAME...]");
	device = argv[1];
	disk = strrchr(device, '/') + 1;
	fs_fail.state = mount_state;
	fail_ops(ops, argv + 2);
	return 0;
}
