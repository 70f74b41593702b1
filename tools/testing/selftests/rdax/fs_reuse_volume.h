/* SPDX-License-Identifier: GPL-2.0 */
/* The volumes that the files of fs_reuse.h are on, and what fills them. */
#ifndef FS_REUSE_VOLUME_H
#define FS_REUSE_VOLUME_H

#include "fs_reuse_hold.h"

/* Names in a directory; they take inodes and blocks that are no data. */
#define NAMES		12
#define DIRS		4
/* How long blocks may take to be free, in units of 20 ms. */
#define FREE_PATIENCE	1500

struct volume {
	const char *mnt, *dev;
	unsigned long long free;
	unsigned int dirs;
};

static struct volume volumes[2];
static unsigned int nvolumes;
static char mount_options[64] = "drain_ms=10";

static inline unsigned long long free_blocks(const struct volume *v)
{
	struct statvfs st;

	must(!statvfs(v->mnt, &st));
	return st.f_bfree;
}

static inline void pause_ms(long ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&ts, NULL);
}

/* Blocks come back some time after the last reference. */
static inline void want_free(const struct volume *v)
{
	int i;

	for (i = 0; free_blocks(v) != v->free && i < FREE_PATIENCE * time_factor(); i++)
		pause_ms(20);
	must_eq(free_blocks(v), v->free);
}

static inline void set_options(const char *options)
{
	unsigned int i;

	snprintf(mount_options, sizeof(mount_options), "%s", options);
	for (i = 0; i < nvolumes; i++)
		if (mount(volumes[i].dev, volumes[i].mnt, "rdaxfs", MS_REMOUNT,
			  options))
			fail("remount with %s: %m", options);
}

static inline void dir_name(char *path, const struct volume *v, unsigned int dir, int name)
{
	int n = sprintf(path, "%s/d%u", v->mnt, dir);

	if (name >= 0)
		sprintf(path + n, "/%d-%0160d", name, name);
}

static inline void make_dir(struct volume *v)
{
	char path[512];
	int i, fd;

	dir_name(path, v, v->dirs, -1);
	if (mkdir(path, 0700)) {
		must(errno == ENOSPC);
		return;
	}
	for (i = 0; i < NAMES; i++) {
		dir_name(path, v, v->dirs, i);
		fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (fd < 0) {
			must(errno == ENOSPC);
			break;
		}
		must(!close(fd));
	}
	v->dirs++;
}

static inline void remove_dirs(struct volume *v)
{
	char path[512];
	int i;

	for (; v->dirs; v->dirs--) {
		for (i = 0; i < NAMES; i++) {
			dir_name(path, v, v->dirs - 1, i);
			if (unlink(path)) {
				must(errno == ENOENT);
				break;
			}
		}
		for (; i < NAMES; i++) {
			dir_name(path, v, v->dirs - 1, i);
			must_fail(unlink(path), ENOENT);
		}
		dir_name(path, v, v->dirs - 1, -1);
		must(!rmdir(path));
	}
}

/* One more file or directory. False if there is no space for all of it. */
static inline bool add_filler(struct volume *v, size_t n)
{
	struct file *f;
	size_t i;

	if (v->dirs < DIRS && !below(6))
		make_dir(v);
	f = new_file(v->mnt, below(2));
	if (!f)
		return false;
	switch (below(8)) {
	case 0:
		return allocate_zeroes(f, 0, n) && store_pages(f, below(n), 1) == 1;
	case 1:
		resize(f, n);
		return f->pages == n && store_pages(f, 0, n) == n;
	case 2:
		if (!allocate_zeroes(f, FALLOC_FL_WRITE_ZEROES, n))
			return false;
		for (i = below(16); i < n; i += 16)
			store_pages(f, i, 1);
		return true;
	default:
		return write_pages(f, 0, n) == n;
	}
}

/* Until no block is left. */
static inline void fill_volume(struct volume *v)
{
	size_t n = 256;

	while (n && used < NFILES - 8) {
		size_t want = used > NFILES / 2 ? MAX_PAGES / 2 : 1 + below(n);

		if (want > n)
			want = n;
		if (!add_filler(v, want))
			n /= 2;
	}
	/* Only who finds no block at all has tried each. */
	while (used < NFILES && add_filler(v, 1))
		;
}

static inline void remove_all(void)
{
	unsigned int i;

	while (used)
		remove_file(&files[used - 1]);
	for (i = 0; i < nvolumes; i++)
		remove_dirs(&volumes[i]);
}

/* Inodes stay when their files are gone: as many as a test needs at most. */
static inline void warm(struct volume *v)
{
	unsigned int i;
	char path[512];

	for (i = 0; i < DIRS; i++)
		make_dir(v);
	for (i = 0; i < NFILES; i++) {
		sprintf(path, "%s/w%u", v->mnt, i);
		touch(path);
	}
	for (i = 0; i < NFILES; i++) {
		sprintf(path, "%s/w%u", v->mnt, i);
		must(!unlink(path));
	}
	remove_dirs(v);
	v->free = free_blocks(v);
}

static inline void add_volume(const char *mnt, const char *dev)
{
	struct volume *v = &volumes[nvolumes++];

	v->mnt = mnt;
	v->dev = dev;
	warm(v);
}

static inline void begin_test(const char *disk_name)
{
	engine = open("/dev/rdax_pin", O_RDWR | O_CLOEXEC);
	if (engine < 0)
		fail("/dev/rdax_pin: %m");
	disk = strcmp(disk_name, "-");
	if (disk)
		slow_disk_open(disk_name);
	catch_sigbus();
}

static inline void run_fsck(const char *dev)
{
	char command[256];

	snprintf(command, sizeof(command),
		 "out=$(fsck.rdaxfs -n %s 2>&1) || { echo \"$out\"; exit 1; } >&2",
		 dev);
	if (system(command)) {
		show_history();
		fail("fsck finds errors on %s", dev);
	}
}

static inline void close_files(void)
{
	unsigned int i;

	for (i = 0; i < used; i++)
		close_file(&files[i]);
}

static inline void open_files(void)
{
	unsigned int i;

	for (i = 0; i < used; i++)
		open_file(&files[i]);
}

/* Pins of file ranges keep the file open, so there must be none. */
static inline void remount(void)
{
	unsigned int i;

	record("remount", NULL, 0, 0);
	release_kind(RANGE);
	close_files();
	for (i = 0; i < nvolumes; i++) {
		must(!umount(volumes[i].mnt));
		run_fsck(volumes[i].dev);
		must(!mount(volumes[i].dev, volumes[i].mnt, "rdaxfs", 0,
			    mount_options));
	}
	check_files();
	open_files();
}

/* What no one has open is evicted. */
static inline void evict(void)
{
	int fd = open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC);

	record("evict", NULL, 0, 0);
	close_files();
	must_eq(write(fd, "2", 1), 1);
	must(!close(fd));
	open_files();
}

#endif
