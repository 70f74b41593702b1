// SPDX-License-Identifier: GPL-2.0
/* Memory runs out in operations on names, links and handles: see fs_fail.h. */
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include "fs_fail.h"

#define ENTRIES	110

static struct {
	struct file_handle h;
	unsigned char bytes[MAX_HANDLE_SZ];
} handle;
static char long_target[3000];
static int fd;

/* u::rwx u:1001:rwx g::r-x m::rwx o::r-x */
static const struct {
	uint32_t version;
	struct { uint16_t tag, perm; uint32_t id; } e[5];
} acl = { 2, {
	{ 1, 7, -1 }, { 2, 7, 1001 }, { 4, 5, -1 }, { 16, 7, -1 }, { 32, 5, -1 },
} };

static void put(const char *path, size_t size)
{
	int file = new_at(path, 0644);

	write_pattern(file, size, 7);
	must(!close(file));
}

static void close_fd(long ret)
{
	if (ret >= 0)
		must(!close(ret));
}

/* --- what is created */

static void with_defaults(void)
{
	must(!setxattr(".", "system.posix_acl_default", &acl, sizeof(acl), 0));
}

static long create(void)
{
	return open("new", O_RDWR | O_CREAT | O_EXCL, 0666);
}

static long make_dir(void)
{
	return mkdir("new", 0777);
}

static long make_fifo(void)
{
	return mknod("new", S_IFIFO | 0600, 0);
}

static long make_device(void)
{
	return mknod("new", S_IFCHR | 0600, makedev(300, 70000));
}

static long symlink_short(void)
{
	return symlink("somewhere", "new");
}

static long symlink_long(void)
{
	memset(long_target, 'x', sizeof(long_target) - 1);
	return symlink(long_target, "new");
}

static void one_file(void)
{
	put("f", 3 * PAGE);
}

static long make_link(void)
{
	return link("f", "new");
}

static long tmpfile_open(void)
{
	return open(".", O_TMPFILE | O_RDWR, 0600);
}

static void tmpfile_setup(void)
{
	fd = open(".", O_TMPFILE | O_RDWR, 0600);
	must(fd >= 0);
	full_pwrite(fd, "data", 4, 0);
}

static long tmpfile_link(void)
{
	return linkat(fd, "", AT_FDCWD, "new", AT_EMPTY_PATH);
}

static long close_one(void)
{
	return close(fd);
}

static void close_other(long ret)
{
	must(!close(fd));
}

/* --- what is removed */

static long remove_file(void)
{
	return unlink("f");
}

static void fragments(void)
{
	int i;

	fd = new_at("f", 0600);
	for (i = 0; i < 40; i++)
		full_pwrite(fd, "data", 4, i * 2 * PAGE);
	must(!close(fd));
}

static void unlinked(void)
{
	fragments();
	fd = open("f", O_RDWR);
	must(fd >= 0 && !unlink("f"));
}

static void two_links(void)
{
	one_file();
	must(!link("f", "g"));
}

static void one_dir(void)
{
	must(!mkdir("d", 0755));
}

static long remove_dir(void)
{
	return rmdir("d");
}

static void long_link(void)
{
	must(!symlink_long());
}

static long remove_new(void)
{
	return unlink("new");
}

/* --- what is renamed */

static void two_dirs(void)
{
	must(!mkdir("d", 0755) && !mkdir("e", 0755) && !mkdir("d/sub", 0755));
	must(!mkdir("e/sub", 0755));
	put("d/f", 100);
	put("e/g", 200);
}

static long rename_with(const char *from, const char *to, unsigned int flags)
{
	return renameat2(AT_FDCWD, from, AT_FDCWD, to, flags);
}

static long rename_plain(void)
{
	return rename_with("d/f", "d/new", 0);
}

static long rename_across(void)
{
	return rename_with("d/f", "e/new", 0);
}

static long rename_noreplace(void)
{
	return rename_with("d/f", "e/new", RENAME_NOREPLACE);
}

static long rename_replace(void)
{
	return rename_with("d/f", "e/g", 0);
}

static long rename_dir(void)
{
	return rename_with("d/sub", "e/new", 0);
}

static long rename_dir_replace(void)
{
	return rename_with("d/sub", "e/sub", 0);
}

static long rename_exchange(void)
{
	return rename_with("d/f", "e/sub", RENAME_EXCHANGE);
}

static long rename_whiteout(void)
{
	return rename_with("d/f", "e/g", RENAME_WHITEOUT);
}

static long rename_whiteout_here(void)
{
	return rename_with("d/f", "d/new", RENAME_WHITEOUT);
}

/* --- what is looked up */

static void many(void)
{
	char name[32];
	int i;

	must(!mkdir("d", 0755));
	for (i = 0; i < ENTRIES; i++) {
		snprintf(name, sizeof(name), "d/a-name-of-some-length-%d", i);
		touch(name);
	}
}

static long look_up(void)
{
	struct stat st;

	return lstat("d/a-name-of-some-length-100", &st);
}

static long look_up_none(void)
{
	struct stat st;

	if (!lstat("d/none", &st))
		return 1;
	return errno == ENOENT ? 0 : -1;
}

static long create_in_many(void)
{
	return mknod("d/new", S_IFREG | 0644, 0);
}

static long remove_from_many(void)
{
	return unlink("d/a-name-of-some-length-100");
}

/* A part of the entries is an answer as well: the next call goes on. */
static long list(void)
{
	static char buf[65536];
	int dir = open("d", O_RDONLY | O_DIRECTORY);
	long ret;

	if (dir < 0)
		return -1;
	ret = syscall(SYS_getdents64, dir, buf, sizeof(buf));
	close(dir);
	return ret;
}

static void listed_partly(long ret)
{
	must(ret > 0);
}

static long open_file(void)
{
	return open("f", O_RDONLY);
}

static long read_link(void)
{
	static char buf[4096];

	return readlink("new", buf, sizeof(buf));
}

static long stat_file(void)
{
	struct statx stx;

	return statx(AT_FDCWD, "f", 0, STATX_ALL, &stx);
}

static void handle_of(const char *path)
{
	int mount_id;

	handle.h.handle_bytes = MAX_HANDLE_SZ;
	must(!name_to_handle_at(AT_FDCWD, path, &handle.h, &mount_id, 0));
}

static long make_handle(void)
{
	int mount_id;

	handle.h.handle_bytes = MAX_HANDLE_SZ;
	return name_to_handle_at(AT_FDCWD, "f", &handle.h, &mount_id, 0);
}

static void file_by_handle(void)
{
	one_file();
	handle_of("f");
}

static void dir_by_handle(void)
{
	must(!mkdir("d", 0755) && !mkdir("d/e", 0755) && !mkdir("d/e/f", 0755));
	handle_of("d/e/f");
}

static long open_handle(void)
{
	return open_by_handle_at(fs_fail.dir, &handle.h, O_RDONLY);
}

/* A handle of what is gone; whoever looks must not keep it, nor lose it. */
static void handle_of_removed(void)
{
	file_by_handle();
	must(!unlink("f"));
}

static long open_stale(void)
{
	if (open_handle() >= 0)
		return 1;
	return errno == ESTALE ? 0 : -1;
}

static const struct op ops[] = {
	OP("create", NULL, create, .after = close_fd),
	OP("create-acl", with_defaults, create, .after = close_fd),
	OP("mkdir", NULL, make_dir),
	OP("mkdir-acl", with_defaults, make_dir),
	OP("mknod-fifo", NULL, make_fifo),
	OP("mknod-device", NULL, make_device),
	OP("symlink-short", NULL, symlink_short),
	OP("symlink-long", NULL, symlink_long),
	OP("link", one_file, make_link),
	OP("tmpfile", NULL, tmpfile_open, .after = close_fd),
	OP("tmpfile-link", tmpfile_setup, tmpfile_link, .after = close_other,
	   .flags = FRESH),
	OP("tmpfile-close", tmpfile_setup, close_one, .flags = FRESH | NEVER),
	OP("unlink", one_file, remove_file),
	OP("unlink-cold", one_file, remove_file, .flags = COLD),
	OP("unlink-fragments", fragments, remove_file),
	OP("unlink-one-of-two", two_links, remove_file),
	OP("unlink-close", unlinked, close_one, .flags = FRESH | NEVER),
	OP("unlink-symlink", long_link, remove_new),
	OP("rmdir", one_dir, remove_dir),
	OP("rename", two_dirs, rename_plain),
	OP("rename-across", two_dirs, rename_across, .flags = COLD),
	OP("rename-noreplace", two_dirs, rename_noreplace),
	OP("rename-replace", two_dirs, rename_replace),
	OP("rename-dir", two_dirs, rename_dir),
	OP("rename-dir-replace", two_dirs, rename_dir_replace),
	OP("rename-exchange", two_dirs, rename_exchange),
	OP("rename-whiteout", two_dirs, rename_whiteout),
	OP("rename-whiteout-here", two_dirs, rename_whiteout_here),
	OP("lookup", many, look_up, .flags = COLD | READS),
	OP("lookup-none", many, look_up_none, .flags = COLD | READS),
	OP("create-in-many", many, create_in_many, .flags = COLD),
	OP("unlink-in-many", many, remove_from_many, .flags = COLD),
	OP("readdir", many, list, .partly = listed_partly,
	   .flags = COLD | PARTLY | READS),
	OP("open", one_file, open_file, .after = close_fd, .flags = COLD | READS),
	OP("readlink", long_link, read_link, .flags = COLD | READS),
	OP("statx", one_file, stat_file, .flags = COLD | READS),
	OP("handle", one_file, make_handle, .flags = READS),
	OP("open-handle", file_by_handle, open_handle, .after = close_fd,
	   .flags = COLD | READS),
	OP("open-handle-dir", dir_by_handle, open_handle, .after = close_fd,
	   .flags = COLD | READS),
	OP("open-handle-stale", handle_of_removed, open_stale, .flags = COLD | READS),
	{ .name = NULL },
};

int main(int argc, char **argv)
{
	if (argc < 3)
		fail("usage: fs_fail_names once|lasting DIRECTORY [NAME...]");
	fail_ops(ops, argv + 1);
	return 0;
}
