/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The state of a directory tree as text: of each file its type, mode, owner,
 * links, size, blocks, content and extended attributes, sorted by name.
 */
#ifndef FS_FAIL_DIGEST_H
#define FS_FAIL_DIGEST_H

#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/xattr.h>

#include "fs_test.h"

#define DIGEST_MAX	(64 << 10)

struct digest {
	size_t len;
	char text[DIGEST_MAX];
};

/* What a state leaves out. */
enum {
	NO_TIMES = 1,
	NO_BLOCKS = 2,
};

static void __printf(2, 3) digest_add(struct digest *d, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	d->len += vsnprintf(d->text + d->len, DIGEST_MAX - d->len, fmt, ap);
	va_end(ap);
	if (d->len >= DIGEST_MAX)
		fail("the tree is too large for its digest");
}

static u64 mix_in(u64 hash, const void *p, size_t len)
{
	const unsigned char *b = p;
	u64 word;

	for (; len >= sizeof(word); len -= sizeof(word), b += sizeof(word)) {
		memcpy(&word, b, sizeof(word));
		hash = (hash ^ word) * 0x9e3779b97f4a7c15ULL;
		hash ^= hash >> 29;
	}
	while (len--)
		hash = (hash ^ *b++) * 0x100000001b3ULL;
	return hash;
}

/* Of the data and where it is: holes read as zeroes and cost no time. */
static u64 hash_content(const char *path)
{
	static char buf[1 << 16];
	off_t at = 0, end;
	u64 hash = 0;
	ssize_t n;
	int fd;

	fd = open(path, O_RDONLY);
	if (fd < 0)
		fail("open %s: %m", path);
	end = lseek(fd, 0, SEEK_END);
	while (at < end) {
		n = pread(fd, buf, sizeof(buf), at);
		if (n <= 0)
			fail("read %s at %lld: %zd, %m", path, (long long)at, n);
		hash = mix_in(hash, buf, n);
		at += n;
	}
	close(fd);
	return hash;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void digest_xattrs(struct digest *d, const char *path)
{
	static char names[4096], value[65536];
	char *sorted[64];
	ssize_t len, n;
	int count = 0, i;
	char *name;

	len = llistxattr(path, names, sizeof(names));
	if (len < 0)
		fail("llistxattr %s: %m", path);
	for (name = names; name < names + len; name += strlen(name) + 1) {
		must(count < 64);
		sorted[count++] = name;
	}
	qsort(sorted, count, sizeof(*sorted), by_name);
	for (i = 0; i < count; i++) {
		n = lgetxattr(path, sorted[i], value, sizeof(value));
		if (n < 0)
			fail("lgetxattr %s of %s: %m", sorted[i], path);
		digest_add(d, " %s=%zd:%llx", sorted[i], n, mix_in(0, value, n));
	}
}

static void digest_tree(struct digest *d, const char *path, int leave_out);

static void digest_dir(struct digest *d, const char *path, int leave_out)
{
	char *names[1024], sub[512];
	struct dirent *ent;
	int count = 0, i;
	DIR *dir;

	dir = opendir(path);
	if (!dir)
		fail("opendir %s: %m", path);
	for (errno = 0; (ent = readdir(dir)); errno = 0) {
		if (!strcmp(ent->d_name, ".") || !strcmp(ent->d_name, ".."))
			continue;
		must(count < 1024);
		names[count++] = strdup(ent->d_name);
	}
	if (errno)
		fail("readdir %s: %m", path);
	closedir(dir);
	qsort(names, count, sizeof(*names), by_name);
	if (count > 100) {
		/* Large directories hold empty files only. */
		u64 hash = 0;

		for (i = 0; i < count; i++)
			hash = mix_in(hash, names[i], strlen(names[i]));
		digest_add(d, "%s/: %d names, %llx\n", path, count, hash);
	}
	for (i = 0; i < count; i++) {
		snprintf(sub, sizeof(sub), "%s/%s", path, names[i]);
		if (count <= 100)
			digest_tree(d, sub, leave_out);
		free(names[i]);
	}
}

static void digest_tree(struct digest *d, const char *path, int leave_out)
{
	struct stat st = lstat_of(path);
	char target[4096] = "";

	digest_add(d, "%s %o %u:%u n%lu r%llx s%lld", path, st.st_mode,
		   st.st_uid, st.st_gid, (unsigned long)st.st_nlink,
		   (u64)st.st_rdev, (long long)st.st_size);
	if (!(leave_out & NO_BLOCKS))
		digest_add(d, " b%lld", (long long)st.st_blocks);
	if (!(leave_out & NO_TIMES))
		digest_add(d, " m%lld.%09ld c%lld.%09ld",
			   (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec,
			   (long long)st.st_ctim.tv_sec, st.st_ctim.tv_nsec);
	digest_xattrs(d, path);
	if (S_ISREG(st.st_mode))
		digest_add(d, " %llx", hash_content(path));
	if (S_ISLNK(st.st_mode)) {
		must(readlink(path, target, sizeof(target)) > 0);
		digest_add(d, " -> %llx", mix_in(0, target, strlen(target)));
	}
	digest_add(d, "\n");
	if (S_ISDIR(st.st_mode))
		digest_dir(d, path, leave_out);
}

static void digest_of(struct digest *d, const char *path, int leave_out)
{
	d->len = 0;
	digest_tree(d, path, leave_out);
}

/* The lines that differ. */
static void want_same(const struct digest *got, const struct digest *want,
		      const char *what)
{
	const char *g = got->text, *w = want->text;

	if (got->len == want->len && !memcmp(g, w, got->len))
		return;
	while (*g || *w) {
		size_t lg = strcspn(g, "\n"), lw = strcspn(w, "\n");

		if (lg != lw || memcmp(g, w, lg))
			note("is   %.*s\nwant %.*s", (int)lg, g, (int)lw, w);
		g += lg + !!g[lg];
		w += lw + !!w[lw];
	}
	fail("%s", what);
}

static void remove_tree(const char *path)
{
	struct dirent *ent;
	char sub[512];
	DIR *dir;

	if (!unlink(path))
		return;
	if (errno != EISDIR)
		fail("unlink %s: %m", path);
	dir = opendir(path);
	if (!dir)
		fail("opendir %s: %m", path);
	while ((ent = readdir(dir))) {
		if (!strcmp(ent->d_name, ".") || !strcmp(ent->d_name, ".."))
			continue;
		snprintf(sub, sizeof(sub), "%s/%s", path, ent->d_name);
		remove_tree(sub);
	}
	closedir(dir);
	if (rmdir(path))
		fail("rmdir %s: %m", path);
}

#endif
