// SPDX-License-Identifier: GPL-2.0
/* Times, modes, inode flags, statx and statfs. */
#include <grp.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>

#include "fs_test.h"

#ifndef STATX_DIOALIGN
#define STATX_DIOALIGN	0x2000U
#endif

#define ALICE	1234
#define BOB	2345

static struct statx statx_of(const char *path)
{
	struct statx stx;

	if (statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW,
		  STATX_BASIC_STATS | STATX_BTIME | STATX_DIOALIGN, &stx))
		fail("statx %s: %m", path);
	return stx;
}

static long long ns(struct statx_timestamp t)
{
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

enum { A = 1, M = 2, C = 4 };

/* Which times of @path differ from @old; all move forward, birth never. */
static int moved(const char *path, const struct statx *old)
{
	struct statx now = statx_of(path);

	must_eq(ns(now.stx_btime), ns(old->stx_btime));
	must(ns(now.stx_ctime) >= ns(old->stx_ctime));
	return (ns(now.stx_atime) != ns(old->stx_atime) ? A : 0) |
	       (ns(now.stx_mtime) != ns(old->stx_mtime) ? M : 0) |
	       (ns(now.stx_ctime) != ns(old->stx_ctime) ? C : 0);
}

/* After @op the times @want of @path have moved, and no others. */
#define moves(path, want, op)					\
	do {							\
		struct statx old_ = statx_of(path);		\
		next_tick();					\
		must(op);					\
		must_eq(moved(path, &old_), want);		\
	} while (0)

static void cmd_times(char **argv)
{
	struct statx f;
	char *map;
	int fd;

	enter(argv[0]);
	fd = new_at("f", 0644);
	f = statx_of("f");
	must(f.stx_mask & STATX_BTIME);
	must_eq(ns(f.stx_btime), ns(f.stx_ctime));
	must_eq(ns(f.stx_mtime), ns(f.stx_ctime));
	must(f.stx_btime.tv_sec > 1700000000);
	moves("f", M | C, write(fd, "data", 4) == 4);
	moves("f", C, !chmod("f", 0600));
	moves("f", C, !chown("f", 1, 1));
	moves("f", C, !setxattr("f", "user.a", "b", 1, 0));
	moves("f", M | C, !ftruncate(fd, 8192));
	moves("f", M | C, !fallocate(fd, FALLOC_FL_PUNCH_HOLE |
				     FALLOC_FL_KEEP_SIZE, 0, 4096));
	moves("f", C, !link("f", "g"));
	moves("f", C, !unlink("g"));
	moves("f", 0, !access("f", R_OK));
	map = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	must(map != MAP_FAILED);
	moves("f", M | C, (*map = 1));

	must(!mkdir("d", 0755));
	moves("d", M | C, !close(new_at("d/x", 0600)));
	moves("d", 0, !close(open("d/x", O_WRONLY)));
	moves("d", M | C, !link("d/x", "d/y"));
	moves("d", M | C, !rename("d/x", "d/z"));
	moves("d", M | C, !unlink("d/y"));
	moves("d", M | C, !symlink("d", "d/s"));
	moves("d", M | C, !mkdir("d/d", 0755));
	moves("d", M | C, !rmdir("d/d"));
	must(!link("d/z", "same"));
	moves("same", C, !rename("d/z", "z"));
	moves("d", M | C, !rename("z", "d/z"));
	moves(".", M | C, !mknod("n", S_IFIFO | 0600, 0));
}

static void set_times(const char *path, long long a, long a_ns, long long m,
		      long m_ns)
{
	struct timespec ts[2] = { { a, a_ns }, { m, m_ns } };

	if (utimensat(AT_FDCWD, path, ts, AT_SYMLINK_NOFOLLOW))
		fail("utimensat %s: %m", path);
}

static void want_times(const char *path, long long a, long a_ns, long long m,
		       long m_ns)
{
	struct statx stx = statx_of(path);

	must_eq(stx.stx_atime.tv_sec, a);
	must_eq(stx.stx_atime.tv_nsec, a_ns);
	must_eq(stx.stx_mtime.tv_sec, m);
	must_eq(stx.stx_mtime.tv_nsec, m_ns);
}

static void cmd_utimens(char **argv)
{
	enter(argv[0]);
	touch("f");
	must(!symlink("f", "s"));
	set_times("f", 1, 123456789, 2, 987654321);
	want_times("f", 1, 123456789, 2, 987654321);
	set_times("f", 0, UTIME_OMIT, 3, 1);
	want_times("f", 1, 123456789, 3, 1);
	moves("f", 0, (set_times("f", 0, UTIME_OMIT, 0, UTIME_OMIT), 1));
	moves("f", A | M | C, (set_times("f", 0, UTIME_NOW, 0, UTIME_NOW), 1));
	/* Before 1970, and after 2038 and 2106. */
	set_times("f", -86400, 5, 4500000000LL, 999999999);
	want_times("f", -86400, 5, 4500000000LL, 999999999);
	set_times("s", 77, 7, 88, 8);
	want_times("s", 77, 7, 88, 8);
	must(!mkdir("d", 0755));
	set_times("d", 55, 5, 66, 6);
	want_times("d", 55, 5, 66, 6);
}

/* What fs-attr.sh looks at again after a remount. */
static void cmd_utimens_kept(char **argv)
{
	must(!chdir(argv[0]));
	want_times("f", -86400, 5, 4500000000LL, 999999999);
	want_times("s", 77, 7, 88, 8);
	want_times("d", 55, 5, 66, 6);
}

/* How reading moves the access time: as the mount's option says. */
static void cmd_atime(char **argv)
{
	bool none = !strcmp(argv[1], "noatime");
	bool strict = !strcmp(argv[1], "strictatime");
	char buf[8];
	int fd;

	enter(argv[0]);
	fd = new_at("f", 0644);
	must(write(fd, "data", 4) == 4);
	set_times("f", 1000, 0, 2000, 0);
	moves("f", none ? 0 : A, pread(fd, buf, 4, 0) == 4);
	moves("f", strict ? A : 0, pread(fd, buf, 4, 0) == 4);
}

static mode_t mode(const char *path)
{
	return lstat_of(path).st_mode & 07777;
}

static void write_f(void)
{
	int fd = open("f", O_WRONLY);

	must(fd >= 0);
	must(pwrite(fd, "x", 1, 0) == 1);
}

static void truncate_f(void)
{
	must(!truncate("f", 1));
}

static void chmod_f_setgid(void)
{
	must(!chmod("f", 02755));
}

static void cmd_modes(char **argv)
{
	static const mode_t modes[] = { 0, 0777, 0644, 04711, 02770, 01777,
					06755, 07777 };
	unsigned int i;

	enter(argv[0]);
	touch("f");
	must(!mkdir("d", 0755));
	for (i = 0; i < ARRAY_SIZE(modes); i++) {
		must(!chmod("f", modes[i]));
		must_eq(mode("f"), modes[i]);
		must(!chmod("d", modes[i]));
		must_eq(mode("d"), modes[i]);
	}
	must(S_ISREG(lstat_of("f").st_mode) && S_ISDIR(lstat_of("d").st_mode));
	must(!chmod("f", 0640));
	must(!chown("f", ALICE, BOB));
	must_eq(lstat_of("f").st_uid, ALICE);
	must_eq(lstat_of("f").st_gid, BOB);
	must(!chown("f", -1, ALICE));
	must_eq(lstat_of("f").st_uid, ALICE);
	must_eq(lstat_of("f").st_gid, ALICE);
	must(!chown("f", 0xfffffffd, 0xfffffffe));
	must_eq(lstat_of("f").st_uid, 0xfffffffd);
	must_eq(lstat_of("f").st_gid, 0xfffffffe);
}

/* Who is not root loses the bits by writing, chown takes them from all. */
static void cmd_suid(char **argv)
{
	must(!setgroups(0, NULL));
	enter(argv[0]);
	must(!chmod(".", 0777));
	touch("f");
	must(!chown("f", ALICE, ALICE));
	must(!chmod("f", 06777));
	as_user(BOB, BOB, write_f);
	must_eq(mode("f"), 0777);
	must(!chmod("f", 06777));
	as_user(BOB, BOB, truncate_f);
	must_eq(mode("f"), 0777);
	must(!chmod("f", 06755));
	must(!chown("f", BOB, ALICE));
	must_eq(mode("f"), 0755);
	/* Its owner may set setgid only for a group of theirs. */
	as_user(BOB, BOB, chmod_f_setgid);
	must_eq(mode("f"), 0755);
	as_user(BOB, ALICE, chmod_f_setgid);
	must_eq(mode("f"), 02755);
}

static void make_in_setgid(void)
{
	touch("d/f");
	must(!mkdir("d/sub", 0755));
	must(!symlink("x", "d/s"));
}

static void steal(void)
{
	must_fail(unlink("t/f"), EPERM);
	must_fail(rename("t/f", "t/g"), EPERM);
	must_fail(rename("t/mine", "t/f"), EPERM);
	must(!unlink("t/mine"));
}

static void cmd_dirs(char **argv)
{
	must(!setgroups(0, NULL));
	enter(argv[0]);
	must(!mkdir("d", 0755));
	must(!chown("d", ALICE, BOB));
	must(!chmod("d", 02777));
	as_user(ALICE, ALICE, make_in_setgid);
	must_eq(lstat_of("d/f").st_gid, BOB);
	must_eq(lstat_of("d/f").st_uid, ALICE);
	must_eq(lstat_of("d/s").st_gid, BOB);
	must_eq(lstat_of("d/sub").st_gid, BOB);
	must_eq(mode("d/sub"), 02755);
	must_eq(mode("d/f"), 0644);

	must(!mkdir("t", 0755));
	must(!chmod("t", 01777));
	touch("t/f");
	touch("t/mine");
	must(!chown("t/mine", ALICE, ALICE));
	must(!chown("t/f", BOB, BOB));
	as_user(ALICE, ALICE, steal);
}

static void set_flags(const char *path, int flags)
{
	int fd = open(path, O_RDONLY), old;

	must(fd >= 0);
	must(!ioctl(fd, FS_IOC_GETFLAGS, &old));
	old &= ~(FS_IMMUTABLE_FL | FS_APPEND_FL);
	old |= flags;
	if (ioctl(fd, FS_IOC_SETFLAGS, &old))
		fail("chattr %s: %m", path);
	must(!ioctl(fd, FS_IOC_GETFLAGS, &old));
	must_eq(old & (FS_IMMUTABLE_FL | FS_APPEND_FL), flags);
	must(!close(fd));
}

static void cmd_immutable(char **argv)
{
	struct timespec ts[2] = { { 1, 1 }, { 1, 1 } };

	enter(argv[0]);
	touch("f");
	must(!mkdir("d", 0755));
	touch("d/f");
	set_flags("f", FS_IMMUTABLE_FL);
	must(statx_of("f").stx_attributes & STATX_ATTR_IMMUTABLE);
	must_fail(open("f", O_WRONLY), EPERM);
	must_fail(truncate("f", 1), EPERM);
	must_fail(unlink("f"), EPERM);
	must_fail(link("f", "g"), EPERM);
	must_fail(rename("f", "g"), EPERM);
	must_fail(chmod("f", 0600), EPERM);
	must_fail(chown("f", 1, 1), EPERM);
	must_fail(utimensat(AT_FDCWD, "f", ts, 0), EPERM);
	must_fail(setxattr("f", "user.a", "b", 1, 0), EPERM);
	set_flags("f", 0);
	must(!truncate("f", 1));
	set_flags("d", FS_IMMUTABLE_FL);
	must_fail(open("d/g", O_CREAT | O_WRONLY, 0600), EPERM);
	must_fail(unlink("d/f"), EPERM);
	must_fail(rename("d/f", "h"), EPERM);
	must_fail(mkdir("d/d", 0755), EPERM);
	must_fail(rmdir("d"), EPERM);
	must(!truncate("d/f", 1));
	set_flags("d", 0);
	must(!rename("d/f", "h"));
}

/* Every file is DAX, so whether a user says so does not matter. */
static void cmd_dax_flag(char **argv)
{
	const int sets[] = { FS_IMMUTABLE_FL, FS_NODUMP_FL | FS_DAX_FL, 0 };
	struct fsxattr fsx = {};
	int fd, flags;
	unsigned int i;

	enter(argv[0]);
	fd = new_at("f", 0644);
	must(!mkdir("d", 0755));
	for (i = 0; i < ARRAY_SIZE(sets); i++) {
		flags = sets[i];
		must(!ioctl(fd, FS_IOC_SETFLAGS, &flags));
		must(!ioctl(fd, FS_IOC_GETFLAGS, &flags));
		must_eq(flags & ~FS_DAX_FL, sets[i] & ~FS_DAX_FL);
		must(statx_of("f").stx_attributes & STATX_ATTR_DAX);
	}
	must(!ioctl(fd, FS_IOC_FSGETXATTR, &fsx));
	fsx.fsx_xflags = FS_XFLAG_NODUMP;
	must(!ioctl(fd, FS_IOC_FSSETXATTR, &fsx));
	fsx.fsx_xflags |= FS_XFLAG_DAX;
	must(!ioctl(fd, FS_IOC_FSSETXATTR, &fsx));
	flags = FS_COMPR_FL;
	must_fail(ioctl(fd, FS_IOC_SETFLAGS, &flags), EOPNOTSUPP);
	must(!close(fd));
	fd = open("d", O_RDONLY);
	must(fd >= 0);
	flags = FS_DAX_FL | FS_NODUMP_FL;
	must(!ioctl(fd, FS_IOC_SETFLAGS, &flags));
	must(!ioctl(fd, FS_IOC_GETFLAGS, &flags));
	must(flags & FS_NODUMP_FL);
	must(!close(fd));
}

static void cmd_append_only(char **argv)
{
	int fd;

	enter(argv[0]);
	touch("f");
	set_flags("f", FS_APPEND_FL);
	must(statx_of("f").stx_attributes & STATX_ATTR_APPEND);
	must_fail(open("f", O_WRONLY), EPERM);
	must_fail(open("f", O_WRONLY | O_APPEND | O_TRUNC), EPERM);
	fd = open("f", O_WRONLY | O_APPEND);
	must(fd >= 0);
	must(write(fd, "a", 1) == 1);
	must(pwrite(fd, "b", 1, 0) == 1);
	must_fail(ftruncate(fd, 0), EPERM);
	must_fail(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
			    1), EPERM);
	must_fail(unlink("f"), EPERM);
	must_fail(rename("f", "g"), EPERM);
	want_size("f", 2);
	must(!close(fd));
	must(!mkdir("d", 0755));
	touch("d/f");
	set_flags("d", FS_APPEND_FL);
	touch("d/g");
	must_fail(unlink("d/f"), EPERM);
	must_fail(rename("d/f", "d/h"), EPERM);
}

/* The two above leave flags behind, which must be there after a remount. */
static void cmd_flags_kept(char **argv)
{
	must(!chdir(argv[0]));
	must_fail(unlink("f"), EPERM);
	must_fail(unlink("d/f"), EPERM);
	set_flags("f", 0);
	set_flags("d", 0);
	must(!unlink("f"));
	must(!unlink("d/f"));
}

static void cmd_statx(char **argv)
{
	struct statx stx;
	struct stat st;
	int fd;

	enter(argv[0]);
	fd = new_at("f", 0644);
	stx = statx_of("f");
	must(stx.stx_attributes_mask & STATX_ATTR_DAX);
	must(stx.stx_attributes & STATX_ATTR_DAX);
	must(!(statx_of(".").stx_attributes & STATX_ATTR_DAX));
	must(stx.stx_mask & STATX_DIOALIGN);
	/* Of both, loop devices and emulators make the size of a block. */
	must(stx.stx_dio_mem_align && stx.stx_dio_offset_align >= 512);
	must(!(stx.stx_dio_offset_align & (stx.stx_dio_offset_align - 1)));
	must(stx.stx_dio_offset_align <= 4096);
	must_eq(stx.stx_blocks, 0);
	must(!fstat(fd, &st));
	must_eq(stx.stx_blksize, st.st_blksize);
	must(!(st.st_blksize & (st.st_blksize - 1)));
	/* Sparse: only what is written has blocks. */
	must(!ftruncate(fd, 1UL << 40));
	must_eq(statx_of("f").stx_blocks, 0);
	must(pwrite(fd, "x", 1, 1UL << 30) == 1);
	must(!fsync(fd));
	stx = statx_of("f");
	must_eq(stx.stx_size, 1UL << 40);
	must(stx.stx_blocks >= 8 && stx.stx_blocks < 8 * 600);
	must(!ftruncate(fd, 0));
	must_eq(statx_of("f").stx_blocks, 0);
}

static unsigned long long free_blocks(void)
{
	struct statvfs sv;

	must(!statvfs(".", &sv));
	must(sv.f_bavail <= sv.f_bfree && sv.f_bfree < sv.f_blocks);
	return sv.f_bfree;
}

/* argv[1]: by how many blocks the free space may differ afterwards. */
static void cmd_statfs(char **argv)
{
	unsigned long long before, slack = atoi(argv[1]);
	struct statvfs sv;
	char name[16];
	int fd, i;

	enter(argv[0]);
	must(!statvfs(".", &sv));
	must_eq(sv.f_namemax, 255);
	must_eq(sv.f_bsize, 4096);
	must(sv.f_blocks * sv.f_frsize > 512UL << 20);
	must(sv.f_ffree > 1000);
	before = free_blocks();
	fd = new_at("f", 0644);
	must(!fallocate(fd, 0, 0, 32UL << 20));
	must(free_blocks() <= before - (32UL << 8));
	must(!ftruncate(fd, 16UL << 20));
	must(free_blocks() >= before - (17UL << 8) - slack);
	for (i = 0; i < 200; i++) {
		sprintf(name, "n%d", i);
		must(!mkdir(name, 0755));
		must(!rmdir(name));
	}
	must(!unlink("f"));
	must(!close(fd));
	/* XFS frees in the background. */
	for (i = 0; slack && i < 500 && free_blocks() + slack < before; i++)
		next_tick();
	if (before > free_blocks() + slack || free_blocks() > before + slack)
		fail("%llu blocks free, %llu before", free_blocks(), before);
}

static const struct cmd cmds[] = {
	{ "times", 1, cmd_times },
	{ "utimens", 1, cmd_utimens },
	{ "utimens-kept", 1, cmd_utimens_kept },
	{ "atime", 2, cmd_atime },
	{ "modes", 1, cmd_modes },
	{ "suid", 1, cmd_suid },
	{ "dirs", 1, cmd_dirs },
	{ "dax-flag", 1, cmd_dax_flag },
	{ "immutable", 1, cmd_immutable },
	{ "append-only", 1, cmd_append_only },
	{ "flags-kept", 1, cmd_flags_kept },
	{ "statx", 1, cmd_statx },
	{ "statfs", 2, cmd_statfs },
	{ }
};

int main(int argc, char **argv)
{
	return run_cmd(cmds, argc, argv);
}
