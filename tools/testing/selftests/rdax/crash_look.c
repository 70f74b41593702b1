// SPDX-License-Identifier: GPL-2.0
/*
 * Shows what the kernel sees of the traced volume (crash_trace.h), for the host to
 * compare with what is in the memory:
 *
 *   crash_look DIR	DIR is the root of the volume
 */
#include <ftw.h>
#include <sys/xattr.h>

#include "crash_trace.h"

#define FNV_START	0xcbf29ce484222325ULL
#define FNV_PRIME	0x100000001b3ULL

static size_t root_len;

static u64 fnv(u64 sum, const void *data, size_t len)
{
	const unsigned char *p = data;

	while (len--)
		sum = (sum ^ *p++) * FNV_PRIME;
	return sum;
}

static u64 sum_of_data(const char *path)
{
	static char buf[1 << 16];
	int fd = open(path, O_RDONLY);
	u64 sum = FNV_START;
	ssize_t len;

	must(fd >= 0);
	while ((len = read(fd, buf, sizeof(buf))) > 0)
		sum = fnv(sum, buf, len);
	must(!len && !close(fd));
	return sum;
}

static u64 sum_of_link(const char *path)
{
	char target[PAGE];
	ssize_t len = readlink(path, target, sizeof(target));

	must(len > 0);
	return fnv(FNV_START, target, len);
}

/* In no order. Access lists are stored in another form than they are shown in. */
static u64 sum_of_xattrs(const char *path)
{
	char names[1024], value[PAGE], *name;
	ssize_t all = llistxattr(path, names, sizeof(names)), len;
	u64 sum = 0;

	must(all >= 0);
	for (name = names; name < names + all; name += strlen(name) + 1) {
		if (!strncmp(name, "system.", 7))
			continue;
		len = lgetxattr(path, name, value, sizeof(value));
		must(len >= 0);
		sum ^= fnv(fnv(FNV_START, name, strlen(name) + 1), value, len);
	}
	return sum;
}

static int show(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	u64 data = FNV_START;

	if (S_ISREG(st->st_mode))
		data = sum_of_data(path);
	else if (S_ISLNK(st->st_mode))
		data = sum_of_link(path);
	mark("file\t%s%s\t%o %lu %u:%u %lld %lld.%09ld %016llx %016llx",
	     path + root_len, S_ISDIR(st->st_mode) ? "/" : "", st->st_mode,
	     (unsigned long)st->st_nlink, st->st_uid, st->st_gid,
	     S_ISDIR(st->st_mode) ? 0LL : (long long)st->st_size,
	     (long long)st->st_mtim.tv_sec, st->st_mtim.tv_nsec, data,
	     sum_of_xattrs(path));
	return 0;
}

int main(int argc, char **argv)
{
	if (argc != 2)
		fail("usage: %s DIR", argv[0]);
	root_len = strlen(argv[1]);
	SAME("what the kernel shows", !nftw(argv[1], show, 16, FTW_PHYS));
	return 0;
}
