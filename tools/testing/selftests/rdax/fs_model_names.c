// SPDX-License-Identifier: GPL-2.0
/*
 * Random operations on a tree of names against a model of it in memory.
 *
 *   fs_model_names MNT [-n OPS] [-t SECONDS] [-s SEED] [-r "FS DEV OPTIONS"]
 *
 * Everything is compared each 200 operations, and with -r the file system is
 * unmounted and mounted again before every second of these comparisons.
 */
#include <dirent.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/xattr.h>

#include "fs_test.h"

#define NODES	400
#define NAMES	40
#define LOG	40
#define CHECK	200
#define CHILDREN	24

/* An inode, or, with no type, none. Node 0 is the root of the tree. */
struct node {
	mode_t mode;
	int nlink;
	ino_t ino;
	int parent;		/* of a directory */
	int value;		/* of its attribute, a length; -1: none */
	size_t size;
	int child[CHILDREN];	/* entries of a directory: the nodes, */
	int name[CHILDREN];	/* and their names; -1: free */
};

static struct node node[NODES];
static char names[NAMES][256];
static char log_text[LOG][600];
static u64 seed, rnd;
static long step;
static const char *top, *remount;

static int below(int n)
{
	return prng(&rnd) % n;
}

static void __attribute__((noreturn)) mismatch(const char *what,
					       const char *path)
{
	int err = errno;
	long i;

	note("seed %llu, after %ld operations:", (unsigned long long)seed, step);
	for (i = step < LOG ? 0 : step - LOG + 1; i <= step; i++)
		note("%6ld %s", i, log_text[i % LOG]);
	errno = err;
	fail("%s: %s (%m)", path, what);
}

static bool is_dir(int n)
{
	return S_ISDIR(node[n].mode);
}

static int new_node(mode_t mode, int parent)
{
	int n, i;

	for (n = 1; n < NODES && node[n].mode; n++)
		;
	if (n == NODES)
		return -1;
	node[n] = (struct node){ .mode = mode, .parent = parent, .value = -1,
				 .nlink = S_ISDIR(mode) ? 2 : 1 };
	for (i = 0; i < CHILDREN; i++)
		node[n].name[i] = -1;
	return n;
}

static int slot_of(int dir, int name)
{
	int i;

	for (i = 0; i < CHILDREN; i++)
		if (node[dir].name[i] == name)
			return i;
	return -1;
}

static bool is_empty(int dir)
{
	int i;

	for (i = 0; i < CHILDREN; i++)
		if (node[dir].name[i] >= 0)
			return false;
	return true;
}

static void add(int dir, int name, int n)
{
	int slot = slot_of(dir, -1);

	node[dir].name[slot] = name;
	node[dir].child[slot] = n;
	if (is_dir(n)) {
		node[n].parent = dir;
		node[dir].nlink++;
	}
}

/* Takes the name away, and the inode with its last one. */
static void del(int dir, int slot, bool drop)
{
	int n = node[dir].child[slot];

	node[dir].name[slot] = -1;
	if (is_dir(n))
		node[dir].nlink--;
	if (!drop)
		return;
	if (is_dir(n) || --node[n].nlink == 0)
		node[n].mode = 0;
}

static bool below_dir(int n, int dir)
{
	for (;; n = node[n].parent) {
		if (n == dir)
			return true;
		if (!n)
			return false;
	}
}

/* A place: a directory, a name, and what is there. */
struct place {
	int dir, name, slot, n;
	char path[4096];
};

static void path_of(int dir, char *out)
{
	int i;

	if (!dir) {
		strcpy(out, ".");
		return;
	}
	path_of(node[dir].parent, out);
	for (i = 0; node[node[dir].parent].child[i] != dir ||
	     node[node[dir].parent].name[i] < 0; i++)
		;
	sprintf(out + strlen(out), "/%s", names[node[node[dir].parent].name[i]]);
}

static int some_dir(void)
{
	int n;

	do {
		n = below(3) ? below(NODES) : below(20);
	} while (!is_dir(n));
	return n;
}

/* Half of the time one that exists, if the directory has any. */
static struct place some_place(void)
{
	struct place p = { .dir = some_dir(), .name = below(NAMES) };
	int i;

	if (below(2))
		for (i = 0; i < 20; i++) {
			int name = node[p.dir].name[below(CHILDREN)];

			if (name >= 0)
				p.name = name;
		}
	p.slot = slot_of(p.dir, p.name);
	p.n = p.slot < 0 ? -1 : node[p.dir].child[p.slot];
	path_of(p.dir, p.path);
	/* Deep in the tree only short names fit into a path. */
	if (strlen(p.path) > 2500)
		return some_place();
	sprintf(p.path + strlen(p.path), "/%s", names[p.name]);
	return p;
}

static void record(const char *op, const struct place *a, const struct place *b)
{
	snprintf(log_text[step % LOG], sizeof(log_text[0]),
		 "%s %.200s%s%.200s", op, a->path, b ? " " : "",
		 b ? b->path : "");
}

/* The call must have done what the model expects. */
static bool agreed(bool good, bool expected, const struct place *p)
{
	if (good != expected)
		mismatch(expected ? "failed, must work" : "worked, must fail",
			 p->path);
	return good;
}

static void content(struct node *n, const char *path)
{
	static char buf[3 * PAGE];
	int fd;

	n->size = below(3) ? 0 : below(sizeof(buf));
	fd = open(path, O_WRONLY | O_TRUNC);
	if (fd < 0)
		mismatch("open", path);
	fill(buf, n->size, n->ino, 0);
	full_pwrite(fd, buf, n->size, 0);
	must(!close(fd));
}

static const char *target_of(ino_t ino)
{
	static char target[1024];
	int len = 1 + ino % 300;

	memset(target, 'a' + ino % 26, len);
	target[len] = '\0';
	return target;
}

static void op_create(void)
{
	static const mode_t types[] = { S_IFREG, S_IFREG, S_IFREG, S_IFDIR,
					S_IFDIR, S_IFIFO, S_IFCHR };
	struct place p = some_place();
	mode_t mode = types[below(7)] | (0400 + below(256));
	bool room = slot_of(p.dir, -1) >= 0;
	int n = new_node(mode, p.dir), rc;

	if (n < 0 || (!room && p.n < 0)) {
		if (n >= 0)
			node[n].mode = 0;
		return;
	}
	record(S_ISDIR(mode) ? "mkdir" : "create", &p, NULL);
	rc = S_ISDIR(mode) ? mkdir(p.path, mode & 0777) :
			     mknod(p.path, mode, 0x103);
	if (!agreed(!rc, p.n < 0, &p)) {
		node[n].mode = 0;
		return;
	}
	add(p.dir, p.name, n);
	node[n].ino = lstat_of(p.path).st_ino;
	if (S_ISREG(mode))
		content(&node[n], p.path);
}

static void op_symlink(void)
{
	struct place p = some_place();
	int n = new_node(S_IFLNK | 0777, p.dir);

	if (n < 0)
		return;
	record("symlink", &p, NULL);
	if (slot_of(p.dir, -1) < 0 ||
	    !agreed(!symlink(target_of(step), p.path), p.n < 0, &p)) {
		node[n].mode = 0;
		return;
	}
	add(p.dir, p.name, n);
	node[n].ino = lstat_of(p.path).st_ino;
	/* Which target it has is known by its size. */
	node[n].size = step;
}

static void op_link(void)
{
	struct place from = some_place(), to = some_place();

	if (slot_of(to.dir, -1) < 0)
		return;
	record("link", &from, &to);
	if (agreed(!link(from.path, to.path),
		   from.n >= 0 && to.n < 0 && !is_dir(from.n), &from)) {
		add(to.dir, to.name, from.n);
		node[from.n].nlink++;
	}
}

static void op_remove(void)
{
	struct place p = some_place();

	if (below(2)) {
		record("unlink", &p, NULL);
		if (agreed(!unlink(p.path), p.n >= 0 && !is_dir(p.n), &p))
			del(p.dir, p.slot, true);
	} else {
		record("rmdir", &p, NULL);
		if (agreed(!rmdir(p.path), p.n >= 0 && is_dir(p.n) &&
			   is_empty(p.n), &p))
			del(p.dir, p.slot, true);
	}
}

static bool may_rename(const struct place *a, const struct place *b,
		       unsigned int flags)
{
	if (a->n < 0)
		return false;
	if (is_dir(a->n) && below_dir(b->dir, a->n))
		return false;
	if (flags & RENAME_EXCHANGE)
		return b->n >= 0 &&
		       !(is_dir(b->n) && below_dir(a->dir, b->n));
	if (b->n < 0)
		return true;
	if (flags & RENAME_NOREPLACE)
		return false;
	if (a->n == b->n)
		return true;
	if (is_dir(b->n) && below_dir(a->dir, b->n))
		return false;
	if (is_dir(a->n) != is_dir(b->n))
		return false;
	return !is_dir(b->n) || is_empty(b->n);
}

static void op_rename(void)
{
	static const unsigned int all[] = { 0, 0, 0, RENAME_NOREPLACE,
		RENAME_EXCHANGE, RENAME_WHITEOUT,
		RENAME_WHITEOUT | RENAME_NOREPLACE };
	static const char * const text[] = { "rename", "rename-noreplace",
		"rename-exchange", "", "rename-whiteout",
		"rename-whiteout-noreplace" };
	unsigned int flags = all[below(7)];
	struct place a = some_place(), b = some_place();
	int white = -1;

	if (slot_of(a.dir, -1) < 0 || slot_of(b.dir, -1) < 0)
		return;
	if (flags & RENAME_WHITEOUT) {
		white = new_node(S_IFCHR, a.dir);
		if (white < 0)
			return;
	}
	record(text[flags], &a, &b);
	if (!agreed(!renameat2(AT_FDCWD, a.path, AT_FDCWD, b.path, flags),
		    may_rename(&a, &b, flags), &a) ||
	    (a.n == b.n)) {
		if (white >= 0)
			node[white].mode = 0;
		return;
	}
	del(a.dir, a.slot, false);
	if (b.n >= 0)
		del(b.dir, b.slot, !(flags & RENAME_EXCHANGE));
	add(b.dir, b.name, a.n);
	if (flags & RENAME_EXCHANGE)
		add(a.dir, a.name, b.n);
	if (white >= 0) {
		add(a.dir, a.name, white);
		node[white].ino = lstat_of(a.path).st_ino;
	}
}

static void op_attr(void)
{
	struct place p = some_place();
	static char value[5000];
	int len;

	if (p.n < 0 || S_ISLNK(node[p.n].mode) || !node[p.n].ino)
		return;
	if (below(2)) {
		record("chmod", &p, NULL);
		node[p.n].mode = (node[p.n].mode & S_IFMT) | below(01000);
		agreed(!chmod(p.path, node[p.n].mode & 07777), true, &p);
		return;
	}
	len = below(4) ? below(100) : below(sizeof(value));
	record(len % 3 ? "setxattr" : "removexattr", &p, NULL);
	if (len % 3) {
		fill(value, len, len, 0);
		agreed(!lsetxattr(p.path, "trusted.model", value, len, 0), true,
		       &p);
		node[p.n].value = len;
	} else {
		agreed(!lremovexattr(p.path, "trusted.model"),
		       node[p.n].value >= 0, &p);
		node[p.n].value = -1;
	}
}

static void check_content(const struct node *n, const char *path)
{
	static char buf[8192];
	int fd, len;

	if (S_ISLNK(n->mode)) {
		const char *want = target_of(n->size);

		len = readlink(path, buf, sizeof(buf));
		if (len != (int)strlen(want) || memcmp(buf, want, len))
			mismatch("target", path);
		return;
	}
	len = lgetxattr(path, "trusted.model", buf, sizeof(buf));
	if (len != n->value)
		mismatch("length of the attribute", path);
	if (len >= 0)
		verify(buf, len, len, 0);
	if (S_ISREG(n->mode)) {
		fd = open(path, O_RDONLY);
		if (fd < 0)
			mismatch("open", path);
		if (n->size)
			verify_file(fd, n->size, n->ino);
		must(!close(fd));
	}
}

static void check_node(int n, const char *path)
{
	struct stat st;

	if (lstat(path, &st))
		mismatch("lstat", path);
	if (st.st_mode != node[n].mode)
		mismatch("type or mode", path);
	if (st.st_ino != node[n].ino)
		mismatch("inode number", path);
	if ((int)st.st_nlink != node[n].nlink)
		mismatch("number of links", path);
	if (S_ISREG(st.st_mode) && st.st_size != (off_t)node[n].size)
		mismatch("size", path);
	check_content(&node[n], path);
}

static void walk(int dir, const char *path)
{
	int seen = 0, want = 0, i;
	struct dirent *d;
	char sub[4096];
	DIR *stream;

	stream = opendir(path);
	if (!stream)
		mismatch("opendir", path);
	while ((d = readdir(stream)))
		if (strcmp(d->d_name, ".") && strcmp(d->d_name, ".."))
			seen++;
	must(!closedir(stream));
	for (i = 0; i < CHILDREN; i++) {
		if (node[dir].name[i] < 0)
			continue;
		want++;
		snprintf(sub, sizeof(sub), "%s/%s", path,
			 names[node[dir].name[i]]);
		check_node(node[dir].child[i], sub);
		if (is_dir(node[dir].child[i]))
			walk(node[dir].child[i], sub);
	}
	if (seen != want)
		mismatch("number of entries", path);
}

static void mount_again(void)
{
	char fs[32], dev[128], options[256] = "";

	if (sscanf(remount, "%31s %127s %255s", fs, dev, options) < 2)
		fail("-r FS DEV OPTIONS");
	must(!chdir("/"));
	if (umount(top))
		fail("umount %s: %m", top);
	if (mount(dev, top, fs, 0, options))
		fail("mount %s: %m", top);
	must(!chdir(top) && !chdir("tree"));
}

static void run(long ops, long seconds)
{
	static void (* const op[])(void) = { op_create, op_create, op_create,
		op_symlink, op_link, op_remove, op_remove, op_rename,
		op_rename, op_rename, op_attr, op_attr };
	long long end = now_ms() + seconds * 1000;

	for (;; step++) {
		log_text[step % LOG][0] = '\0';
		op[below(12)]();
		if (step % CHECK == CHECK - 1) {
			if (remount && step % (2 * CHECK) == CHECK - 1)
				mount_again();
			walk(0, ".");
		}
		if (seconds ? now_ms() >= end : step + 1 >= ops)
			break;
	}
	walk(0, ".");
	note("%ld operations", step + 1);
}

int main(int argc, char **argv)
{
	long ops = 2000, seconds = 0;
	int c, i;

	seed = time(NULL) ^ getpid() << 16;
	while ((c = getopt(argc, argv, "n:t:s:r:")) != -1) {
		if (c == 'n')
			ops = strtol(optarg, NULL, 0);
		else if (c == 't')
			seconds = strtol(optarg, NULL, 0);
		else if (c == 's')
			seed = strtoull(optarg, NULL, 0);
		else if (c == 'r')
			remount = optarg;
		else
			return 2;
	}
	if (optind + 1 != argc)
		fail("usage: %s MNT [-n OPS] [-t SECONDS] [-s SEED] [-r REMOUNT]",
		     argv[0]);
	top = argv[optind];
	note("seed %llu", (unsigned long long)seed);
	rnd = seed * 2 + 1;
	must(!chdir(top));
	enter("tree");
	umask(0);
	for (i = 0; i < NAMES; i++) {
		memset(names[i], 'a' + i % 26, i % 7 ? 1 + i % 30 : 200 + i);
		sprintf(names[i] + strlen(names[i]) - 1, "%02d", i);
	}
	for (i = 0; i < CHILDREN; i++)
		node[0].name[i] = -1;
	node[0].mode = S_IFDIR | 0755;
	node[0].nlink = 2;
	node[0].value = -1;
	run(ops, seconds);
	return 0;
}
