// SPDX-License-Identifier: GPL-2.0
/* File handles, as an NFS server uses them, and idmapped mounts. */
#include <linux/mount.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/syscall.h>

#include "fs_test.h"

struct handle {
	struct file_handle h;
	unsigned char bytes[MAX_HANDLE_SZ];
};

static struct handle handle_of(const char *path)
{
	struct handle h = { .h.handle_bytes = MAX_HANDLE_SZ };
	int mount_id;

	if (name_to_handle_at(AT_FDCWD, path, &h.h, &mount_id, 0))
		fail("handle of %s: %m", path);
	return h;
}

static int open_handle(int mnt, struct handle *h, int flags)
{
	return open_by_handle_at(mnt, &h->h, flags);
}

static void forget_inodes(void)
{
	int fd = open("/proc/sys/vm/drop_caches", O_WRONLY);

	must(fd >= 0);
	must(write(fd, "2", 1) == 1);
	must(!close(fd));
}

static void cmd_handle(char **argv)
{
	struct handle f, d, again;
	char buf[8] = "";
	struct stat st;
	int mnt, fd, i;

	enter(argv[0]);
	mnt = open(".", O_RDONLY | O_DIRECTORY);
	must(mnt >= 0);
	must(!mkdir("d", 0755));
	must(!mkdir("d/e", 0755));
	fd = new_at("d/e/f", 0600);
	must(write(fd, "data", 4) == 4);
	must(!close(fd));
	f = handle_of("d/e/f");
	d = handle_of("d/e");
	again = handle_of("d/e/f");
	must_eq(f.h.handle_bytes, again.h.handle_bytes);
	must(!memcmp(f.h.f_handle, again.h.f_handle, f.h.handle_bytes));
	forget_inodes();
	fd = open_handle(mnt, &f, O_RDWR);
	must(fd >= 0);
	must(read(fd, buf, 8) == 4 && !memcmp(buf, "data", 4));
	must(!close(fd));
	forget_inodes();
	/* A directory found by its handle is connected to the root. */
	fd = open_handle(mnt, &d, O_RDONLY | O_DIRECTORY);
	must(fd >= 0);
	must(!fstatat(fd, "..", &st, 0));
	must_eq(st.st_ino, lstat_of("d").st_ino);
	must(!fstatat(fd, "f", &st, 0));
	must(!close(fd));
	must(!rename("d/e/f", "g"));
	fd = open_handle(mnt, &f, O_RDONLY);
	must(fd >= 0);
	/* Open it lives, then it is stale, whoever gets its number. */
	must(!unlink("g"));
	must(read(fd, buf, 8) == 4);
	must(!close(fd));
	must_fail(open_handle(mnt, &f, O_RDONLY), ESTALE);
	for (i = 0; i < 100; i++) {
		sprintf(buf, "n%d", i);
		touch(buf);
		must_fail(open_handle(mnt, &f, O_RDONLY), ESTALE);
	}
	must(!rmdir("d/e"));
	must_fail(open_handle(mnt, &d, O_RDONLY), ESTALE);
}

/*
 * A file that is deleted, but open, is opened by its handle: an NFS client may
 * have it open. Once it is closed the handle is stale.
 */
static void open_deleted(int mnt, int fd, struct handle h)
{
	char buf[8] = "";
	struct stat st, again;
	int other;

	must(write(fd, "data", 4) == 4);
	forget_inodes();
	other = open_handle(mnt, &h, O_RDWR);
	if (other < 0)
		fail("handle of a file that is deleted but open: %m");
	must(!fstat(fd, &st) && !fstat(other, &again));
	must_eq(st.st_ino, again.st_ino);
	must_eq(again.st_nlink, 0);
	must(pread(other, buf, 8, 0) == 4 && !memcmp(buf, "data", 4));
	/* It lives as long as the last user. */
	must(!close(fd));
	must(pwrite(other, "more", 4, 4) == 4);
	fd = open_handle(mnt, &h, O_RDONLY);
	must(fd >= 0);
	must(!close(other));
	must(read(fd, buf, 8) == 8 && !memcmp(buf, "datamore", 8));
	must(!close(fd));
	must_fail(open_handle(mnt, &h, O_RDONLY), ESTALE);
	forget_inodes();
	must_fail(open_handle(mnt, &h, O_RDONLY), ESTALE);
}

static void cmd_deleted(char **argv)
{
	struct handle h = { .h.handle_bytes = MAX_HANDLE_SZ };
	int mnt, fd, mount_id;

	enter(argv[0]);
	mnt = open(".", O_RDONLY | O_DIRECTORY);
	must(mnt >= 0);
	fd = new_at("f", 0600);
	h = handle_of("f");
	must(!unlink("f"));
	open_deleted(mnt, fd, h);
	fd = open(".", O_TMPFILE | O_RDWR, 0600);
	must(fd >= 0);
	h.h.handle_bytes = MAX_HANDLE_SZ;
	must(!name_to_handle_at(fd, "", &h.h, &mount_id, AT_EMPTY_PATH));
	open_deleted(mnt, fd, h);
}

/* Bytes that no file has given: ESTALE, or by chance a file. */
static void cmd_garbage(char **argv)
{
	u64 seed = 4711;
	int mnt, i, fd;

	enter(argv[0]);
	touch("f");
	mnt = open(".", O_RDONLY | O_DIRECTORY);
	must(mnt >= 0);
	for (i = 0; i < 3000; i++) {
		struct handle h = handle_of("f");
		int type = h.h.handle_type, k;

		if (i % 3 == 0)
			h.h.handle_type = prng(&seed) % 256;
		if (i % 5 == 0)
			h.h.handle_bytes = 4 * (prng(&seed) % 16);
		for (k = prng(&seed) % 3; k >= 0; k--)
			((unsigned char *)&h)[sizeof(h.h) + prng(&seed) % 16] ^=
				prng(&seed) % 4 ? 1 << prng(&seed) % 8 : 0xff;
		fd = open_handle(mnt, &h, O_RDONLY);
		if (fd >= 0)
			must(!close(fd));
		else if (errno != ESTALE && errno != EINVAL)
			fail("handle of type %d (was %d), %u bytes: %m",
			     h.h.handle_type, type, h.h.handle_bytes);
	}
}

/* A handle outlives the mount. */
static void cmd_save(char **argv)
{
	struct handle h;
	int fd;

	must(!chdir(argv[0]));
	fd = new_at("saved", 0600);
	must(write(fd, "kept", 4) == 4);
	h = handle_of("saved");
	fd = open(argv[1], O_CREAT | O_WRONLY, 0600);
	must(write(fd, &h, sizeof(h)) == sizeof(h));
}

static void cmd_load(char **argv)
{
	int mnt = open(argv[0], O_RDONLY | O_DIRECTORY), fd;
	struct handle h;
	char buf[4];

	fd = open(argv[1], O_RDONLY);
	must(read(fd, &h, sizeof(h)) == sizeof(h));
	fd = open_handle(mnt, &h, O_RDONLY);
	if (fd < 0)
		fail("handle from before the remount: %m");
	must(read(fd, buf, 4) == 4 && !memcmp(buf, "kept", 4));
}

/* --- idmapped mounts */

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		fail("%s: %m", path);
	must(!close(fd));
}

/* A user namespace in which the ids 1000 to 1099 are 5000 to 5099 outside. */
static int user_ns(void)
{
	int up[2], down[2], fd;
	char path[64], c = 0;
	pid_t pid;

	must(!pipe(up) && !pipe(down));
	pid = fork();
	must(pid >= 0);
	if (!pid) {
		must(!unshare(CLONE_NEWUSER));
		must(write(up[1], &c, 1) == 1);
		must(read(down[0], &c, 1) == 1);
		_exit(0);
	}
	must(read(up[0], &c, 1) == 1);
	sprintf(path, "/proc/%d/uid_map", pid);
	write_file(path, "1000 5000 100");
	sprintf(path, "/proc/%d/gid_map", pid);
	write_file(path, "1000 5000 100");
	sprintf(path, "/proc/%d/ns/user", pid);
	fd = open(path, O_RDONLY);
	must(fd >= 0);
	must(write(down[1], &c, 1) == 1);
	must(waitpid(pid, NULL, 0) == pid);
	return fd;
}

static void make_as_5001(void)
{
	must(!mkdir("mapped/by5001", 0755));
	touch("mapped/by5001/f");
	must(open("mapped/f", O_RDWR) >= 0);
	must(!chmod("mapped/f", 0640));
}

static void deny_as_1001(void)
{
	must_fail(open("mapped/f", O_RDWR), EACCES);
	must_fail(open("mapped/x", O_CREAT | O_RDWR, 0600), EOVERFLOW);
}

static void cmd_idmap(char **argv)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP };
	int tree;

	enter(argv[0]);
	must(!mkdir("plain", 0777));
	must(!chmod("plain", 0777));
	must(!chown("plain", 1001, 1001));
	must(!mkdir("mapped", 0755));
	must(!close(new_at("plain/f", 0600)));
	must(!chown("plain/f", 1001, 1002));
	tree = syscall(SYS_open_tree, AT_FDCWD, "plain",
		       OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	must(tree >= 0);
	attr.userns_fd = user_ns();
	if (syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &attr,
		    sizeof(attr)))
		fail("the file system takes no idmap: %m");
	must(!syscall(SYS_move_mount, tree, "", AT_FDCWD, "mapped",
		      MOVE_MOUNT_F_EMPTY_PATH));
	must_eq(lstat_of("mapped/f").st_uid, 5001);
	must_eq(lstat_of("mapped/f").st_gid, 5002);
	must_eq(lstat_of("plain/f").st_uid, 1001);
	as_user(5001, 5001, make_as_5001);
	as_user(1001, 1001, deny_as_1001);
	must_eq(lstat_of("plain/by5001").st_uid, 1001);
	must_eq(lstat_of("plain/by5001/f").st_gid, 1001);
	must(!chown("mapped/f", 5050, 5051));
	must_eq(lstat_of("plain/f").st_uid, 1050);
	must_fail(chown("mapped/f", 1000, 1000), EOVERFLOW);
	must(!close(tree) && !umount("mapped"));
}

static const struct cmd cmds[] = {
	{ "handle", 1, cmd_handle },
	{ "deleted", 1, cmd_deleted },
	{ "garbage", 1, cmd_garbage },
	{ "save", 2, cmd_save },
	{ "load", 2, cmd_load },
	{ "idmap", 1, cmd_idmap },
	{ }
};

int main(int argc, char **argv)
{
	return run_cmd(cmds, argc, argv);
}
