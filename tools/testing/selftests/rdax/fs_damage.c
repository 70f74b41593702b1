// SPDX-License-Identifier: GPL-2.0
/*
 * Damages structures of rdaxfs on a device, with good checksums where it says
 * so, and listens for what a file system reports of such.
 */
#include <linux/fs.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/fanotify.h>
#include <sys/ioctl.h>

#include "fs_test.h"

#define INODE_SIZE 256
#define INODE_NLINK 24
#define INODE_EXTENTS 128
#define SLOT_HEAD 64

static uint32_t crc32c(const void *data, size_t len)
{
	const unsigned char *byte = data;
	uint32_t crc = ~0U;
	int bit;

	while (len--) {
		crc ^= *byte++;
		for (bit = 0; bit < 8; bit++)
			crc = crc & 1 ? crc >> 1 ^ 0x82f63b78 : crc >> 1;
	}
	return ~crc;
}

/* Also of what a mounted file system has stored since the last time. */
static int device(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		fail("open %s: %m", path);
	must(!ioctl(fd, BLKFLSBUF));
	return fd;
}

static void get(int fd, void *data, size_t len, off_t at)
{
	must(pread(fd, data, len, at) == (ssize_t)len);
}

static void put(int fd, const void *data, size_t len, off_t at)
{
	must(pwrite(fd, data, len, at) == (ssize_t)len);
	must(!fsync(fd));
	must(!ioctl(fd, BLKFLSBUF));
}

static off_t inode_at(const char *ino)
{
	return strtoull(ino, NULL, 0) * INODE_SIZE;
}

static void get_inode(int fd, unsigned char *inode, const char *ino)
{
	uint64_t number;

	get(fd, inode, INODE_SIZE, inode_at(ino));
	memcpy(&number, inode + 8, sizeof(number));
	must_eq(number, strtoull(ino, NULL, 0));
}

static void put_inode(int fd, unsigned char *inode, const char *ino)
{
	uint32_t crc = crc32c(inode + 4, INODE_SIZE - 4);

	memcpy(inode, &crc, sizeof(crc));
	put(fd, inode, INODE_SIZE, inode_at(ino));
}

/* flip DEV INO: a bit of the inode; its checksum is bad then. */
static void cmd_flip(char **argv)
{
	int fd = device(argv[0]);
	unsigned char inode[INODE_SIZE];

	get_inode(fd, inode, argv[1]);
	inode[100] ^= 1;
	put(fd, inode, sizeof(inode), inode_at(argv[1]));
}

/* links DEV INO COUNT */
static void cmd_links(char **argv)
{
	int fd = device(argv[0]);
	unsigned char inode[INODE_SIZE];
	uint32_t count = atoi(argv[2]);

	get_inode(fd, inode, argv[1]);
	memcpy(inode + INODE_NLINK, &count, sizeof(count));
	put_inode(fd, inode, argv[1]);
}

/* share DEV FROM TO: the first extent of inode TO is that of FROM. */
static void cmd_share(char **argv)
{
	int fd = device(argv[0]);
	unsigned char from[INODE_SIZE], to[INODE_SIZE];

	get_inode(fd, from, argv[1]);
	get_inode(fd, to, argv[2]);
	memcpy(to + INODE_EXTENTS, from + INODE_EXTENTS, 16);
	put_inode(fd, to, argv[2]);
}

/* transaction DEV BYTE: the second journal slot has one that stores there. */
static void cmd_transaction(char **argv)
{
	static struct {
		uint64_t commit, sequence;
		uint32_t len, crc;
		unsigned char reserved[40];
		uint64_t at;
		uint32_t size, zero;
		unsigned char data[16];
	} slot = { .commit = 9, .sequence = 9, .len = 32, .size = 16 };
	unsigned char covered[8 + 32];

	slot.at = strtoull(argv[1], NULL, 0);
	memset(slot.data, 0xee, sizeof(slot.data));
	memcpy(covered, &slot.sequence, 8);
	memcpy(covered + 8, &slot.at, 32);
	slot.crc = crc32c(covered, sizeof(covered));
	put(device(argv[0]), &slot, sizeof(slot), 4096 + 8192);
}

/* The errno of an event of a file system error; 0 if there is none in time. */
static int next_error(int fd)
{
	struct pollfd ready = { .fd = fd, .events = POLLIN };
	static char buf[4096] __attribute__((aligned(8)));
	struct fanotify_event_metadata *event = (void *)buf;
	struct fanotify_event_info_error *info = (void *)(event + 1);
	char *end;

	/* Only an event that does not come at all takes that long. */
	if (poll(&ready, 1, 60000) != 1)
		return 0;
	must(read(fd, buf, sizeof(buf)) > 0);
	must_eq(event->mask, FAN_FS_ERROR);
	/* The handle of the file comes before it, or after it. */
	end = buf + event->event_len;
	while (info->hdr.info_type != FAN_EVENT_INFO_TYPE_ERROR) {
		must(info->hdr.len > 0);
		info = (void *)((char *)info + info->hdr.len);
		must((char *)(info + 1) <= end);
	}
	note("error %d, %u times", info->error, info->error_count);
	return info->error;
}

/* listen MNT ERRNO COMMAND...: which makes the file system report that. */
static void cmd_listen(char **argv)
{
	int fd = fanotify_init(FAN_CLASS_NOTIF | FAN_REPORT_FID | FAN_CLOEXEC, O_RDONLY);
	int want = atoi(argv[1]), got;
	pid_t pid;

	must(fd >= 0);
	if (fanotify_mark(fd, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, FAN_FS_ERROR,
			  AT_FDCWD, argv[0]))
		fail("fanotify_mark %s: %m", argv[0]);
	pid = fork();
	must(pid >= 0);
	if (!pid) {
		execvp(argv[2], argv + 2);
		fail("%s: %m", argv[2]);
	}
	must(waitpid(pid, NULL, 0) == pid);
	while ((got = next_error(fd)) != want)
		if (!got)
			fail("no report of error %d", want);
}

/* Bytes of kernel memory that are charged to the cgroup. */
static unsigned long long charged(const char *group)
{
	char path[4096], line[256];
	unsigned long long bytes;
	FILE *f;

	snprintf(path, sizeof(path), "%s/memory.stat", group);
	f = fopen(path, "r");
	if (!f)
		fail("%s: %m", path);
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "kernel %llu", &bytes) == 1) {
			must(!fclose(f));
			return bytes;
		}
	fail("%s: no kernel memory", path);
}

static void join(const char *group)
{
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/cgroup.procs", group);
	fd = open(path, O_WRONLY);
	must(fd >= 0);
	must(write(fd, "0", 1) == 1);
	must(!close(fd));
}

static void want_charged(const char *group, unsigned long long before,
			 unsigned long long want)
{
	unsigned long long after;
	int tries;

	/* Small changes are added up every two seconds, not when they are read. */
	for (tries = 0; tries < 300; tries++) {
		after = charged(group);
		if (after >= before + want) {
			note("charged: %llu, then %llu bytes", before, after);
			return;
		}
		usleep(100000);
	}
	fail("%llu bytes are charged, %llu before: want %llu more", after,
	     before, want);
}

/* extents GROUP FILE COUNT: memory of extents is charged to its user. */
static void cmd_extents(char **argv)
{
	int fd, i, count = atoi(argv[2]);
	unsigned long long before;

	join(argv[0]);
	fd = new_at(argv[1], 0644);
	must(!fallocate(fd, 0, 0, 4096));
	before = charged(argv[0]);
	for (i = 1; i < count; i++)
		must(!fallocate(fd, 0, i * 8192LL, 4096));
	/* An extent takes 24 bytes at least. */
	want_charged(argv[0], before, count * 24ULL);
	must(!close(fd));
}

static const struct cmd cmds[] = {
	{ "flip", 2, cmd_flip },
	{ "links", 3, cmd_links },
	{ "share", 3, cmd_share },
	{ "transaction", 2, cmd_transaction },
	{ "extents", 3, cmd_extents },
	{ }
};

int main(int argc, char **argv)
{
	if (argc > 4 && !strcmp(argv[1], "listen")) {
		cmd_listen(argv + 2);
		return 0;
	}
	return run_cmd(cmds, argc, argv);
}
