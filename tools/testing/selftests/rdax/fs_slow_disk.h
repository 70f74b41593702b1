/* SPDX-License-Identifier: GPL-2.0 */
/*
 * O_DIRECT between mapped pages and a disk that takes its time: a device-mapper
 * disk, on which I/O waits while it is suspended. The pages are referenced from
 * io_submit() until it is resumed.
 */
#ifndef FS_SLOW_DISK_H
#define FS_SLOW_DISK_H

#include <linux/aio_abi.h>
#include <linux/dm-ioctl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "fs_test.h"

static struct {
	const char *name;
	int fd, control;
	aio_context_t context;
	int pending;
} slow_disk = { .fd = -1 };

static inline int slow_disk_suspend(bool on)
{
	struct dm_ioctl dm = {
		.version = { DM_VERSION_MAJOR, 0, 0 },
		.data_size = sizeof(dm),
		.data_start = sizeof(dm),
		.flags = on ? DM_SUSPEND_FLAG | DM_SKIP_LOCKFS_FLAG |
			      DM_NOFLUSH_FLAG : 0,
	};

	strncpy(dm.name, slow_disk.name, sizeof(dm.name) - 1);
	return ioctl(slow_disk.control, DM_DEV_SUSPEND, &dm);
}

/* A task with I/O in flight does not exit before that is done. */
static inline void slow_disk_abandon(void)
{
	slow_disk_suspend(false);
}

static inline void slow_disk_killed(int sig)
{
	slow_disk_abandon();
	_exit(1);
}

/* @name as in /dev/mapper. It works until it is suspended. */
static inline void slow_disk_open(const char *name)
{
	char path[128];

	slow_disk.name = name;
	slow_disk.control = open("/dev/mapper/control", O_RDWR | O_CLOEXEC);
	must(slow_disk.control >= 0);
	snprintf(path, sizeof(path), "/dev/mapper/%s", name);
	slow_disk.fd = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
	if (slow_disk.fd < 0)
		fail("%s: %m", path);
	must(!syscall(SYS_io_setup, 64, &slow_disk.context));
	on_fail = slow_disk_abandon;
	signal(SIGTERM, slow_disk_killed);
}

/* Reads from the disk to @buf, or writes; done some time after it is resumed. */
static inline void slow_disk_submit(bool read, void *buf, size_t len, off_t off,
				    u64 cookie)
{
	struct iocb io = {
		.aio_data = cookie,
		.aio_lio_opcode = read ? IOCB_CMD_PREAD : IOCB_CMD_PWRITE,
		.aio_fildes = slow_disk.fd,
		.aio_buf = (uintptr_t)buf,
		.aio_nbytes = len,
		.aio_offset = off,
	}, *list = &io;

	must_eq(syscall(SYS_io_submit, slow_disk.context, 1, &list), 1);
	slow_disk.pending++;
}

/* Waits for one; its cookie. */
static inline u64 slow_disk_reap(size_t *len)
{
	struct io_event event;

	must(slow_disk.pending > 0);
	must_eq(syscall(SYS_io_getevents, slow_disk.context, 1, 1, &event, NULL),
		1);
	must((long long)event.res >= 0);
	slow_disk.pending--;
	*len = event.res;
	return event.data;
}

#endif
