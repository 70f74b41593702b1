// SPDX-License-Identifier: GPL-2.0
/* Whether what was read may be there: see oracle.h. */
#include <string.h>

#include "torture.h"

/* Where something may be that moves. */
#define PLACES	48

struct places {
	unsigned int n;
	u16 page[PLACES];
	/* Too many to tell. */
	bool anywhere;
};

static void copy_cells(struct cell *to, const struct look *l)
{
	size_t first = l->page * CELLS_PAGE;

	memcpy(to, &l->file->cell[first], l->pages * CELLS_PAGE * sizeof(*to));
}

void begin_look(struct look *l, struct file *f, size_t page, size_t pages, bool words)
{
	must(pages <= CHUNK && page + pages <= MAX_PAGES);
	l->file = f;
	l->page = page;
	l->pages = pages;
	l->words = words;
	l->held = false;
	lock_file(f);
	l->low = f->low;
	l->high = f->high;
	l->shrinks = f->shrinks;
	l->resizes = f->resizes;
	l->still = !f->shrinking;
	l->moves = f->moves - (f->moving ? 1 : 0);
	copy_cells(l->before, l);
	l->begin = tick();
	unlock_file(f);
}

void end_look(struct look *l)
{
	struct file *f = l->file;
	size_t i;
	u32 m;

	lock_file(f);
	l->end = tick();
	l->moved = false;
	for (m = l->moves; m < f->moves; m++)
		if (!f->move[m].failed && f->move[m].first < l->page + l->pages)
			l->moved = true;
	l->still = l->still && l->shrinks == f->shrinks;
	if (l->resizes != f->resizes || f->resizing)
		l->high = MAX_SIZE;
	copy_cells(l->after, l);
	for (i = 0; i < l->pages * CELLS_PAGE; i++)
		if (f->wild > l->after[i].cleared)
			l->after[i].cleared = f->wild;
	unlock_file(f);
}

static void add_place(struct places *p, size_t page)
{
	unsigned int i;

	for (i = 0; i < p->n; i++)
		if (p->page[i] == page)
			return;
	if (p->n == PLACES)
		p->anywhere = true;
	else
		p->page[p->n++] = page;
}

/* What was in one of the places may be elsewhere after a move, or surely is. */
static void move_places(struct places *p, const struct move *m, bool surely)
{
	struct places old = *p;
	unsigned int i;

	if (surely)
		p->n = 0;
	for (i = 0; i < old.n; i++) {
		size_t page = old.page[i];

		if (page < m->first) {
			add_place(p, page);
		} else if (m->insert) {
			if (page + m->pages < MAX_PAGES)
				add_place(p, page + m->pages);
		} else if (page >= (size_t)m->first + m->pages) {
			add_place(p, page - m->pages);
		}
	}
}

/* By all moves that may come after @begin, surely after @end, and before @until. */
static void follow(struct places *p, const struct file *f, u32 begin, u32 end, u32 until,
		   u32 now)
{
	u32 i;

	for (i = 0; i < f->moves && !p->anywhere; i++) {
		const struct move *m = &f->move[i];

		if (!m->failed && m->end >= begin && m->begin <= now)
			move_places(p, m, m->begin > end && m->end < until);
	}
}

/* Whether what a store put into page @home may be seen in page @page. */
static bool may_be_at(const struct look *l, const struct store *s, size_t home, size_t page)
{
	struct places word = { .n = 1, .page = { home } };
	struct places seen = { .n = 1, .page = { page } };
	unsigned int i, j;

	follow(&word, l->file, s->begin, s->end, l->begin, l->end);
	/* Pages that are held may move on. */
	if (l->held)
		follow(&seen, l->file, l->begin, NEVER_ENDS, 0, l->end);
	if (word.anywhere || seen.anywhere)
		return true;
	for (i = 0; i < word.n; i++)
		for (j = 0; j < seen.n; j++)
			if (word.page[i] == seen.page[j])
				return true;
	return false;
}

static bool is_word(const struct look *l, u64 value, const struct store **store)
{
	u32 number = value >> 22 & (MAX_STORES - 1);
	struct storing s = { .file = l->file, .number = number };

	*store = &oracle->store[number];
	return number && number <= oracle->stores && (*store)->inc == l->file->inc &&
	       (value & ~(MAX_SIZE - 8)) == word_of(&s, 0);
}

/* Marks the bytes that a store in the list put there. */
static void mark_bytes(const struct look *l, const struct cell *c, size_t word, u64 value,
		       bool good[8])
{
	size_t i, byte;

	for (i = 0; i < RECENT; i++) {
		const struct recent *r = &c->recent[i];
		struct storing s = { .file = l->file, .number = r->store };
		u64 differ = value ^ word_of(&s, r->page * PAGE + word * 8);

		for (byte = 0; byte < 8 && r->store; byte++)
			good[byte] |= !(differ >> byte * 8 & 0xff);
	}
}

/*
 * What was copied while the same was stored or cleared stays torn, where CPUs run at once: two
 * of the last stores overlapped, or one with the last operation that cleared.
 */
static bool was_mixed(const struct cell *c)
{
	size_t i, j;

	for (i = 0; i < RECENT; i++) {
		const struct store *s = &oracle->store[c->recent[i].store];

		if (!s->begin)
			continue;
		if (!s->words && s->begin <= c->cleared)
			return true;
		for (j = 0; j < i; j++) {
			const struct store *t = &oracle->store[c->recent[j].store];

			if (!t->begin || (s->words && t->words))
				continue;
			if (s->begin < t->end && t->begin < s->end)
				return true;
		}
	}
	return false;
}

/* Copying may tear what is stored or cleared meanwhile: each byte may be of another store. */
static bool may_be_torn(const struct look *l, size_t page, size_t word, u64 value)
{
	size_t n = (page - l->page) * CELLS_PAGE + word / CELL_WORDS, i;
	const struct cell *before = &l->before[n], *after = &l->after[n];
	bool copied = !l->words, good[8] = {}, meanwhile, all = true;

	meanwhile = l->moved || after->clearing || after->cleared >= l->begin ||
		    after->count != before->count;
	for (i = 0; i < RECENT; i++) {
		const struct store *s = &oracle->store[after->recent[i].store];

		if (s->begin && s->end > l->begin) {
			meanwhile = true;
			copied = copied || !s->words;
		}
	}
	if (!(meanwhile && copied) && !was_mixed(before) && !was_mixed(after))
		return false;
	mark_bytes(l, before, word, value, good);
	mark_bytes(l, after, word, value, good);
	for (i = 0; i < 8; i++)
		all = all && (good[i] || !(value >> i * 8 & 0xff));
	/* Too much has happened to know all of them. */
	if (!all && !l->moved && after->count - before->count < RECENT)
		return false;
	oracle->torn++;
	return true;
}

#define bad(l, page, format, ...)						\
	wrong((l)->file, page, 1, "%s: page %zu word %zu is %#llx: " format "; the read is from %u to %u%s%s", \
	      how, page, word, value, ##__VA_ARGS__, (l)->begin, (l)->end,	\
	      (l)->moved ? ", cells moved" : "", (l)->held ? ", held" : "")

void judge(const struct look *l, const char *how, size_t page, size_t word, u64 value)
{
	size_t i = (page - l->page) * CELLS_PAGE + word / CELL_WORDS, home;
	const struct cell *before = &l->before[i], *after = &l->after[i];
	const struct store *s;
	u32 floor;

	oracle->judged++;
	if (!value) {
		if (!l->moved && !after->clearing && before->landed > after->cleared)
			bad(l, page, "zero, but a store that began at %u arrived, and what cleared last ended at %u",
			    before->landed, after->cleared);
		return;
	}
	if (!is_word(l, value, &s)) {
		if (!may_be_torn(l, page, word, value))
			bad(l, page, "of file %llu, store %llu of %u, not of file %u",
			    value >> 42 & 0x3fff, value >> 22 & (MAX_STORES - 1), oracle->stores,
			    l->file->inc);
		return;
	}
	home = value / PAGE % MAX_PAGES;
	if (value / 8 % PAGE_WORDS != word || home * CELLS_PAGE + word / CELL_WORDS - s->first >= s->cells ||
	    !may_be_at(l, s, home, page))
		bad(l, page, "store %llu (%u to %u) put it into word %llu of page %zu",
		    value >> 22 & (MAX_STORES - 1), s->begin, s->end, value / 8 % PAGE_WORDS, home);
	floor = before->floor;
	if (word % CELL_WORDS >= before->cut_from && word % CELL_WORDS < before->cut_to &&
	    before->cut_floor > floor)
		floor = before->cut_floor;
	if (!l->moved && s->end < floor)
		bad(l, page, "store %llu (%u to %u) is gone since %u",
		    value >> 22 & (MAX_STORES - 1), s->begin, s->end, floor);
}

/* @len bytes from the first page on. */
void judge_bytes(const struct look *l, const char *how, const void *buf, size_t len)
{
	const u64 *word = buf;
	size_t i;

	for (i = 0; i < len / 8; i++)
		judge(l, how, l->page + i / PAGE_WORDS, i % PAGE_WORDS, word[i]);
}

/* Of @asked bytes at @pos, @got were there. */
void judge_length(const struct look *l, const char *how, u64 pos, size_t asked, size_t got)
{
	u64 high = l->high;

	if (got < asked && l->still && pos + got < l->low)
		wrong(l->file, l->page, l->pages,
		      "%s: ends at %#llx, but the file does not end before %#llx",
		      how, pos + got, l->low);
	/* What is mapped ends with a page. */
	if (l->words)
		high = (high + PAGE - 1) & ~(PAGE - 1);
	if (got && pos + got > high)
		wrong(l->file, l->page, l->pages, "%s: ends at %#llx, but the file at %#llx at most",
		      how, pos + got, high);
}
