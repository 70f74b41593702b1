// SPDX-License-Identifier: GPL-2.0
/*
 * Names and attributes while the memory is traced (crash_trace.h):
 *
 *   crash_names names|renames|attrs DIR	DIR is the root of the volume
 */
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/xattr.h>

#include "crash_trace.h"

/* A directory gets more blocks, and more inodes are made to choose from. */
static void grow_directory(void)
{
	char name[256];
	int i;

	ATOMIC("mkdir", !mkdir("big", 0755));
	for (i = 0; i < 24; i++) {
		snprintf(name, sizeof(name), "big/%02d%.200s", i, letters('n', 200));
		ATOMIC("create a long name", !mknod(name, S_IFREG | 0600, 0));
	}
}

static void cmd_names(char **argv)
{
	char link_path[64];
	int fd;

	must(!chdir(argv[0]));
	ATOMIC("mkdir", !mkdir("d", 0755));
	ATOMIC("create", (fd = open("d/a", O_RDWR | O_CREAT | O_EXCL, 0644)) >= 0);
	ATOMIC("append to it", put(fd, 'a', 5000, 0));
	ATOMIC("link", !link("d/a", "d/b"));
	ATOMIC("symlink", !symlink("target", "d/short"));
	ATOMIC("symlink of 3000 bytes", !symlink(letters('s', 3000), "d/long"));
	ATOMIC("mknod", !mknod("d/pipe", S_IFIFO | 0600, 0));
	ATOMIC("unlink one of two", !unlink("d/b"));
	ATOMIC("unlink an open file", !unlink("d/a"));
	SAME("close an unlinked file", !close(fd));
	ATOMIC("unlink a symlink", !unlink("d/long"));
	SAME("O_TMPFILE", (fd = open("d", O_TMPFILE | O_RDWR, 0640)) >= 0);
	SAME("append to a file without a name", put(fd, 't', 300, 0));
	sprintf(link_path, "/proc/self/fd/%d", fd);
	ATOMIC("linkat of it", !linkat(AT_FDCWD, link_path, AT_FDCWD, "d/tmp",
				       AT_SYMLINK_FOLLOW));
	SAME("close it", !close(fd));
	grow_directory();
	ATOMIC("mkdir below", !mkdir("d/sub", 0700));
	ATOMIC("rmdir", !rmdir("d/sub"));
}

static int rename_as(const char *from, const char *to, unsigned int flags)
{
	return renameat2(AT_FDCWD, from, AT_FDCWD, to, flags);
}

static void new_file(const char *path, char letter)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0644);

	must(fd >= 0);
	must(put(fd, letter, 200, 0) && !close(fd));
}

static void cmd_renames(char **argv)
{
	int fd;

	must(!chdir(argv[0]));
	STEPS("make files", (new_file("x", 'x'), new_file("y", 'y'),
			     new_file("z", 'z'), true));
	STEPS("make directories", !mkdir("p", 0755) && !mkdir("q", 0755) &&
				  !mkdir("p/r", 0755) && !mkdir("empty", 0755));
	ATOMIC("rename within a directory", !rename("x", "x2"));
	ATOMIC("rename to another directory", !rename("x2", "p/x"));
	ATOMIC("rename over a file", !rename("p/x", "y"));
	fd = open("z", O_RDONLY);
	must(fd >= 0);
	ATOMIC("rename over an open file", !rename("y", "z"));
	SAME("close it", !close(fd));
	ATOMIC("rename of a directory", !rename("p/r", "q/r"));
	ATOMIC("rename over a directory", !rename("q/r", "empty"));
	STEPS("make a file", (new_file("w", 'w'), true));
	ATOMIC("exchange of files", !rename_as("w", "z", RENAME_EXCHANGE));
	ATOMIC("exchange of a file and a directory",
	       !rename_as("w", "p", RENAME_EXCHANGE));
	ATOMIC("mkdir in another", !mkdir("q/n", 0755));
	ATOMIC("exchange across directories",
	       !rename_as("q/n", "p", RENAME_EXCHANGE));
	ATOMIC("whiteout", !rename_as("z", "z2", RENAME_WHITEOUT));
	ATOMIC("rename, no replace", !rename_as("z2", "q/z", RENAME_NOREPLACE));
}

/* An access list: the owner, a user, the group, the mask and others. */
struct acl {
	uint32_t version;
	struct {
		uint16_t tag;
		uint16_t perm;
		uint32_t id;
	} entry[5];
};

static int set_acl(const char *path, const char *name, uint16_t perm)
{
	struct acl acl = {
		.version = 2,
		.entry = {
			{ 0x01, 7, -1 }, { 0x02, perm, 1000 }, { 0x04, 5, -1 },
			{ 0x10, 7, -1 }, { 0x20, 4, -1 },
		},
	};

	return setxattr(path, name, &acl, sizeof(acl), 0);
}

static int set_flags(int fd, int flags)
{
	return ioctl(fd, FS_IOC_SETFLAGS, &flags);
}

/* The VFS removes it first, in a transaction of its own. */
static void drop_capability(int fd)
{
	const uint32_t cap[5] = { 0x02000001, 1, 0, 0, 0 };

	ATOMIC("file capability", !fsetxattr(fd, "security.capability", cap,
					     sizeof(cap), 0));
	LOOSE_STEPS("write that drops it", "/f", 8, 16, put(fd, 'c', 8, 8));
	ATOMIC("file capability", !fsetxattr(fd, "security.capability", cap,
					     sizeof(cap), 0));
	STEPS("truncate that drops it", !ftruncate(fd, 100));
}

static void cmd_attrs(char **argv)
{
	const struct timespec times[2] = { { 1000, 1 }, { 2000, 2 } };
	const char *big = letters('v', 3000);
	int fd;

	must(!chdir(argv[0]));
	STEPS("make a file", (new_file("f", 'f'), !mkdir("dir", 0755)));
	fd = open("f", O_RDWR);
	must(fd >= 0);
	ATOMIC("chmod", !chmod("f", 0600));
	ATOMIC("chown", !chown("f", 7, 8));
	ATOMIC("utimensat", !utimensat(AT_FDCWD, "f", times, 0));
	ATOMIC("setxattr", !setxattr("f", "user.one", "1", 1, 0));
	ATOMIC("setxattr of 3000 bytes", !setxattr("f", "user.two", big, 3000, 0));
	ATOMIC("setxattr, replace", !setxattr("f", "user.one", "22", 2,
					      XATTR_REPLACE));
	ATOMIC("setxattr of a directory", !setxattr("dir", "trusted.t", "t", 1, 0));
	ATOMIC("removexattr", !removexattr("f", "user.two"));
	ATOMIC("access list", !set_acl("f", "system.posix_acl_access", 6));
	ATOMIC("chmod with an access list", !chmod("f", 0640));
	ATOMIC("default access list", !set_acl("dir", "system.posix_acl_default", 5));
	ATOMIC("create that inherits it", !mknod("dir/f", S_IFREG | 0666, 0));
	ATOMIC("mkdir that inherits it", !mkdir("dir/d", 0777));
	ATOMIC("inode flags", !set_flags(fd, FS_NOATIME_FL));
	ATOMIC("no inode flags", !set_flags(fd, 0));
	ATOMIC("set-user-ID", !fchmod(fd, 06777));
	must(!seteuid(1000));
	LOOSE_STEPS("write that drops it", "/f", 0, 8, put(fd, 'u', 8, 0));
	must(!seteuid(0));
	drop_capability(fd);
	must(!close(fd));
}

int main(int argc, char **argv)
{
	static const struct cmd cmds[] = {
		{ "names", 1, cmd_names },
		{ "renames", 1, cmd_renames },
		{ "attrs", 1, cmd_attrs },
		{ }
	};

	return run_cmd(cmds, argc, argv);
}
