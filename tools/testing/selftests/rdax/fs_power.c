// SPDX-License-Identifier: GPL-2.0
/*
 * Operations that must survive a machine that stops anywhere.
 *
 *   fs_power load DIR SEED SYNC	prints "ACK n" when n have returned
 *   fs_power verify DIR SEED N		the directory is as after some number of
 *					operations, N at least
 *
 * The same seed gives the same operations, so the verifier knows the state
 * after each. With SYNC each is followed by syncfs(2), for file systems that
 * are not synchronous by themselves.
 */
#include <dirent.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/xattr.h>

#include "fs_test.h"

#define NAMES	12
#define MAX	(8 * PAGE)
#define AHEAD	2000		/* operations whose report was still on its way */

enum kind { CREATE, MKDIR, SYMLINK, LINK, REMOVE, RENAME, EXCHANGE, APPEND,
	    STORE, WRITE, TRUNCATE, PUNCH, COLLAPSE, INSERT, XATTR, KINDS };

struct op {
	enum kind kind;
	int a, b;		/* names */
	size_t off, len;
	u64 fill;
};

struct inode {
	mode_t type;
	int nlink, xattr;
	size_t size;
	unsigned char data[MAX];
};

struct state {
	int name[NAMES];	/* index of the inode, or -1 */
	struct inode inode[NAMES];
};

static struct state model, found;
static u64 rnd;

static int below(int n)
{
	return prng(&rnd) % n;
}

static char *path(int name)
{
	static char buf[4][64];
	static int i;

	i = (i + 1) % 4;
	sprintf(buf[i], "n%02d%.*s", name, name * 5 % 60,
		"-----------------------------------------------------------");
	return buf[i];
}

static struct inode *at(int name)
{
	return model.name[name] < 0 ? NULL : &model.inode[model.name[name]];
}

static bool is_file(int name)
{
	return at(name) && at(name)->type == S_IFREG;
}

/* Whether the operation is possible now; fills in what depends on the state. */
static bool valid(struct op *op)
{
	struct inode *a = at(op->a), *b = at(op->b);

	switch (op->kind) {
	case CREATE: case MKDIR: case SYMLINK:
		return !a;
	case LINK:
		return is_file(op->a) && !b;
	case REMOVE:
		return a;
	case RENAME:
		return a && a != b && (!b || (a->type == S_IFDIR) ==
				       (b->type == S_IFDIR));
	case EXCHANGE:
		return a && b && a != b;
	case APPEND:
		return is_file(op->a) && a->size + op->len <= MAX;
	case STORE: case WRITE:
		if (!is_file(op->a) || a->size < 8)
			return false;
		op->off = op->off % (a->size / 8) * 8;
		return true;
	case TRUNCATE:
		return is_file(op->a);
	case PUNCH:
		op->len = op->len % (2 * PAGE) + 1;
		return is_file(op->a) && a->size > PAGE;
	case COLLAPSE:
		op->off = op->off % 2 * PAGE;
		return is_file(op->a) && a->size > op->off + PAGE;
	case INSERT:
		op->off = op->off % 2 * PAGE;
		return is_file(op->a) && a->size > op->off &&
		       a->size + PAGE <= MAX;
	case XATTR:
		return is_file(op->a);
	default:
		return false;
	}
}

static struct op next_op(void)
{
	struct op op;

	do {
		op = (struct op){ .kind = below(KINDS), .a = below(NAMES),
				  .b = below(NAMES), .off = below(MAX),
				  .len = 1 + below(5000),
				  .fill = prng(&rnd) };
	} while (!valid(&op));
	return op;
}

static void drop_name(int name)
{
	at(name)->nlink--;
	model.name[name] = -1;
}

static void model_new(const struct op *op, mode_t type)
{
	int i;

	for (i = 0; model.inode[i].nlink; i++)
		;
	memset(&model.inode[i], 0, sizeof(model.inode[i]));
	model.inode[i].type = type;
	model.inode[i].nlink = 1;
	model.inode[i].xattr = -1;
	model.name[op->a] = i;
}

static void resize(struct inode *f, size_t size)
{
	if (size < f->size)
		memset(f->data + size, 0, f->size - size);
	f->size = size;
}

static void model_do(const struct op *op)
{
	struct inode *f = at(op->a);
	int i;

	switch (op->kind) {
	case CREATE: return model_new(op, S_IFREG);
	case MKDIR: return model_new(op, S_IFDIR);
	case SYMLINK: return model_new(op, S_IFLNK);
	case LINK:
		f->nlink++;
		model.name[op->b] = model.name[op->a];
		return;
	case REMOVE: return drop_name(op->a);
	case RENAME:
		if (at(op->b))
			drop_name(op->b);
		model.name[op->b] = model.name[op->a];
		model.name[op->a] = -1;
		return;
	case EXCHANGE:
		i = model.name[op->a];
		model.name[op->a] = model.name[op->b];
		model.name[op->b] = i;
		return;
	case APPEND:
		fill(f->data + f->size, op->len, op->fill, f->size);
		f->size += op->len;
		return;
	case STORE: case WRITE:
		memcpy(f->data + op->off, &op->fill, 8);
		return;
	case TRUNCATE: return resize(f, op->off);
	case PUNCH:
		if (op->off < f->size)
			memset(f->data + op->off, 0, op->len < f->size - op->off ?
			       op->len : f->size - op->off);
		return;
	case COLLAPSE:
		memmove(f->data + op->off, f->data + op->off + PAGE,
			f->size - op->off - PAGE);
		memset(f->data + f->size - PAGE, 0, PAGE);
		f->size -= PAGE;
		return;
	case INSERT:
		memmove(f->data + op->off + PAGE, f->data + op->off,
			f->size - op->off);
		memset(f->data + op->off, 0, PAGE);
		f->size += PAGE;
		return;
	case XATTR:
		f->xattr = op->len;
		return;
	default:
		fail("operation %d", op->kind);
	}
}

/* A store is durable when its line is flushed: MAP_SYNC did the rest. */
static void store(int fd, const struct op *op)
{
	char *p = mmap(NULL, MAX, PROT_READ | PROT_WRITE,
		       MAP_SHARED_VALIDATE | MAP_SYNC, fd, 0);

	must(p != MAP_FAILED);
	*(volatile u64 *)(p + op->off) = op->fill;
	__builtin_ia32_clflush(p + op->off);
	__builtin_ia32_sfence();
	must(!munmap(p, MAX));
}

static void file_do(const struct op *op)
{
	static char buf[8192];
	struct stat st;
	int fd = open(path(op->a), O_RDWR);

	must(fd >= 0 && !fstat(fd, &st));
	switch (op->kind) {
	case APPEND:
		fill(buf, op->len, op->fill, st.st_size);
		must(pwrite(fd, buf, op->len, st.st_size) == (ssize_t)op->len);
		break;
	case WRITE:
		must(pwrite(fd, &op->fill, 8, op->off) == 8);
		break;
	case STORE:
		store(fd, op);
		break;
	case TRUNCATE:
		must(!ftruncate(fd, op->off));
		break;
	case PUNCH:
		must(!fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				op->off, op->len));
		break;
	case COLLAPSE:
		must(!fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, op->off, PAGE));
		break;
	case INSERT:
		must(!fallocate(fd, FALLOC_FL_INSERT_RANGE, op->off, PAGE));
		break;
	default:
		memset(buf, 'v', op->len);
		must(!fsetxattr(fd, "user.v", buf, op->len, 0));
	}
	must(!close(fd));
}

static void fs_do(const struct op *op)
{
	char *a = path(op->a), *b = path(op->b);

	switch (op->kind) {
	case CREATE:
		touch(a);
		break;
	case MKDIR:
		must(!mkdir(a, 0755));
		break;
	case SYMLINK:
		must(!symlink("target", a));
		break;
	case LINK:
		must(!link(a, b));
		break;
	case REMOVE:
		must(!remove(a));
		break;
	case RENAME:
		must(!rename(a, b));
		break;
	case EXCHANGE:
		must(!renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE));
		break;
	default:
		file_do(op);
	}
}

static void start(const char *seed)
{
	int i;

	rnd = strtoull(seed, NULL, 0) * 2 + 1;
	for (i = 0; i < NAMES; i++)
		model.name[i] = -1;
}

static void cmd_load(char **argv)
{
	int sync = atoi(argv[2]), dir;
	unsigned long n;

	enter(argv[0]);
	dir = open(".", O_RDONLY);
	must(dir >= 0 && !syncfs(dir));
	start(argv[1]);
	for (n = 1;; n++) {
		struct op op = next_op();

		fs_do(&op);
		model_do(&op);
		if (sync)
			must(!syncfs(dir));
		printf("ACK %lu\n", n);
		fflush(stdout);
	}
}

/* The directory as it is, in the form of the model. */
static void look(void)
{
	struct dirent *d;
	int i, j, entries = 0;
	ino_t inos[NAMES];
	DIR *dir;

	for (i = 0; i < NAMES; i++) {
		struct inode *f = &found.inode[i];
		struct stat st;
		int fd;

		found.name[i] = -1;
		if (lstat(path(i), &st))
			continue;
		entries++;
		for (j = 0; j < i; j++)
			if (found.name[j] == j && inos[j] == st.st_ino)
				break;
		found.name[i] = j;
		inos[i] = st.st_ino;
		f->type = st.st_mode & S_IFMT;
		f->nlink = S_ISDIR(st.st_mode) ? 1 : st.st_nlink;
		f->size = S_ISREG(st.st_mode) ? st.st_size : 0;
		f->xattr = -1;
		if (!S_ISREG(st.st_mode))
			continue;
		must(st.st_size <= (off_t)MAX);
		fd = open(path(i), O_RDONLY);
		must(fd >= 0);
		full_pread(fd, f->data, f->size, 0);
		if (fgetxattr(fd, "user.v", NULL, 0) >= 0)
			f->xattr = fgetxattr(fd, "user.v", NULL, 0);
		must(!close(fd));
	}
	dir = opendir(".");
	must(dir);
	while ((d = readdir(dir)))
		entries -= d->d_name[0] == 'n';
	must_eq(entries, 0);
}

static int differ(void)
{
	int i, j;

	for (i = 0; i < NAMES; i++) {
		struct inode *m = at(i), *f = &found.inode[i];

		if (!m != (found.name[i] < 0))
			return i + 1;
		if (!m)
			continue;
		for (j = 0; j < i; j++)
			if ((found.name[i] == found.name[j]) !=
			    (model.name[i] == model.name[j]))
				return i + 1;
		if (m->type != f->type || m->nlink != f->nlink ||
		    m->size != f->size || m->xattr != f->xattr ||
		    memcmp(m->data, f->data, f->size))
			return i + 1;
	}
	return 0;
}

/*
 * Data of an operation that was cut off may be there in part: of a write that
 * appends up to a block boundary, of a punched hole the zeros.
 */
static bool partly(const struct op *op)
{
	struct inode *f = at(op->a), old;
	size_t end;
	bool good = false;

	if ((op->kind != APPEND && op->kind != PUNCH) || found.name[op->a] < 0)
		return false;
	old = *f;
	if (op->kind == PUNCH) {
		struct inode *is = &found.inode[found.name[op->a]];

		end = op->off + op->len < f->size ? op->off + op->len : f->size;
		for (; op->off < end; end--)
			if (!is->data[end - 1])
				f->data[end - 1] = 0;
		good = !differ();
	} else {
		fill(f->data + f->size, op->len, op->fill, f->size);
		for (end = (f->size / PAGE + 1) * PAGE;
		     !good && end < old.size + op->len; end += PAGE) {
			f->size = end;
			good = !differ();
		}
	}
	*f = old;
	return good;
}

static void show(const char *what, int i, const struct inode *f, bool there)
{
	if (there)
		note("%s %s: type %#o nlink %d size %zu xattr %d", what, path(i),
		     f->type, f->nlink, f->size, f->xattr);
	else
		note("%s %s: not there", what, path(i));
}

static void cmd_verify(char **argv)
{
	unsigned long n, acked = strtoul(argv[2], NULL, 0);
	int i;

	must(!chdir(argv[0]));
	start(argv[1]);
	look();
	for (n = 0; n <= acked + AHEAD; n++) {
		struct op op;

		if (n >= acked && !differ()) {
			note("%lu operations were reported, %lu are there",
			     acked, n);
			return;
		}
		if (n == acked)
			for (i = 0; i < NAMES; i++) {
				show("want ", i, at(i), at(i));
				show("found", i, &found.inode[i],
				     found.name[i] >= 0);
			}
		op = next_op();
		if (n >= acked && n < acked + 8)
			note("next: operation %d on %s, %s, %zu+%zu", op.kind,
			     path(op.a), path(op.b), op.off, op.len);
		if (n >= acked && partly(&op)) {
			note("%lu operations are there, and a part of the next",
			     n);
			return;
		}
		model_do(&op);
	}
	fail("no state from operation %lu on is what was found", acked);
}

static const struct cmd cmds[] = {
	{ "load", 3, cmd_load },
	{ "verify", 3, cmd_verify },
	{ }
};

int main(int argc, char **argv)
{
	return run_cmd(cmds, argc, argv);
}
