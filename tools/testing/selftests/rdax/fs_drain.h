/* SPDX-License-Identifier: GPL-2.0 */
/* Time, what takes blocks from a file, and blocks that come back. */
#ifndef FS_DRAIN_H
#define FS_DRAIN_H

#include <sys/statvfs.h>

#include "dax_clock.h"
#include "fs_test.h"

static inline void pause_until(long long when)
{
	struct timespec ts = { when / (1000 * MS), when % (1000 * MS) };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL))
		;
}

static inline void pause_for(long long ns)
{
	pause_until(now() + ns);
}

static inline void punch(int fd, off_t pos, off_t len)
{
	must(!fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, pos,
			len));
}

static inline unsigned long long free_blocks(void)
{
	struct statvfs st;

	must(!statvfs(".", &st));
	return st.f_bfree;
}

/* The same, once there are the inodes that a test needs: those stay. */
static inline unsigned long long free_blocks_warm(void)
{
	touch("f");
	touch("filler");
	touch("more");
	must(!unlink("f") && !unlink("filler") && !unlink("more"));
	return free_blocks();
}

/* Blocks come back some time after the last reference. */
static inline void want_free(unsigned long long want)
{
	long long end = now() + 50 * 1000 * MS * time_factor();

	while (free_blocks() != want) {
		if (now() > end)
			must_eq(free_blocks(), want);
		pause_for(20 * MS);
	}
}

/* Takes, and zeroes, all blocks that there are. */
static inline void fill_up(const char *path)
{
	off_t len = 32 << 20, size = 0;
	int fd = new_at(path, 0644);

	while (len >= (off_t)PAGE) {
		if (!fallocate(fd, 0, size, len)) {
			size += len;
			continue;
		}
		must(errno == ENOSPC);
		len /= 2;
	}
	note("%lld MiB fill it", (long long)size >> 20);
	close(fd);
}

#endif
