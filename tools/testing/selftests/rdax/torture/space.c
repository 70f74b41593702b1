// SPDX-License-Identifier: GPL-2.0
/* Taking blocks away from files, giving them others, and moving them. */
#include <string.h>

#include "torture.h"

#define PUNCH	(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE)

/* Bytes: mostly pages, sometimes any word, sometimes huge pages. */
static void some_range(struct task *t, struct view *v, u64 *from, u64 *to)
{
	u64 size = v->file->high, unit = below(t, 3) ? PAGE : 8, len;

	if (below(t, 4))
		size = size < 24 * PAGE ? size : 24 * PAGE;
	if (!below(t, 24))
		unit = PMD;
	if (size < 8 * unit)
		size = 8 * unit;
	if (size > MAX_SIZE)
		size = MAX_SIZE;
	*from = below(t, size / unit) * unit;
	len = unit == PMD ? PMD : (1 + below(t, 8 * PAGE / unit)) * unit;
	*to = *from + len < MAX_SIZE ? *from + len : MAX_SIZE;
}

/* A size that is mostly small, so that pages are wanted by many. */
static u64 some_size(struct task *t)
{
	u64 unit = below(t, 2) ? PAGE : 8, most = below(t, 6) ? 32 * PAGE : MAX_SIZE;

	return below(t, most / unit + 1) * unit;
}

/* Ends what cleared all from @size on, and made that the size. */
static void end_shrink(struct resizing *r, struct clearing *c, u64 size, bool good)
{
	end_resize(r, good ? size : r->low, good ? size : r->high);
	/* Nothing lies beyond the new end, even if the file has grown by this. */
	end_clear(c, good);
}

void op_truncate(struct task *t, struct view *v)
{
	u64 size = some_size(t);
	struct resizing r;
	struct clearing c;

	begin_entry(t, v, size / PAGE, MAX_PAGES, size);
	if (!begin_shrink(&r, v->file, size))
		return end_entry(t, -1);
	begin_clear(&c, v->file, size, MAX_SIZE);
	end_shrink(&r, &c, size, went(t, !ftruncate(v->fd, size)));
}

void op_open_trunc(struct task *t, struct view *v)
{
	struct resizing r;
	struct clearing c;
	char path[40];
	int fd;

	begin_entry(t, v, 0, 0, 0);
	if (!begin_shrink(&r, v->file, 0))
		return end_entry(t, -1);
	begin_clear(&c, v->file, 0, MAX_SIZE);
	sprintf(path, "/proc/self/fd/%d", v->fd);
	fd = open(path, O_RDWR | O_TRUNC | O_CLOEXEC);
	end_shrink(&r, &c, 0, went(t, fd >= 0));
	if (fd >= 0)
		must(!close(fd));
}

static void begin_range(struct task *t, struct view *v, u64 *from, u64 *to)
{
	some_range(t, v, from, to);
	begin_entry(t, v, *from / PAGE, (*to + PAGE - 1) / PAGE - *from / PAGE,
		    *from << 24 | (*to - *from));
}

/* Ends what made the file reach to @to, if it did not before. */
static void end_growth(struct resizing *r, u64 to, bool good)
{
	end_resize(r, good && to > r->low ? to : r->low, good && to > r->high ? to : r->high);
}

/* Zeroes where there may have been data; the file may grow. */
static void clear_range(struct task *t, struct view *v, int mode)
{
	bool grows = !(mode & FALLOC_FL_KEEP_SIZE), good;
	struct resizing r;
	struct clearing c;
	u64 from, to;

	begin_range(t, v, &from, &to);
	if (grows && !begin_growth(&r, v->file, to))
		return end_entry(t, -1);
	begin_clear(&c, v->file, from, to);
	good = went(t, !fallocate(v->fd, mode, from, to - from));
	end_clear(&c, good);
	if (grows)
		end_growth(&r, to, good);
}

void op_punch(struct task *t, struct view *v)
{
	clear_range(t, v, PUNCH);
}

void op_zero(struct task *t, struct view *v)
{
	clear_range(t, v, FALLOC_FL_ZERO_RANGE | (below(t, 2) ? FALLOC_FL_KEEP_SIZE : 0));
}

void op_write_zeroes(struct task *t, struct view *v)
{
	clear_range(t, v, FALLOC_FL_WRITE_ZEROES);
}

/* Blocks where there are none; no data is changed. */
void op_allocate(struct task *t, struct view *v)
{
	int mode = below(t, 2) ? FALLOC_FL_KEEP_SIZE : 0;
	struct resizing r;
	u64 from, to;
	bool good;

	begin_range(t, v, &from, &to);
	if (!mode && !begin_growth(&r, v->file, to))
		return end_entry(t, -1);
	good = went(t, !fallocate(v->fd, mode, from, to - from));
	if (!mode)
		end_growth(&r, to, good);
}

static void move(struct task *t, struct view *v, bool insert)
{
	int mode = insert ? FALLOC_FL_INSERT_RANGE : FALLOC_FL_COLLAPSE_RANGE;
	size_t page = below(t, v->file->high / PAGE + 1), n = 1 + below(t, below(t, 4) ? 4 : 64);
	struct moving m;

	if (below(t, 4))
		page %= 24;

	begin_entry(t, v, page, MAX_PAGES, n);
	if (!begin_move(&m, v->file, insert, page, n))
		return end_entry(t, -1);
	end_move(&m, went(t, !fallocate(v->fd, mode, page * PAGE, n * PAGE)));
}

void op_collapse(struct task *t, struct view *v)
{
	move(t, v, false);
}

void op_insert(struct task *t, struct view *v)
{
	move(t, v, true);
}
