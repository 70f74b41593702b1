// SPDX-License-Identifier: GPL-2.0
/* What is known of files: see oracle.h. judge.c uses it. */
#include <string.h>

#include "torture.h"

struct oracle *oracle;

void init_mutex(pthread_mutex_t *lock)
{
	pthread_mutexattr_t attr;

	must(!pthread_mutexattr_init(&attr));
	must(!pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED));
	must(!pthread_mutex_init(lock, &attr));
}

void lock_file(struct file *f)
{
	must(!pthread_mutex_lock(&f->lock));
}

void unlock_file(struct file *f)
{
	must(!pthread_mutex_unlock(&f->lock));
}

static u32 later(u32 a, u32 b)
{
	return a > b ? a : b;
}

/* Whether cells before @end have moved since, or may have. */
static bool moved_since(const struct file *f, u32 moves, size_t end)
{
	for (; moves < f->moves; moves++)
		if (!f->move[moves].failed && f->move[moves].first * CELLS_PAGE < end)
			return true;
	return false;
}

/* What was noted of moves: with one that was under way at that time. */
static u32 note_moves(const struct file *f)
{
	return f->moves - (f->moving ? 1 : 0);
}

/*
 * Stores
 */
static u64 check_bits(u64 inc, u64 store)
{
	u64 hash = (inc << 20 | store) * 0x9e3779b97f4a7c15ULL;

	return (hash >> 56 | 1) << 56 | (hash & 0x70000000) >> 28;
}

u64 word_of(const struct storing *s, u64 pos)
{
	return check_bits(s->file->inc, s->number) | (u64)s->file->inc << 42 |
	       (u64)s->number << 22 | pos;
}

void fill_words(const struct storing *s, void *buf, u64 pos, size_t len)
{
	u64 *word = buf, first = word_of(s, pos);
	size_t n;

	for (n = 0; n < len; n += sizeof(*word))
		*word++ = first + n;
}

static void note_recent(struct file *f, u32 number, size_t cell, size_t cells)
{
	for (; cells--; cell++) {
		struct cell *c = &f->cell[cell];

		c->recent[c->count % RECENT].store = number;
		c->recent[c->count % RECENT].page = cell / CELLS_PAGE;
		c->count++;
	}
}

/* Fails when all numbers are used up, or the file could grow too large. */
bool begin_store(struct storing *s, struct file *f, size_t cell, size_t cells, bool words,
		 bool grows)
{
	u64 end = (cell + cells) * CELL;
	struct store *store;
	bool good;

	if (oracle->stores >= MAX_STORES - MAX_TASKS - 1)
		return false;
	lock_file(f);
	good = !grows || end + f->inserting * PAGE <= MAX_SIZE;
	if (good) {
		s->file = f;
		s->number = ++oracle->stores;
		s->moves = note_moves(f);
		s->shrinks = f->shrinks;
		s->alone = !f->shrinking;
		s->below_low = end <= f->low;
		s->grows = grows;
		if (grows && end + f->inserting * PAGE > f->high)
			f->high = end + f->inserting * PAGE;
		if (grows) {
			f->resizes++;
			f->resizing++;
		}
		store = &oracle->store[s->number];
		store->inc = f->inc;
		store->first = cell;
		store->cells = cells;
		store->words = words;
		store->end = NEVER_ENDS;
		store->begin = tick();
		note_recent(f, s->number, cell, cells);
	}
	unlock_file(f);
	return good;
}

/* @cells of them were stored wholly, from the first on. */
void end_store(struct storing *s, size_t cells)
{
	struct store *store = &oracle->store[s->number];
	struct file *f = s->file;
	u64 end = (store->first + cells) * CELL;
	size_t i;

	lock_file(f);
	s->alone = s->alone && f->shrinks == s->shrinks;
	if (!moved_since(f, s->moves, store->first + cells)) {
		for (i = store->first; i < store->first + cells; i++) {
			struct cell *c = &f->cell[i];

			c->floor = later(c->floor, store->begin);
			if (s->alone && (s->below_low || s->grows))
				c->landed = later(c->landed, store->begin);
		}
	}
	if (s->grows) {
		if (cells && s->alone && end > f->low)
			f->low = end;
		f->resizing--;
	}
	store->end = tick();
	unlock_file(f);
}

/*
 * Clearing
 */
static void each_clearing(struct clearing *c, int change)
{
	size_t i, end = (c->to + CELL - 1) / CELL;

	for (i = c->from / CELL; i < end; i++) {
		struct cell *cell = &c->file->cell[i];

		cell->clearing += change;
		if (change < 0)
			cell->cleared = oracle->clock;
	}
}

static void begin_clear_locked(struct clearing *c, struct file *f, u64 from, u64 to)
{
	c->file = f;
	c->from = from < MAX_SIZE ? from : MAX_SIZE;
	c->to = to < MAX_SIZE ? to : MAX_SIZE;
	c->moves = note_moves(f);
	each_clearing(c, 1);
	f->clearing++;
	if (f->moving)
		f->wild = NEVER_ENDS;
	c->begin = tick();
}

void begin_clear(struct clearing *c, struct file *f, u64 from, u64 to)
{
	lock_file(f);
	begin_clear_locked(c, f, from, to);
	unlock_file(f);
}

/* Of a cell that was cleared from @from to @to, in bytes. */
static void lift_floor(struct cell *cell, u64 from, u64 to, u32 begin)
{
	if (to - from == CELL) {
		cell->floor = later(cell->floor, begin);
	} else if (begin > cell->cut_floor) {
		cell->cut_floor = begin;
		cell->cut_from = (from % CELL + 7) / 8;
		cell->cut_to = (from % CELL + to - from) / 8;
	}
}

static void end_clear_locked(struct clearing *c, bool done)
{
	struct file *f = c->file;
	u64 pos, end;

	tick();
	each_clearing(c, -1);
	if (!--f->clearing && f->wild == NEVER_ENDS && !f->moving)
		f->wild = oracle->clock;
	/* Without a device a truncate cannot zero what is mapped past the new end, which is none of
	 * the file's.
	 */
	if (!done || model->dying || moved_since(f, c->moves, MAX_CELLS))
		return;
	for (pos = c->from; pos < c->to; pos = end) {
		end = (pos / CELL + 1) * CELL;
		if (end > c->to)
			end = c->to;
		lift_floor(&f->cell[pos / CELL], pos, end, c->begin);
	}
}

void end_clear(struct clearing *c, bool done)
{
	lock_file(c->file);
	end_clear_locked(c, done);
	unlock_file(c->file);
}

/*
 * The size
 */
static void begin_resize(struct resizing *r, struct file *f, bool shrinks)
{
	r->file = f;
	r->low = f->low;
	r->high = f->high;
	r->alone = !f->resizing;
	r->shrinks = shrinks;
	r->resizes = ++f->resizes;
	f->resizing++;
	if (shrinks) {
		f->shrinks++;
		f->shrinking++;
	}
}

/* It becomes @size, which may be more than it was. */
bool begin_shrink(struct resizing *r, struct file *f, u64 size)
{
	u64 high;
	bool good;

	lock_file(f);
	high = size + f->inserting * PAGE;
	good = high <= MAX_SIZE;
	if (good) {
		begin_resize(r, f, true);
		if (size < f->low)
			f->low = size;
		if (high > f->high)
			f->high = high;
	}
	unlock_file(f);
	return good;
}

bool begin_growth(struct resizing *r, struct file *f, u64 high)
{
	bool good;

	lock_file(f);
	high += f->inserting * PAGE;
	good = high <= MAX_SIZE;
	if (good) {
		begin_resize(r, f, false);
		if (high > f->high)
			f->high = high;
	}
	unlock_file(f);
	return good;
}

/* What it is now if nobody else has changed it: between @low and @high. */
static void end_resize_locked(struct resizing *r, u64 low, u64 high)
{
	struct file *f = r->file;

	f->resizing--;
	if (r->shrinks)
		f->shrinking--;
	if (r->alone && f->resizes == r->resizes) {
		f->low = low;
		f->high = high;
	}
}

void end_resize(struct resizing *r, u64 low, u64 high)
{
	lock_file(r->file);
	end_resize_locked(r, low, high);
	unlock_file(r->file);
}

/*
 * Moving
 */
bool begin_move(struct moving *m, struct file *f, bool insert, size_t page, size_t pages)
{
	u64 bytes = pages * PAGE;
	bool good;

	lock_file(f);
	good = !f->moving && f->moves < MAX_MOVES && page + pages < MAX_PAGES &&
	       (!insert || f->high + bytes <= MAX_SIZE);
	if (good) {
		m->move = &f->move[f->moves];
		*m->move = (struct move) {
			.end = NEVER_ENDS, .first = page, .pages = pages, .insert = insert,
		};
		begin_resize(&m->size, f, !insert);
		if (insert) {
			f->high += bytes;
			f->inserting += pages;
		} else {
			f->low = f->low > bytes ? f->low - bytes : 0;
		}
		if (f->clearing)
			f->wild = NEVER_ENDS;
		f->moving++;
		f->moves++;
		m->move->begin = tick();
	}
	unlock_file(f);
	return good;
}

/* All of a cell but how many clear it at its place. */
static void copy_cell(struct cell *to, const struct cell *from)
{
	u16 clearing = to->clearing;

	*to = *from;
	to->clearing = clearing;
}

static void new_cell(struct cell *cell, u32 begin)
{
	struct cell empty = { .floor = begin, .cleared = oracle->clock, .count = cell->count };

	copy_cell(cell, &empty);
}

static void move_cells(struct file *f, const struct move *m)
{
	size_t first = m->first * CELLS_PAGE, n = m->pages * CELLS_PAGE, i;

	if (m->insert) {
		for (i = MAX_CELLS; i-- > first + n;)
			copy_cell(&f->cell[i], &f->cell[i - n]);
		for (i = first; i < first + n; i++)
			new_cell(&f->cell[i], m->begin);
	} else {
		for (i = first; i < MAX_CELLS - n; i++)
			copy_cell(&f->cell[i], &f->cell[i + n]);
		for (i = MAX_CELLS - n; i < MAX_CELLS; i++)
			new_cell(&f->cell[i], m->begin);
	}
}

void end_move(struct moving *m, bool done)
{
	struct resizing *r = &m->size;
	struct file *f = r->file;
	u64 bytes = m->move->pages * PAGE;

	lock_file(f);
	m->move->failed = !done;
	m->move->end = tick();
	f->moving--;
	if (m->move->insert)
		f->inserting -= m->move->pages;
	if (f->wild == NEVER_ENDS && !f->clearing)
		f->wild = oracle->clock;
	if (done)
		move_cells(f, m->move);
	if (!done)
		end_resize_locked(r, r->low, r->high);
	else if (m->move->insert)
		end_resize_locked(r, r->low + bytes, r->high + bytes);
	else
		end_resize_locked(r, r->low > bytes ? r->low - bytes : 0, r->high - bytes);
	unlock_file(f);
}
