// SPDX-License-Identifier: GPL-2.0
/* Memory runs out in operations on data: see fs_fail.h. */
#include <linux/falloc.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/uio.h>

#include "fs_fail.h"

#define RW	(PROT_READ | PROT_WRITE)
/* Of the file that most operations work on. */
#define SIZE	(8 * PAGE)
#define OLD	11
#define NEW	12
#define LARGE	(256UL << 10)

#ifndef FALLOC_FL_WRITE_ZEROES
#define FALLOC_FL_WRITE_ZEROES	0x80
#endif

static int fd, pipes[2];
static char *map, *buf;
/* What a write is to do. */
static struct {
	off_t at;
	size_t len;
	/* Of the file before. */
	off_t size;
} todo;

/* --- files */

static void written_file(void)
{
	fd = new_at("f", 0644);
	write_pattern(fd, SIZE, OLD);
}

static void file_with_holes(void)
{
	fd = new_at("f", 0644);
	must(!ftruncate(fd, SIZE));
	fill(buf, PAGE, OLD, 0);
	full_pwrite(fd, buf, PAGE, 0);
	fill(buf, PAGE, OLD, SIZE / 2);
	full_pwrite(fd, buf, PAGE, SIZE / 2);
}

static void unwritten_file(void)
{
	fd = new_at("f", 0644);
	/* More than what is zeroed at once. */
	must(!fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 65UL << 20));
	must(!ftruncate(fd, SIZE));
}

static void huge_hole(void)
{
	fd = new_at("f", 0644);
	must(!ftruncate(fd, 2 * PMD));
}

static void huge_file(void)
{
	fd = new_at("f", 0644);
	must(!fallocate(fd, 0, 0, 2 * PMD));
}

static void close_file(long ret)
{
	must(!close(fd));
}

/* --- writing */

static void will_write(off_t at, size_t len)
{
	todo.at = at;
	todo.len = len;
	todo.size = lstat_of("f").st_size;
	fill(buf, len, NEW, at);
}

static long do_write(void)
{
	return pwrite(fd, buf, todo.len, todo.at);
}

/* Eight bytes are of the pattern, or zeroes. */
static void verify_old_or_zero(const char *got, size_t len, off_t pos)
{
	static const char zero[8];
	size_t at;

	for (at = 0; at + 8 <= len; at += 8)
		if (memcmp(got + at, zero, 8))
			verify(got + at, 8, OLD, pos + at);
}

/* The same of the open file. */
static void verify_old(off_t from, off_t end)
{
	static char got[SIZE];

	if (from >= end)
		return;
	must(end - from <= (off_t)SIZE);
	full_pread(fd, got, end - from, from);
	verify_old_or_zero(got, end - from, from);
}

/* So much was written, and nothing else has changed. */
static void written_partly(long ret)
{
	off_t end = todo.at + ret;
	char *got;

	must(ret > 0);
	fd = open("f", O_RDWR);
	must(fd >= 0);
	want_size("f", end > todo.size ? end : todo.size);
	got = malloc(ret);
	must(got);
	full_pread(fd, got, ret, todo.at);
	verify(got, ret, NEW, todo.at);
	free(got);
	verify_old(0, todo.at < todo.size ? todo.at : todo.size);
	verify_old(end, todo.size);
	must(!close(fd));
}

static void in_place(void)
{
	written_file();
	will_write(PAGE, 2 * PAGE);
}

static void in_hole(void)
{
	file_with_holes();
	will_write(PAGE, SIZE - PAGE);
}

static void in_middle_of_block(void)
{
	file_with_holes();
	will_write(PAGE + 512, 1024);
}

static void appended(void)
{
	written_file();
	will_write(SIZE, 3 * PAGE);
}

static void appended_unaligned(void)
{
	fd = new_at("f", 0644);
	write_pattern(fd, PAGE + 800, OLD);
	will_write(PAGE + 800, 2 * PAGE);
}

static void after_hole(void)
{
	written_file();
	will_write(SIZE + 3 * PAGE + 104, PAGE);
}

static void large(void)
{
	fd = new_at("f", 0644);
	will_write(0, LARGE);
}

static void dsync(void)
{
	appended();
	must(!close(fd));
	fd = open("f", O_RDWR | O_DSYNC);
	must(fd >= 0);
}

static void append_mode(void)
{
	appended();
	must(!close(fd));
	fd = open("f", O_RDWR | O_APPEND);
	must(fd >= 0);
}

static void in_unwritten(void)
{
	unwritten_file();
	will_write(PAGE + 512, 2 * PAGE);
}

static void suid_file(void)
{
	in_place();
	must(!fchown(fd, 1001, 1001) && !fchmod(fd, 06755));
}

static long do_writev(void)
{
	struct iovec iov[2] = {
		{ buf, todo.len / 2 },
		{ buf + todo.len / 2, todo.len - todo.len / 2 },
	};

	return pwritev2(fd, iov, 2, todo.at, RWF_SYNC);
}

static long do_read(void)
{
	return pread(fd, buf, SIZE, 0);
}

static void read_partly(long ret)
{
	must(ret > 0);
}

static void copied(void)
{
	file_with_holes();
	pipes[0] = fd;
	fd = new_at("to", 0644);
}

static long copy_range(void)
{
	off_t from = 0;

	return copy_file_range(pipes[0], &from, fd, NULL, SIZE, 0);
}

static void close_copied(long ret)
{
	must(!close(fd) && !close(pipes[0]));
}

/* As far as it was copied; what is not there reads as a hole. */
static void copied_partly(long ret)
{
	must(ret > 0);
	want_size("to", ret);
	fd = open("to", O_RDONLY);
	must(fd >= 0);
	verify_old(0, ret);
	must(!close(fd));
}

/* --- faults */

static void map_all(size_t len, int prot, int flags)
{
	map = map_at(fd, len, prot, flags, 0, len < PMD ? PAGE : 0);
	if (map == MAP_FAILED)
		fail("mmap: %m");
}

static void unmap_close(long ret)
{
	must(!munmap(map, lstat_of("f").st_size));
	must(!close(fd));
}

static void mapped(void)
{
	written_file();
	map_all(SIZE, RW, MAP_SHARED);
}

static void mapped_holes(void)
{
	file_with_holes();
	map_all(SIZE, RW, MAP_SHARED);
}

static void mapped_holes_read(void)
{
	mapped_holes();
	must(!try_load(map + PAGE));
}

static void mapped_unwritten(void)
{
	unwritten_file();
	map_all(SIZE, RW, MAP_SHARED);
}

static void mapped_sync(void)
{
	file_with_holes();
	map_all(SIZE, RW, MAP_SHARED_VALIDATE | MAP_SYNC);
}

static void mapped_private(void)
{
	file_with_holes();
	map_all(SIZE, RW, MAP_PRIVATE);
}

static void mapped_huge(void)
{
	huge_file();
	map_all(2 * PMD, RW, MAP_SHARED);
}

static void mapped_huge_hole(void)
{
	huge_hole();
	map_all(2 * PMD, RW, MAP_SHARED);
}

/* A fault that has no memory is tried again: no task gets a signal. */
static long load(void)
{
	return try_load(map + PAGE) ? -1 : 0;
}

static long store(void)
{
	return try_store(map + PAGE, 0x55) ? -1 : 0;
}

static void dirtied(void)
{
	mapped_holes();
	must(!try_store(map + PAGE, 0x55));
}

static long sync_map(void)
{
	return msync(map, SIZE, MS_SYNC);
}

static long sync_file(void)
{
	return fsync(fd);
}

static void map_later(void)
{
	written_file();
}

static long map_now(void)
{
	map = mmap(NULL, SIZE, RW, MAP_SHARED, fd, 0);
	return map == MAP_FAILED ? -1 : 0;
}

static void unmap_now(long ret)
{
	if (!ret)
		must(!munmap(map, SIZE));
	must(!close(fd));
}

/* --- blocks */

static long cut(void)
{
	return ftruncate(fd, 2 * PAGE + 100);
}

static long allocate(void)
{
	return fallocate(fd, 0, PAGE, SIZE + PAGE);
}

static long allocate_keep(void)
{
	return fallocate(fd, FALLOC_FL_KEEP_SIZE, PAGE, SIZE + PAGE);
}

static long punch(void)
{
	return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			 2 * PAGE, 2 * PAGE);
}

static long punch_unaligned(void)
{
	return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			 PAGE + 100, 3 * PAGE);
}

static long zero_range(void)
{
	return fallocate(fd, FALLOC_FL_ZERO_RANGE, PAGE + 100, SIZE);
}

/* What was written already is zeroed in place, as far as it came. */
static void zeroed_partly(void)
{
	want_size("f", SIZE);
	fd = open("f", O_RDONLY);
	must(fd >= 0);
	verify_old(0, SIZE);
	must(!close(fd));
}

static long zero_keep(void)
{
	return fallocate(fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
			 2 * PAGE, 2 * PAGE);
}

static long collapse(void)
{
	return fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, PAGE, 2 * PAGE);
}

static long insert(void)
{
	return fallocate(fd, FALLOC_FL_INSERT_RANGE, PAGE, 2 * PAGE);
}

static long unshare(void)
{
	return fallocate(fd, FALLOC_FL_UNSHARE_RANGE, PAGE, 2 * PAGE);
}

static long write_zeroes(void)
{
	return fallocate(fd, FALLOC_FL_WRITE_ZEROES, PAGE, 2 * PAGE);
}

static long fiemap(void)
{
	static struct {
		struct fiemap head;
		struct fiemap_extent extents[16];
	} m;

	memset(&m, 0, sizeof(m));
	m.head.fm_length = FIEMAP_MAX_OFFSET;
	m.head.fm_extent_count = 16;
	return ioctl(fd, FS_IOC_FIEMAP, &m);
}

static long seek_data(void)
{
	return lseek(fd, PAGE, SEEK_DATA) < 0 ? -1 : 0;
}

static long seek_hole(void)
{
	return lseek(fd, 0, SEEK_HOLE) < 0 ? -1 : 0;
}

/* --- drains: a page of the file is in a pipe, and its reader gets what it was */

static void piped(void)
{
	off_t at = 4 * PAGE;

	written_file();
	map_all(SIZE, RW, MAP_SHARED);
	must(!try_store(map + at, map[at]));
	must(!pipe(pipes));
	must(vmsplice(pipes[1], &(struct iovec){ map + at, PAGE }, 1, 0) ==
	     (ssize_t)PAGE);
}

static void piped_after(long ret)
{
	char got[PAGE];
	bool zeroes = !strcmp(fs_fail.op, "drain-zero");

	must(read(pipes[0], got, PAGE) == (ssize_t)PAGE);
	if (ret < 0 && zeroes)
		verify_old_or_zero(got, PAGE, 4 * PAGE);
	else if (ret < 0)
		verify(got, PAGE, OLD, 4 * PAGE);
	must(!close(pipes[0]) && !close(pipes[1]));
	must(!munmap(map, SIZE) && !close(fd));
}

static long punch_piped(void)
{
	return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			 3 * PAGE, 3 * PAGE);
}

/* After a failure the next try has the file that it wants. */
#define FILE_OP(name, setup, run, ...)					\
	OP(name, setup, run, .after = close_file,			\
	   .flags = FRESH | TIMES_MAY, ##__VA_ARGS__)
#define WRITE_OP(name, setup, run)					\
	OP(name, setup, run, .after = close_file, .partly = written_partly, \
	   .flags = FRESH | TIMES_MAY | BLOCKS_MAY | PARTLY,		\
	   .other_errno = EFAULT)
#define MAP_OP(name, setup, run, ...)					\
	OP(name, setup, run, .after = unmap_close,			\
	   .flags = FRESH | TIMES_MAY | BLOCKS_MAY | ONCE, ##__VA_ARGS__)
#define PIPE_OP(name, run, ...)						\
	OP(name, piped, run, .after = piped_after,			\
	   .flags = FRESH | TIMES_MAY, ##__VA_ARGS__)

static const struct op ops[] = {
	WRITE_OP("write", in_place, do_write),
	WRITE_OP("write-hole", in_hole, do_write),
	WRITE_OP("write-middle", in_middle_of_block, do_write),
	WRITE_OP("write-unwritten", in_unwritten, do_write),
	WRITE_OP("write-append", appended, do_write),
	WRITE_OP("write-unaligned", appended_unaligned, do_write),
	WRITE_OP("write-after-hole", after_hole, do_write),
	WRITE_OP("write-large", large, do_write),
	WRITE_OP("write-dsync", dsync, do_write),
	WRITE_OP("write-append-mode", append_mode, do_write),
	WRITE_OP("write-suid", suid_file, do_write),
	WRITE_OP("writev-sync", in_hole, do_writev),
	FILE_OP("read", file_with_holes, do_read, .partly = read_partly),
	OP("copy-range", copied, copy_range, .after = close_copied,
	   .partly = copied_partly,
	   .flags = FRESH | TIMES_MAY | BLOCKS_MAY | PARTLY),
	MAP_OP("load", mapped, load),
	MAP_OP("load-hole", mapped_holes, load),
	MAP_OP("load-unwritten", mapped_unwritten, load),
	MAP_OP("load-huge", mapped_huge, load),
	MAP_OP("load-huge-hole", mapped_huge_hole, load),
	MAP_OP("store", mapped, store),
	MAP_OP("store-hole", mapped_holes, store),
	MAP_OP("store-zeroes", mapped_holes_read, store),
	MAP_OP("store-unwritten", mapped_unwritten, store),
	MAP_OP("store-sync", mapped_sync, store),
	MAP_OP("store-private", mapped_private, store),
	MAP_OP("store-huge", mapped_huge, store),
	MAP_OP("store-huge-hole", mapped_huge_hole, store),
	MAP_OP("msync", dirtied, sync_map),
	MAP_OP("fsync", dirtied, sync_file),
	OP("mmap", map_later, map_now, .after = unmap_now, .flags = FRESH),
	FILE_OP("truncate", written_file, cut),
	FILE_OP("allocate", file_with_holes, allocate),
	FILE_OP("allocate-keep", file_with_holes, allocate_keep),
	FILE_OP("punch", written_file, punch),
	FILE_OP("punch-unaligned", written_file, punch_unaligned),
	FILE_OP("zero-range", written_file, zero_range,
		.failed = zeroed_partly),
	FILE_OP("zero-range-keep", file_with_holes, zero_keep),
	FILE_OP("collapse", written_file, collapse),
	FILE_OP("insert", written_file, insert),
	FILE_OP("unshare", file_with_holes, unshare),
	FILE_OP("write-zeroes", file_with_holes, write_zeroes),
	FILE_OP("fiemap", file_with_holes, fiemap),
	FILE_OP("seek-data", file_with_holes, seek_data),
	FILE_OP("seek-hole", file_with_holes, seek_hole),
	PIPE_OP("drain-truncate", cut),
	PIPE_OP("drain-punch", punch_piped),
	PIPE_OP("drain-collapse", collapse),
	PIPE_OP("drain-zero", zero_range, .failed = zeroed_partly),
	{ .name = NULL },
};

int main(int argc, char **argv)
{
	if (argc < 3)
		fail("usage: fs_fail_data once|lasting DIRECTORY [NAME...]");
	buf = page_alloc(LARGE);
	catch_sigbus();
	fail_ops(ops, argv + 1);
	return 0;
}
