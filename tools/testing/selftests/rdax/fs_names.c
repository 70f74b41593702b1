// SPDX-License-Identifier: GPL-2.0
/* Names, links and special files: what POSIX and XFS say of them. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sysmacros.h>

#include "fs_test.h"

static void cmd_create(char **argv)
{
	struct stat st;
	int fd;

	enter(argv[0]);
	fd = new_at("f", 0640);
	must(!fstat(fd, &st));
	must_eq(st.st_mode, S_IFREG | 0640);
	must_eq(st.st_nlink, 1);
	must_eq(st.st_size, 0);
	must_eq(st.st_uid, geteuid());
	must_eq(lstat_of("f").st_ino, st.st_ino);
	must_fail(open("f", O_CREAT | O_EXCL, 0600), EEXIST);
	must_fail(open("none", O_RDONLY), ENOENT);
	must_fail(open("none/f", O_CREAT, 0600), ENOENT);
	must_fail(open("f/f", O_CREAT, 0600), ENOTDIR);
	must_fail(open("f", O_RDONLY | O_DIRECTORY), ENOTDIR);
	must_fail(open(".", O_WRONLY), EISDIR);
	must_fail(open("g/", O_CREAT | O_WRONLY, 0600), EISDIR);
	must(write(fd, "data", 4) == 4);
	must(open("f", O_WRONLY | O_TRUNC) >= 0);
	want_size("f", 0);
}

static void cmd_unlink(char **argv)
{
	char buf[8] = "";
	struct stat st;
	int fd;

	enter(argv[0]);
	must_fail(unlink("none"), ENOENT);
	must(!mkdir("d", 0755));
	must_fail(unlink("d"), EISDIR);
	fd = new_at("f", 0600);
	must_fail(unlink("f/g"), ENOTDIR);
	must(write(fd, "old", 3) == 3);
	must(!unlink("f"));
	want_gone("f");
	must(!fstat(fd, &st));
	must_eq(st.st_nlink, 0);
	/* Lives on without a name, and is not the file that has it now. */
	touch("f");
	must(pwrite(fd, "new", 3, 3) == 3);
	must(pread(fd, buf, 8, 0) == 6);
	must(!memcmp(buf, "oldnew", 6));
	want_size("f", 0);
	must_fail(linkat(fd, "", AT_FDCWD, "again", AT_EMPTY_PATH), ENOENT);
}

static void cmd_mkdir(char **argv)
{
	struct stat st;
	int fd;

	enter(argv[0]);
	want_nlink(".", 2);
	must(!mkdir("d", 0750));
	st = lstat_of("d");
	must_eq(st.st_mode, S_IFDIR | 0750);
	must_eq(st.st_nlink, 2);
	want_nlink(".", 3);
	must(!mkdir("d/e", 0755));
	want_nlink("d", 3);
	must_eq(lstat_of("d/e/..").st_ino, st.st_ino);
	must_fail(mkdir("d", 0755), EEXIST);
	must_fail(mkdir("none/d", 0755), ENOENT);
	must_fail(rmdir("d"), ENOTEMPTY);
	must_fail(rmdir("d/e/."), EINVAL);
	must_fail(rmdir("d/e/.."), ENOTEMPTY);
	must_fail(rmdir("none"), ENOENT);
	touch("f");
	must_fail(rmdir("f"), ENOTDIR);
	must_fail(mkdir("f", 0755), EEXIST);
	fd = open("d/e", O_RDONLY | O_DIRECTORY);
	must(fd >= 0);
	must(!rmdir("d/e"));
	want_nlink("d", 2);
	must(!fstat(fd, &st));
	must_eq(st.st_nlink, 0);
	must_fail(openat(fd, "f", O_CREAT, 0600), ENOENT);
	must_fail(mkdirat(fd, "f", 0755), ENOENT);
	must(!rmdir("d"));
	want_nlink(".", 2);
}

static void cmd_link(char **argv)
{
	char name[16];
	int fd, i;

	enter(argv[0]);
	fd = new_at("f", 0600);
	must(!mkdir("d", 0755));
	must(!link("f", "d/g"));
	want_nlink("f", 2);
	must_eq(lstat_of("f").st_ino, lstat_of("d/g").st_ino);
	must_fail(link("f", "d/g"), EEXIST);
	must_fail(link("none", "x"), ENOENT);
	must_fail(link("d", "x"), EPERM);
	must_fail(link("f", "none/x"), ENOENT);
	must(write(fd, "x", 1) == 1);
	want_size("d/g", 1);
	must(!unlink("f"));
	want_nlink("d/g", 1);
	must(!symlink("d/g", "s"));
	must(!link("s", "s2"));
	must(S_ISLNK(lstat_of("s2").st_mode));
	want_nlink("s", 2);
	for (i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "l%d", i);
		must(!link("d/g", name));
	}
	want_nlink("d/g", 301);
	for (i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "l%d", i);
		must(!unlink(name));
	}
	want_nlink("d/g", 1);
}

static void one_symlink(size_t len)
{
	char target[4096], got[4096];

	memset(target, 'a', len);
	target[len] = '\0';
	must(!symlink(target, "s"));
	must_eq(lstat_of("s").st_size, len);
	must(S_ISLNK(lstat_of("s").st_mode));
	must_eq(readlink("s", got, sizeof(got)), len);
	must(!memcmp(target, got, len));
	must(!unlink("s"));
}

static void cmd_symlink(char **argv)
{
	static const size_t lens[] = {
		1, 15, 16, 31, 47, 48, 55, 56, 59, 60, 63, 64, 127, 128, 200,
		255, 256, 500, 511, 512, 1000, 1023,
	};
	char target[4097];
	unsigned int i;

	enter(argv[0]);
	for (i = 0; i < ARRAY_SIZE(lens); i++)
		one_symlink(lens[i]);
	memset(target, 'b', 4096);
	target[4096] = '\0';
	must_fail(symlink(target, "s"), ENAMETOOLONG);
	target[4095] = '\0';
	/* XFS stops at 1024. */
	if (symlink(target, "s"))
		must_eq(errno, ENAMETOOLONG);
	else
		must(!unlink("s"));
	must_fail(symlink("", "s"), ENOENT);
	touch("f");
	must_fail(symlink("x", "f"), EEXIST);
	must_fail(readlink("f", target, 10), EINVAL);
	must(!symlink("f", "s"));
	must(open("s", O_RDONLY) >= 0);
	must_fail(open("s", O_RDONLY | O_NOFOLLOW), ELOOP);
	must(!symlink("loop", "loop"));
	must_fail(open("loop", O_RDONLY), ELOOP);
	must(!symlink("none", "dangling"));
	must_fail(open("dangling", O_RDONLY), ENOENT);
	must_fail(open("dangling", O_CREAT | O_EXCL, 0600), EEXIST);
	must(open("dangling", O_CREAT | O_RDWR, 0600) >= 0);
	want_size("none", 0);
}

static void want_special(const char *path, mode_t mode, dev_t rdev)
{
	struct stat st = lstat_of(path);

	must_eq(st.st_mode, mode);
	must_eq(st.st_rdev, rdev);
	must_eq(st.st_nlink, 1);
}

static void cmd_mknod(char **argv)
{
	dev_t big = makedev(0x1bc, 0x2edcb);
	int fd;

	enter(argv[0]);
	must(!mknod("null", S_IFCHR | 0600, makedev(1, 3)));
	want_special("null", S_IFCHR | 0600, makedev(1, 3));
	fd = open("null", O_RDWR);
	must(fd >= 0);
	must(write(fd, "x", 1) == 1);
	must(read(fd, &big, 1) == 0);
	big = makedev(0x1bc, 0x2edcb);
	must(!mknod("blk", S_IFBLK | 0640, big));
	want_special("blk", S_IFBLK | 0640, big);
	must(!mknod("fifo", S_IFIFO | 0600, 0));
	want_special("fifo", S_IFIFO | 0600, 0);
	must(!mknod("sock", S_IFSOCK | 0600, 0));
	want_special("sock", S_IFSOCK | 0600, 0);
	must(!mknod("reg", S_IFREG | 0600, 0));
	want_special("reg", S_IFREG | 0600, 0);
	must_fail(mknod("reg", S_IFIFO | 0600, 0), EEXIST);
	fd = open("fifo", O_RDWR);
	must(fd >= 0);
	must(write(fd, "x", 1) == 1);
	want_size("fifo", 0);
}

static void cmd_tmpfile(char **argv)
{
	char path[64], buf[4] = "";
	struct stat st;
	int fd;

	enter(argv[0]);
	fd = open(".", O_TMPFILE | O_RDWR, 0600);
	must(fd >= 0);
	must(!fstat(fd, &st));
	must_eq(st.st_nlink, 0);
	must(write(fd, "tmp", 3) == 3);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	must(!linkat(AT_FDCWD, path, AT_FDCWD, "f", AT_SYMLINK_FOLLOW));
	want_nlink("f", 1);
	must(!linkat(AT_FDCWD, path, AT_FDCWD, "g", AT_SYMLINK_FOLLOW));
	want_nlink("f", 2);
	must(!close(fd));
	fd = open("g", O_RDONLY);
	must(read(fd, buf, 4) == 3 && !memcmp(buf, "tmp", 3));
	must(!close(fd));
	fd = open(".", O_TMPFILE | O_RDWR | O_EXCL, 0600);
	must(fd >= 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	must_fail(linkat(AT_FDCWD, path, AT_FDCWD, "h", AT_SYMLINK_FOLLOW),
		  ENOENT);
	must_fail(open(".", O_TMPFILE | O_RDONLY, 0600), EINVAL);
	must_fail(open("f", O_TMPFILE | O_RDWR, 0600), ENOTDIR);
	want_nlink(".", 2);
}

static void cmd_long_names(char **argv)
{
	char name[300];
	int i;

	enter(argv[0]);
	memset(name, 'n', sizeof(name));
	name[256] = '\0';
	must_fail(open(name, O_CREAT, 0600), ENAMETOOLONG);
	must_fail(mkdir(name, 0755), ENAMETOOLONG);
	must_fail(symlink("x", name), ENAMETOOLONG);
	must_fail(access(name, F_OK), ENAMETOOLONG);
	must_eq(pathconf(".", _PC_NAME_MAX), 255);
	name[255] = '\0';
	/* They differ in the last byte only. */
	for (i = 0; i < 100; i++) {
		name[254] = 128 + i;
		touch(name);
	}
	for (i = 0; i < 100; i++) {
		name[254] = 128 + i;
		must(!access(name, F_OK));
		must(!unlink(name));
	}
	/* All lengths, and all bytes a name may have. */
	for (i = 1; i <= 255; i++) {
		memset(name, 'l', i);
		name[i] = '\0';
		touch(name);
	}
	for (i = 1; i <= 255; i++) {
		name[0] = i;
		name[1] = 'x';
		name[2] = '\0';
		if (i != '/')
			touch(name);
	}
}

static const struct cmd cmds[] = {
	{ "create", 1, cmd_create },
	{ "unlink", 1, cmd_unlink },
	{ "mkdir", 1, cmd_mkdir },
	{ "link", 1, cmd_link },
	{ "symlink", 1, cmd_symlink },
	{ "mknod", 1, cmd_mknod },
	{ "tmpfile", 1, cmd_tmpfile },
	{ "long-names", 1, cmd_long_names },
	{ }
};

int main(int argc, char **argv)
{
	return run_cmd(cmds, argc, argv);
}
