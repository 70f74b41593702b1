// SPDX-License-Identifier: GPL-2.0
/* Extended attributes, and POSIX ACLs by the attributes that carry them. */
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/xattr.h>

#include "fs_test.h"

#define ALICE	1234
#define BOB	2345
#define MANY	150

static void get(const char *path, const char *name, const char *want,
		size_t len)
{
	static char buf[65536];
	ssize_t n = lgetxattr(path, name, buf, sizeof(buf));

	if (n < 0)
		fail("%s of %s: %m", name, path);
	must_eq(n, len);
	must(!memcmp(buf, want, len));
	must_eq(lgetxattr(path, name, NULL, 0), len);
}

static void put(const char *path, const char *name, const char *val, size_t len)
{
	if (lsetxattr(path, name, val, len, 0))
		fail("set %s of %s, %zu bytes: %m", name, path, len);
	get(path, name, val, len);
}

/* Whether listxattr names it, and exactly once. */
static bool listed(const char *path, const char *name)
{
	static char buf[65536];
	ssize_t n = llistxattr(path, buf, sizeof(buf)), at;
	int found = 0;

	must(n >= 0);
	for (at = 0; at < n; at += strlen(buf + at) + 1)
		found += !strcmp(buf + at, name);
	must(found <= 1);
	return found;
}

static void cmd_basic(char **argv)
{
	char name[300] = "user.", buf[8];

	enter(argv[0]);
	touch("f");
	must(!mkdir("d", 0755));
	must(!symlink("f", "s"));
	must_fail(lgetxattr("f", "user.none", NULL, 0), ENODATA);
	must_fail(lremovexattr("f", "user.none"), ENODATA);
	must_fail(lsetxattr("f", "user.a", "1", 1, XATTR_REPLACE), ENODATA);
	must(!lsetxattr("f", "user.a", "1", 1, XATTR_CREATE));
	must_fail(lsetxattr("f", "user.a", "2", 1, XATTR_CREATE), EEXIST);
	get("f", "user.a", "1", 1);
	must(!lsetxattr("f", "user.a", "three", 5, XATTR_REPLACE));
	get("f", "user.a", "three", 5);
	must_fail(lgetxattr("f", "user.a", buf, 4), ERANGE);
	put("f", "user.a", "", 0);
	put("f", "user.b", "\0\1\377", 3);
	put("f", "trusted.t", "t", 1);
	put("f", "security.s", "s", 1);
	put("d", "user.d", "d", 1);
	put("s", "trusted.on-link", "l", 1);
	must_fail(lsetxattr("s", "user.a", "x", 1, 0), EPERM);
	must_fail(lsetxattr("f", "nonsense.a", "x", 1, 0), EOPNOTSUPP);
	must_fail(llistxattr("f", buf, 4), ERANGE);
	must(listed("f", "user.a") && listed("f", "user.b"));
	must(listed("f", "trusted.t") && listed("f", "security.s"));
	must(!lremovexattr("f", "user.a"));
	must(!listed("f", "user.a") && listed("f", "user.b"));
	must_fail(lgetxattr("f", "user.a", NULL, 0), ENODATA);
	memset(name + 5, 'n', 250);
	put("f", name, "long", 4);
	must(listed("f", name));
	name[255] = 'n';
	must_fail(lsetxattr("f", name, "x", 1, 0), ERANGE);
}

static void cmd_large(char **argv)
{
	static const size_t lens[] = { 1, 100, 255, 256, 1000, 2000, 3000, 4000,
		4095, 4096, 4097, 10000, 65535, 65536, 5, 30000 };
	static char val[65537];
	unsigned int i;

	enter(argv[0]);
	touch("f");
	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		fill(val, lens[i], i, 0);
		put("f", "user.large", val, lens[i]);
	}
	must_fail(lsetxattr("f", "user.large", val, 65537, 0), E2BIG);
	get("f", "user.large", val, 30000);
	put("f", "user.second", val, 65536);
	get("f", "user.large", val, 30000);
	must(!lremovexattr("f", "user.large"));
	get("f", "user.second", val, 65536);
}

static void many_check(int step)
{
	char name[32], val[256];
	int i;

	for (i = 0; i < MANY; i++) {
		sprintf(name, "user.%d", i);
		if (i % step) {
			must(!listed("f", name));
			continue;
		}
		fill(val, i, i + step, 0);
		get("f", name, val, i);
	}
}

static void many_set(int step)
{
	char name[32], val[256];
	int i;

	for (i = 0; i < MANY; i += step) {
		sprintf(name, "user.%d", i);
		fill(val, i, i + step, 0);
		must(!lsetxattr("f", name, val, i, 0));
	}
}

static void cmd_many(char **argv)
{
	char name[32];
	int i;

	enter(argv[0]);
	touch("f");
	many_set(1);
	many_check(1);
	for (i = 0; i < MANY; i++) {
		sprintf(name, "user.%d", i);
		if (i % 3)
			must(!lremovexattr("f", name));
	}
	many_set(3);
	many_check(3);
}

/* After a remount: what basic and many left. */
static void cmd_kept(char **argv)
{
	must(!chdir(argv[0]) && !chdir("basic"));
	get("f", "user.b", "\0\1\377", 3);
	get("f", "trusted.t", "t", 1);
	get("f", "security.s", "s", 1);
	get("s", "trusted.on-link", "l", 1);
	must(!chdir("../many"));
	many_check(3);
}

static void as_stranger(void)
{
	char buf[16];

	must_fail(lsetxattr("f", "trusted.t", "x", 1, 0), EPERM);
	must_fail(lgetxattr("f", "trusted.t", buf, 16), ENODATA);
	must(!listed("f", "trusted.t"));
	must(listed("f", "user.a"));
	must_fail(lsetxattr("f", "user.a", "x", 1, 0), EACCES);
	get("f", "user.a", "1", 1);
}

static void cmd_stranger(char **argv)
{
	enter(argv[0]);
	touch("f");
	put("f", "user.a", "1", 1);
	put("f", "trusted.t", "t", 1);
	as_user(ALICE, ALICE, as_stranger);
}

/* --- ACLs */

enum {
	USER_OBJ = 1,
	USER = 2,
	GROUP_OBJ = 4,
	MASK = 16,
	OTHER = 32,
};

#define ACCESS	"system.posix_acl_access"
#define DEFAULT	"system.posix_acl_default"

struct acl {
	uint32_t version;
	struct { uint16_t tag, perm; uint32_t id; } e[6];
};

static int set_acl(const char *path, const char *name, const struct acl *acl,
		   int count)
{
	return setxattr(path, name, acl, 4 + count * 8, 0);
}

static struct acl acl_of(const char *path, const char *name, int count)
{
	struct acl acl = {};

	must_eq(getxattr(path, name, &acl, sizeof(acl)), 4 + count * 8);
	must_eq(acl.version, 2);
	return acl;
}

/* u::rw- u:ALICE:rw- g::r-- m::rw- o::--- */
static const struct acl with_alice = { 2, {
	{ USER_OBJ, 6, -1 }, { USER, 6, ALICE }, { GROUP_OBJ, 4, -1 },
	{ MASK, 6, -1 }, { OTHER, 0, -1 },
} };

static void can_write(void)
{
	must(open("f", O_RDWR) >= 0);
}

static void can_read_only(void)
{
	must(open("f", O_RDONLY) >= 0);
	must_fail(open("f", O_RDWR), EACCES);
}

static void can_nothing(void)
{
	must_fail(open("f", O_RDONLY), EACCES);
}

static void cmd_acl_access(char **argv)
{
	static const struct acl minimal = { 2, {
		{ USER_OBJ, 6, -1 }, { GROUP_OBJ, 4, -1 }, { OTHER, 4, -1 },
	} };
	static const struct acl bad = { 2, {
		{ USER_OBJ, 6, -1 }, { USER, 6, ALICE }, { OTHER, 4, -1 },
	} };
	struct acl acl;

	must(!setgroups(0, NULL));
	enter(argv[0]);
	must(!close(new_at("f", 0600)));
	must_fail(getxattr("f", ACCESS, NULL, 0), ENODATA);
	must(!set_acl("f", ACCESS, &with_alice, 5));
	must_eq(lstat_of("f").st_mode & 0777, 0660);
	as_user(ALICE, ALICE, can_write);
	as_user(BOB, BOB, can_nothing);
	must(listed("f", ACCESS));
	/* chmod changes the mask, and that cuts ALICE. */
	must(!chmod("f", 0640));
	acl = acl_of("f", ACCESS, 5);
	must_eq(acl.e[3].tag, MASK);
	must_eq(acl.e[3].perm, 4);
	must_eq(acl.e[1].perm, 6);
	as_user(ALICE, ALICE, can_read_only);
	must_fail(set_acl("f", ACCESS, &bad, 3), EINVAL);
	must_fail(set_acl("f", DEFAULT, &with_alice, 5), EACCES);
	/* One that is only a mode is kept as that. */
	must(!set_acl("f", ACCESS, &minimal, 3));
	must_fail(getxattr("f", ACCESS, NULL, 0), ENODATA);
	must_eq(lstat_of("f").st_mode & 0777, 0644);
	must(!set_acl("f", ACCESS, &with_alice, 5));
	must(!removexattr("f", ACCESS));
	must_fail(getxattr("f", ACCESS, NULL, 0), ENODATA);
	must(!set_acl("f", ACCESS, &with_alice, 5));
}

static void cmd_acl_default(char **argv)
{
	struct acl acl;

	must(!setgroups(0, NULL));
	enter(argv[0]);
	must(!mkdir("d", 0755));
	must(!set_acl("d", DEFAULT, &with_alice, 5));
	must_eq(lstat_of("d").st_mode & 0777, 0755);
	must(!mkdir("d/sub", 0777));
	acl_of("d/sub", DEFAULT, 5);
	acl = acl_of("d/sub", ACCESS, 5);
	must_eq(acl.e[1].id, ALICE);
	must_eq(acl.e[1].perm, 6);
	/* The mode that is asked for limits what is inherited. */
	must(!close(new_at("d/f", 0600)));
	acl = acl_of("d/f", ACCESS, 5);
	must_eq(acl.e[3].perm, 0);
	must_fail(getxattr("d/f", DEFAULT, NULL, 0), ENODATA);
	must(!close(new_at("d/g", 0666)));
	must_eq(lstat_of("d/g").st_mode & 0777, 0660);
	must(!mknod("d/fifo", S_IFIFO | 0666, 0));
	must_eq(lstat_of("d/fifo").st_mode & 0777, 0660);
	must(!chdir("d"));
	must(!rename("g", "../f"));
	must(!chdir(".."));
	as_user(ALICE, ALICE, can_write);
	must(!removexattr("d", DEFAULT));
	must(!close(new_at("d/h", 0644)));
	must_fail(getxattr("d/h", ACCESS, NULL, 0), ENODATA);
}

static void cmd_acl_kept(char **argv)
{
	must(!setgroups(0, NULL));
	must(!chdir(argv[0]) && !chdir("acl-access"));
	acl_of("f", ACCESS, 5);
	as_user(ALICE, ALICE, can_write);
	as_user(BOB, BOB, can_nothing);
	must(!chdir("../acl-default"));
	acl_of("d/sub", DEFAULT, 5);
}

static const struct cmd cmds[] = {
	{ "basic", 1, cmd_basic },
	{ "large", 1, cmd_large },
	{ "many", 1, cmd_many },
	{ "kept", 1, cmd_kept },
	{ "stranger", 1, cmd_stranger },
	{ "acl-access", 1, cmd_acl_access },
	{ "acl-default", 1, cmd_acl_default },
	{ "acl-kept", 1, cmd_acl_kept },
	{ }
};

int main(int argc, char **argv)
{
	return run_cmd(cmds, argc, argv);
}
