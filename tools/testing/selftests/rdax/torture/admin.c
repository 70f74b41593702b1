// SPDX-License-Identifier: GPL-2.0
/* What is done to the volume as a whole. */
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <time.h>

#include "torture.h"

void pause_us(long us)
{
	struct timespec ts = { us / 1000000, us % 1000000 * 1000 };

	nanosleep(&ts, NULL);
}

void op_drop_caches(struct task *t, struct view *v)
{
	int fd;

	/* It takes long. */
	if (below(t, 6))
		return;
	fd = open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC);
	must(fd >= 0);
	begin_entry(t, NULL, 0, 0, 0);
	went(t, write(fd, below(t, 2) ? "2" : "3", 1) == 1);
	must(!close(fd));
}

/* Whoever has begun goes on when it is over. */
void op_freeze(struct task *t, struct view *v)
{
	int fd;

	if (atomic_flag_test_and_set(&model->freezing))
		return;
	fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	begin_entry(t, NULL, 0, 0, 0);
	if (went(t, fd >= 0 && !ioctl(fd, FIFREEZE, 0))) {
		pause_us(below(t, 4000));
		if (ioctl(fd, FITHAW, 0) && !model->dying)
			wrong(NULL, 0, 0, "task %d: thaw: %m", t->number);
	}
	if (fd >= 0)
		must(!close(fd));
	atomic_flag_clear(&model->freezing);
}

/* How drains wait; read-only is refused, as files are open to be written. */
void op_remount(struct task *t, struct view *v)
{
	static const char *const options[] = {
		"drain=bounded,drain_ms=0", "drain=bounded,drain_ms=2", "drain=bounded,drain_ms=50",
		"drain=nowait", "drain=bounded,drain_ms=20",
	};
	int i = below(t, ARRAY_SIZE(options) + 1);

	begin_entry(t, NULL, 0, 0, i);
	if (i == ARRAY_SIZE(options) && v->file) {
		if (!mount(NULL, ".", NULL, MS_REMOUNT | MS_RDONLY, NULL) && !model->dying)
			wrong(NULL, 0, 0, "task %d: read-only with files that are open", t->number);
		went(t, false);
	} else if (i < (int)ARRAY_SIZE(options) && !model->strict) {
		went(t, !mount(NULL, ".", NULL, MS_REMOUNT, options[i]));
	} else {
		end_entry(t, 0);
	}
}

void op_sync(struct task *t, struct view *v)
{
	size_t page = below(t, MAX_PAGES - CHUNK);

	begin_entry(t, v, page, CHUNK, 0);
	if (below(t, 2))
		went(t, !fsync(v->fd));
	else
		went(t, !msync(v->map + page * PAGE, CHUNK * PAGE, MS_SYNC));
}
