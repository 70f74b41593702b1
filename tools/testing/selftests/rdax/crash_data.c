// SPDX-License-Identifier: GPL-2.0
/*
 * Data while the memory is traced (crash_trace.h):
 *
 *   crash_data write|space|map|huge DIR	DIR is the root of the volume
 */
#include <linux/falloc.h>
#include <sys/mount.h>
#include <sys/uio.h>

#include "crash_trace.h"

#ifndef FALLOC_FL_WRITE_ZEROES
#define FALLOC_FL_WRITE_ZEROES	0x80
#endif

/* The host takes a file that shows it for wrong. */
#define JUNK	0xb6

static int open_new(const char *path, int flags)
{
	int fd;

	ATOMIC("create", (fd = open(path, O_RDWR | O_CREAT | flags, 0644)) >= 0);
	return fd;
}

static bool put_flags(int fd, char letter, size_t len, off_t at, int flags)
{
	struct iovec iov = { (void *)letters(letter, len), len };

	return pwritev2(fd, &iov, 1, at, flags) == (ssize_t)len;
}

static void cmd_write(char **argv)
{
	int fd, sync;

	must(!chdir(argv[0]));
	fd = open_new("data", 0);
	ATOMIC("write to a new file", put(fd, 'a', 100, 0));
	ATOMIC("append within a block", put(fd, 'b', 51, 100));
	ATOMIC("append of 20 KiB", put(fd, 'c', 20480, 151));
	LOOSE("write of 8 bytes", "/data", 1024, 1032, put(fd, 'd', 8, 1024));
	LOOSE("write of 3 bytes", "/data", 1025, 1028, put(fd, 'e', 3, 1025));
	LOOSE("write, unaligned", "/data", 333, 5334, put(fd, 'f', 5001, 333));
	LOOSE_STEPS("write across the end", "/data", 20000, 20631,
		    put(fd, 'g', 2000, 20000));
	SAME("fsync", !fsync(fd));
	SAME("fdatasync", !fdatasync(fd));
	LOOSE("write, RWF_DSYNC", "/data", 64, 1064,
	      put_flags(fd, 'h', 1000, 64, RWF_DSYNC));
	sync = open("data", O_RDWR | O_SYNC);
	must(sync >= 0);
	LOOSE("write, O_SYNC", "/data", 7, 107, put(sync, 'i', 100, 7));
	must(!close(sync));
	sync = open("data", O_RDWR | O_DSYNC);
	must(sync >= 0);
	ATOMIC("append, O_DSYNC", put(sync, 'j', 777, 22000));
	must(!close(sync));
	sync = open("data", O_RDWR | O_APPEND);
	must(sync >= 0);
	ATOMIC("write, O_APPEND", write(sync, letters('z', 99), 99) == 99);
	must(!close(sync));
	ATOMIC("truncate to more", !ftruncate(fd, 100000));
	LOOSE_STEPS("write to a hole", "/data", 50001, 56001, put(fd, 'k', 6000, 50001));
	ATOMIC("write past the end", put(fd, 'l', 10, 110000));
	ATOMIC("truncate to less", !ftruncate(fd, 50500));
	ATOMIC("truncate, unaligned", !ftruncate(fd, 12345));
	must(!close(fd));
	ATOMIC("O_TRUNC", (fd = open("data", O_RDWR | O_TRUNC)) >= 0);
	ATOMIC("write of 128 KiB", put(fd, 'm', 128 << 10, 0));
	must(!close(fd));
	ATOMIC("unlink", !unlink("data"));
}

/* More extents than an inode has room for. */
static void many_extents(void)
{
	int fd = open_new("e", 0);
	off_t at;

	ATOMIC("append of 96 KiB", put(fd, 'e', 96 << 10, 0));
	for (at = PAGE; at < 96 << 10; at += 2 * PAGE)
		ATOMIC("punch of many", !fallocate(fd, FALLOC_FL_PUNCH_HOLE |
						   FALLOC_FL_KEEP_SIZE, at, PAGE));
	ATOMIC("truncate of many", !ftruncate(fd, 48 << 10));
	must(!close(fd));
}

static void cmd_space(char **argv)
{
	const int keep = FALLOC_FL_KEEP_SIZE;
	int fd, other;

	must(!chdir(argv[0]));
	fd = open_new("s", 0);
	ATOMIC("fallocate", !fallocate(fd, 0, 0, 16384));
	LOOSE_STEPS("write to unwritten blocks", "/s", 3000, 8000,
		    put(fd, 'a', 5000, 3000));
	ATOMIC("append of 64 KiB", put(fd, 'b', 65536, 16384));
	STEPS("fallocate, keep size", !fallocate(fd, keep, 81920, 8192));
	ATOMIC("punch", !fallocate(fd, FALLOC_FL_PUNCH_HOLE | keep, 20480, 4096));
	ATOMIC("punch, unaligned",
	       !fallocate(fd, FALLOC_FL_PUNCH_HOLE | keep, 30001, 9001));
	ATOMIC("punch within a block",
	       !fallocate(fd, FALLOC_FL_PUNCH_HOLE | keep, 45100, 100));
	LOOSE("zero range", "/s", 49152, 57344,
	      !fallocate(fd, FALLOC_FL_ZERO_RANGE, 49000, 8500));
	LOOSE("write zeroes", "/s", 61440, 65536,
	      !fallocate(fd, FALLOC_FL_WRITE_ZEROES, 61440, 4096));
	ATOMIC("collapse", !fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 4096, 8192));
	ATOMIC("insert", !fallocate(fd, FALLOC_FL_INSERT_RANGE, 8192, 4096));
	other = open_new("s2", 0);
	STEPS("copy_file_range",
	      copy_file_range(fd, NULL, other, NULL, 10000, 0) == 10000);
	must(!close(other));
	must(!close(fd));
	many_extents();
	ATOMIC("rename over a file with blocks", !rename("s2", "s"));
}

static char *map(int fd, size_t len, int flags)
{
	char *p = mmap(NULL, len, PROT_READ | PROT_WRITE, flags, fd, 0);

	must(p != MAP_FAILED);
	return p;
}

/* A store of 8 bytes, that a mapping or the CPU's caches may keep. */
static bool store(char *at, char letter)
{
	*(volatile u64 *)at = 0x0101010101010101ULL * (unsigned char)letter;
	return true;
}

/* Stores as a program does that knows of MAP_SYNC. */
static bool store_durably(char *at, char letter)
{
	store(at, letter);
	asm volatile("clwb %0" : "+m"(*(volatile char *)at));
	asm volatile("sfence" : : : "memory");
	return true;
}

static bool store_around(char *at, char letter)
{
	__builtin_ia32_movnti64((long long *)at, 0x0101010101010101LL * letter);
	asm volatile("sfence" : : : "memory");
	return true;
}

static void map_sync(int fd)
{
	char *p = map(fd, 65536, MAP_SHARED_VALIDATE | MAP_SYNC);

	LOOSE_STEPS("MAP_SYNC, store and clwb", "/m", 8200, 8208,
		    store_durably(p + 8200, 'p'));
	LOOSE_STEPS("MAP_SYNC, a second store", "/m", 8208, 8216,
		    store_durably(p + 8208, 'q'));
	LOOSE_STEPS("MAP_SYNC, store around the caches", "/m", 4096, 4104,
		    store_around(p + 4096, 'r'));
	LOOSE_STEPS("MAP_SYNC, store to a hole", "/m", 40960, 40968,
		    store_durably(p + 40960, 's'));
	must(!munmap(p, 65536));
}

/* Stores past the end of a file by a mapping, which are never part of it. */
static void past_end(void)
{
	int fd = open_new("t", 0);
	char *p;

	ATOMIC("append of 5000 bytes", put(fd, 'a', 5000, 0));
	p = map(fd, 8192, MAP_SHARED);
	STEPS("store past the end", store(p + 5000, JUNK));
	ATOMIC("truncate to more than that", !ftruncate(fd, 6000));
	STEPS("store past the end", store(p + 6008, JUNK));
	ATOMIC("append before it", put(fd, 'b', 8, 6000));
	STEPS("store past the end", store(p + 6080, JUNK));
	ATOMIC("append after it", put(fd, 'c', 100, 7000));
	STEPS("store past the end", store(p + 7104, JUNK));
	ATOMIC("fallocate past it", !fallocate(fd, 0, 0, 8192));
	must(!munmap(p, 8192) && !close(fd));
}

static void cmd_map(char **argv)
{
	char *p;
	int fd;

	must(!chdir(argv[0]));
	fd = open_new("m", 0);
	ATOMIC("append of 16 KiB", put(fd, 'a', 16384, 0));
	ATOMIC("truncate to more", !ftruncate(fd, 65536));
	p = map(fd, 65536, MAP_SHARED);
	LAZY("store", "/m", 128, 136, store(p + 128, 'b'));
	SYNCED("msync", "/m", 128, 136, !msync(p, 4096, MS_SYNC));
	LAZY("store after msync", "/m", 256, 264, store(p + 256, 'c'));
	SYNCED("fsync", "/m", 256, 264, !fsync(fd));
	LAZY("store to two pages", "/m", 4090, 8200,
	     store(p + 4090, 'd') && store(p + 8192, 'e'));
	SYNCED("fdatasync", "/m", 4090, 8200, !fdatasync(fd));
	LAZY("store to a hole", "/m", 20480, 20488, store(p + 20480, 'f'));
	SYNCED("msync of it", "/m", 20480, 20488, !msync(p, 65536, MS_SYNC));
	LAZY("store, then unmap", "/m", 512, 520, store(p + 512, 'g'));
	must(!munmap(p, 65536));
	SYNCED("syncfs", "/m", 512, 520, !syncfs(fd));
	map_sync(fd);
	past_end();
	p = map(fd, 65536, MAP_SHARED);
	LAZY("store before umount", "/m", 1024, 1032, store(p + 1024, 'h'));
	must(!munmap(p, 65536) && !close(fd));
}

/* Umount has made it durable. */
static void cmd_synced(char **argv)
{
	SYNCED("umount after a store", "/m", 1024, 1032, !umount(argv[0]));
}

static void cmd_huge(char **argv)
{
	const size_t len = 4 << 20;
	char *p;
	int fd;

	must(!chdir(argv[0]));
	fd = open_new("h", 0);
	ATOMIC("fallocate of 4 MiB", !fallocate(fd, 0, 0, len));
	p = map_at(fd, len, PROT_READ | PROT_WRITE, MAP_SHARED, 0, 0);
	LAZY("store to a huge page", "/h", 4096, 1048584,
	     store(p + 4096, 'a') && store(p + 1048576, 'b'));
	SYNCED("msync of it", "/h", 4096, 1048584, !msync(p, len, MS_SYNC));
	must(!munmap(p, len));
	ATOMIC("truncate to one block", !ftruncate(fd, 4097));
	must(!close(fd));
	ATOMIC("unlink", !unlink("h"));
}

int main(int argc, char **argv)
{
	static const struct cmd cmds[] = {
		{ "write", 1, cmd_write },
		{ "space", 1, cmd_space },
		{ "map", 1, cmd_map },
		{ "synced", 1, cmd_synced },
		{ "huge", 1, cmd_huge },
		{ }
	};

	return run_cmd(cmds, argc, argv);
}
