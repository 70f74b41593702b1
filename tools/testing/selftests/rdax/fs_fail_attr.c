// SPDX-License-Identifier: GPL-2.0
/* Memory runs out in operations on attributes: see fs_fail.h. */
#include <linux/fs.h>
#include <sys/ioctl.h>

#include "fs_fail.h"

#define ACCESS	"system.posix_acl_access"
#define DEFAULT	"system.posix_acl_default"
#define LARGE	60000

struct acl {
	uint32_t version;
	struct { uint16_t tag, perm; uint32_t id; } e[5];
};

static const struct acl with_user = { 2, {
	{ 1, 6, -1 }, { 2, 6, 1001 }, { 4, 4, -1 }, { 16, 6, -1 }, { 32, 0, -1 },
} };
/* The mode says it all. */
static const struct acl minimal = { 2, {
	{ 1, 6, -1 }, { 4, 0, -1 }, { 32, 0, -1 },
} };
#define MINIMAL_LEN	(4 + 3 * 8)

static char value[LARGE];

static void file(void)
{
	int fd = new_at("f", 0644);

	write_pattern(fd, 3 * PAGE, 3);
	must(!close(fd));
}

static void file_of_user(void)
{
	file();
	must(!chown("f", 1001, 1001));
	must(!chmod("f", 06755));
}

static void file_with_acl(void)
{
	file();
	must(!setxattr("f", ACCESS, &with_user, sizeof(with_user), 0));
}

static void file_with_small(void)
{
	file();
	must(!setxattr("f", "user.small", "value", 5, 0));
}

static void file_with_large(void)
{
	file_with_small();
	memset(value, 'v', LARGE);
	must(!setxattr("f", "user.large", value, LARGE, 0));
}

static void dir(void)
{
	must(!mkdir("f", 0755));
}

static void dir_with_default(void)
{
	dir();
	must(!setxattr("f", DEFAULT, &with_user, sizeof(with_user), 0));
}

static long change_mode(void)
{
	return chmod("f", 0600);
}

static long change_owner(void)
{
	return chown("f", 1002, 1003);
}

static long change_times(void)
{
	static const struct timespec times[2] = { { 1000, 5 }, { 2000, 6 } };

	return utimensat(AT_FDCWD, "f", times, 0);
}

static long cut(void)
{
	return truncate("f", PAGE + 100);
}

static long cut_all(void)
{
	return truncate("f", 0);
}

static long extend(void)
{
	return truncate("f", 5 * PAGE + 10);
}

static long open_truncate(void)
{
	return open("f", O_WRONLY | O_TRUNC);
}

static void close_fd(long ret)
{
	if (ret >= 0)
		must(!close(ret));
}

static long set_small(void)
{
	return setxattr("f", "user.new", "value", 5, XATTR_CREATE);
}

static long replace_small(void)
{
	return setxattr("f", "user.small", "another value", 13, XATTR_REPLACE);
}

static long set_large(void)
{
	memset(value, 'w', LARGE);
	return setxattr("f", "user.large", value, LARGE, 0);
}

static long set_security(void)
{
	return setxattr("f", "security.test", "value", 5, 0);
}

static long remove_small(void)
{
	return removexattr("f", "user.small");
}

static long get_large(void)
{
	return getxattr("f", "user.large", value, LARGE);
}

static long list_all(void)
{
	return listxattr("f", value, LARGE);
}

static long set_access(void)
{
	return setxattr("f", ACCESS, &with_user, sizeof(with_user), 0);
}

static long set_minimal(void)
{
	return setxattr("f", ACCESS, &minimal, MINIMAL_LEN, 0);
}

static long set_default(void)
{
	return setxattr("f", DEFAULT, &with_user, sizeof(with_user), 0);
}

static long remove_access(void)
{
	return removexattr("f", ACCESS);
}

static long remove_default(void)
{
	return removexattr("f", DEFAULT);
}

static long get_access(void)
{
	struct acl got;

	return getxattr("f", ACCESS, &got, sizeof(got));
}

/* The list is read when another user opens the file. */
static long check_access(void)
{
	return access("f", R_OK);
}

static int fd;

static void opened(void)
{
	file();
	fd = open("f", O_RDONLY);
	must(fd >= 0);
}

static void close_opened(long ret)
{
	int none = 0;

	must(!ioctl(fd, FS_IOC_SETFLAGS, &none) || errno == EOPNOTSUPP);
	must(!close(fd));
}

static long get_flags(void)
{
	int flags;

	return ioctl(fd, FS_IOC_GETFLAGS, &flags);
}

static long set_flags(void)
{
	struct fsxattr attr;

	if (ioctl(fd, FS_IOC_FSGETXATTR, &attr))
		return -1;
	attr.fsx_xflags |= FS_XFLAG_NODUMP;
	return ioctl(fd, FS_IOC_FSSETXATTR, &attr);
}

static long get_version(void)
{
	int version;

	return ioctl(fd, FS_IOC_GETVERSION, &version);
}

static long get_label(void)
{
	char label[256];

	return ioctl(fd, FS_IOC_GETFSLABEL, label);
}

static long stat_fs(void)
{
	struct statvfs st;

	return statvfs("f", &st);
}

static const struct op ops[] = {
	OP("chmod", file, change_mode),
	OP("chmod-acl", file_with_acl, change_mode),
	OP("chmod-acl-cold", file_with_acl, change_mode, .flags = COLD),
	OP("chown", file_of_user, change_owner),
	OP("utimensat", file, change_times),
	OP("truncate", file, cut),
	OP("truncate-suid", file_of_user, cut),
	OP("truncate-0", file, cut_all),
	OP("truncate-up", file, extend),
	OP("open-truncate", file_of_user, open_truncate, .after = close_fd),
	OP("setxattr", file, set_small),
	OP("setxattr-replace", file_with_small, replace_small),
	OP("setxattr-large", file_with_small, set_large),
	OP("setxattr-security", file, set_security),
	OP("removexattr", file_with_small, remove_small),
	OP("removexattr-large", file_with_large, remove_small, .flags = COLD),
	OP("getxattr", file_with_large, get_large, .flags = COLD | READS),
	OP("listxattr", file_with_large, list_all, .flags = COLD | READS),
	OP("acl-set", file, set_access),
	OP("acl-set-minimal", file_with_acl, set_minimal),
	OP("acl-set-default", dir, set_default),
	OP("acl-remove", file_with_acl, remove_access),
	OP("acl-remove-default", dir_with_default, remove_default),
	OP("acl-get", file_with_acl, get_access, .flags = COLD | READS),
	OP("acl-check", file_with_acl, check_access, .flags = COLD | READS),
	OP("getflags", opened, get_flags, .after = close_opened,
	   .flags = FRESH),
	OP("setflags", opened, set_flags, .after = close_opened,
	   .flags = FRESH),
	OP("getversion", opened, get_version, .after = close_opened,
	   .flags = FRESH),
	OP("getlabel", opened, get_label, .after = close_opened,
	   .flags = FRESH),
	OP("statfs", file, stat_fs, .flags = COLD | READS),
	{ .name = NULL },
};

int main(int argc, char **argv)
{
	if (argc < 3)
		fail("usage: fs_fail_attr once|lasting DIRECTORY [NAME...]");
	fail_ops(ops, argv + 1);
	return 0;
}
