/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The operations of fs_power.c, and a model of the directory they are done in:
 * the same seed gives the same operations.
 */
#ifndef FS_POWER_H
#define FS_POWER_H

#include "fs_test.h"

#define NAMES	12
#define MAX	(8 * PAGE)

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

static struct state model;
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

/* The model of an empty directory. */
static void model_start(const char *seed)
{
	int i;

	rnd = strtoull(seed, NULL, 0) * 2 + 1;
	for (i = 0; i < NAMES; i++)
		model.name[i] = -1;
}

#endif
