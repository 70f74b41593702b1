/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A file as registers, for fs_drain_data.c: what may be read where, while others
 * store and take blocks away.
 *
 * Each KiB begins with a cell: a word that says which one it is, and a word that
 * says which store to it this was. All else is zero. Copies are torn anywhere, so
 * each byte of either word has to be zero or one that a store allowed now has.
 *
 * Who reads notes what had happened before, reads, and looks at what has begun
 * since. Allowed are
 *   the last store that had ended before, unless taking away what it stored began
 *     later than that and ended before,
 *   any store that began later, and
 *   zero, if there was no store before, or taking it away may have come later.
 */
#ifndef FS_CELLS_H
#define FS_CELLS_H

#include <stdatomic.h>

#include "fs_pin.h"

#define CELL		1024UL
#define CELLS_PAGE	(PAGE / CELL)
#define FILE_SIZE	(2 * PMD)
#define FILE_PAGES	(FILE_SIZE / PAGE)
#define CELLS		(FILE_SIZE / CELL)
/* Blocks move from here on. */
#define MOVING		(CELLS / 2)

/* Beyond the end of the file? 0: no, 1: soon, 2: yes, 3: maybe no longer. */
#define PHASE(n)	((n) & 3)

struct cell {
	/* Stores; one at a time. */
	_Atomic unsigned int started, done;
	/* How often it had been cleared when the last one that is done began. */
	_Atomic unsigned int cleared_before;
	/* Clearing: one at a time. */
	_Atomic unsigned int clear_started, clear_done;
	/* The last store that is gone for good. */
	_Atomic unsigned int floor;
	_Atomic unsigned int phase;
};

struct page_lock {
	atomic_flag taken;
};

/* Shared by processes. */
struct model {
	struct cell cell[CELLS];
	struct page_lock lock[FILE_PAGES];
	/* Odd while blocks are elsewhere: by so many cells lower. */
	_Atomic unsigned int shifts;
	_Atomic unsigned int shift[4];
	_Atomic bool over;
	_Atomic unsigned long reads, stores, refused, takes;
	/* Stores where blocks move, and moving; taken first. */
	pthread_rwlock_t shift_lock;
	/* Writes beyond the end, and truncating. */
	pthread_rwlock_t size_lock;
};

/* What a reader noted before. */
struct before {
	unsigned int done, cleared_before, floor, phase;
};

static struct model *model;

static inline void init_lock(pthread_rwlock_t *lock)
{
	pthread_rwlockattr_t attr;

	must(!pthread_rwlockattr_init(&attr));
	must(!pthread_rwlockattr_setpshared(&attr, PTHREAD_PROCESS_SHARED));
	must(!pthread_rwlockattr_setkind_np(&attr,
			PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP));
	must(!pthread_rwlock_init(lock, &attr));
}

static inline void init_model(void)
{
	model = mmap(NULL, sizeof(*model), RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(model != MAP_FAILED);
	init_lock(&model->size_lock);
	init_lock(&model->shift_lock);
}

static inline u64 bytes(unsigned char c)
{
	return c * 0x0101010101010101ULL;
}

/* No byte is zero. */
static inline u64 cell_name(size_t cell)
{
	return ((cell + 1) * 0x9e3779b97f4a7c15ULL) | bytes(1);
}

static inline unsigned char version_byte(unsigned int version)
{
	return 1 + version % 255;
}

static inline void cell_words(u64 *word, size_t cell, unsigned int version)
{
	word[0] = cell_name(cell);
	word[1] = bytes(version_byte(version));
}

/*
 * Stores. Only one task at a time stores to a page.
 */
static inline bool lock_page(size_t page)
{
	return !atomic_flag_test_and_set(&model->lock[page].taken);
}

static inline void unlock_page(size_t page)
{
	atomic_flag_clear(&model->lock[page].taken);
}

static inline unsigned int begin_store(size_t cell, unsigned int *cleared)
{
	*cleared = model->cell[cell].clear_done;
	return ++model->cell[cell].started;
}

/* It is there, unless it was cleared. */
static inline void end_store(size_t cell, unsigned int version, unsigned int cleared)
{
	model->cell[cell].cleared_before = cleared;
	model->cell[cell].done = version;
}

/*
 * Taking away, by one task.
 */
static unsigned int floors[CELLS];

static inline void begin_clear(size_t cell, size_t end)
{
	for (; cell < end; cell++) {
		floors[cell] = model->cell[cell].done;
		model->cell[cell].clear_started++;
	}
}

static inline void end_clear(size_t cell, size_t end)
{
	for (; cell < end; cell++) {
		model->cell[cell].floor = floors[cell];
		model->cell[cell].clear_done++;
	}
}

static inline void next_phase(size_t cell, size_t end)
{
	for (; cell < end; cell++)
		model->cell[cell].phase++;
}

/*
 * Reading
 */
static inline void note_before(struct before *b, size_t cell, size_t n)
{
	for (; n--; b++, cell++) {
		struct cell *c = &model->cell[cell];

		b->done = c->done;
		b->cleared_before = c->cleared_before;
		b->floor = c->floor;
		b->phase = c->phase;
	}
}

static inline bool version_allowed(unsigned char c, unsigned int low,
				   unsigned int high)
{
	for (; low <= high; low++)
		if (version_byte(low) == c)
			return true;
	return false;
}

static inline void fail_cell(const char *how, size_t cell, const u64 *word,
			     const struct before *b)
{
	const struct cell *c = &model->cell[cell];

	fail("%s: cell %zu (page %zu) is %#llx %#llx, named %#llx; before: done %u (%#x), cleared %u, gone up to %u, phase %u; now: started %u, cleared %u of %u, phase %u, %u shifts",
	     how, cell, cell / CELLS_PAGE, word[0], word[1], cell_name(cell),
	     b->done, version_byte(b->done), b->cleared_before, b->floor,
	     b->phase, c->started, c->clear_done, c->clear_started, c->phase,
	     model->shifts);
}

/* While blocks move, that of any cell that may have come here. */
static inline void check_moved(const char *how, const u64 *word, size_t cell,
			       unsigned int shifts, const struct before *b)
{
	const unsigned char *c = (const unsigned char *)word;
	unsigned int now = model->shifts, n, i;
	bool good;

	for (i = 0; i < sizeof(*word); i++) {
		u64 name = cell_name(cell);

		good = !c[i] || c[i] == ((unsigned char *)&name)[i];
		for (n = shifts; n <= now && !good; n++) {
			name = cell_name(cell + model->shift[n / 2 % 4]);
			good = c[i] == ((unsigned char *)&name)[i];
		}
		/* Too much has happened to tell. */
		if (!good && now - shifts < 4)
			fail_cell(how, cell, word, b);
	}
}

/* Whether @word, two of them, may be read in a cell. */
static inline void check_cell(const char *how, const u64 *word, size_t cell,
			      const struct before *b, unsigned int shifts)
{
	const struct cell *c = &model->cell[cell];
	const unsigned char *byte = (const unsigned char *)word;
	unsigned int low = b->floor + 1, high = c->started, i;
	u64 name = cell_name(cell);
	bool zero;

	zero = !b->done || c->clear_started > b->cleared_before;
	if (cell >= MOVING && (shifts & 1 || model->shifts != shifts))
		return check_moved(how, word, cell, shifts, b);
	if (low < b->done)
		low = b->done;
	for (i = 0; i < 8; i++)
		if (byte[i] ? byte[i] != ((unsigned char *)&name)[i] : !zero)
			fail_cell(how, cell, word, b);
	for (i = 8; i < 16; i++)
		if (byte[i] ? !version_allowed(byte[i], low, high) : !zero)
			fail_cell(how, cell, word, b);
}

/* Whether a cell may be beyond the end, or must be. */
static inline bool may_be_beyond(size_t cell, const struct before *b)
{
	return PHASE(b->phase) || model->cell[cell].phase != b->phase;
}

static inline bool is_beyond(size_t cell, const struct before *b)
{
	return PHASE(b->phase) == 2 && model->cell[cell].phase == b->phase;
}

/* What was read of page @page on: @len bytes. */
static inline void check_read(const char *how, const char *buf, size_t page,
			      size_t len, const struct before *b,
			      unsigned int shifts)
{
	size_t cell = page * CELLS_PAGE, at, i;
	const u64 *word;

	for (at = 0; at + CELL <= len; at += CELL, cell++, b++) {
		word = (const u64 *)(buf + at);
		if (is_beyond(cell, b))
			fail("%s: cell %zu is beyond the end of the file", how, cell);
		check_cell(how, word, cell, b, shifts);
		for (i = 2; i < CELL / sizeof(*word); i++)
			if (word[i])
				fail("%s: byte %#zx of cell %zu is %#llx: of another file",
				     how, i * sizeof(*word), cell, word[i]);
	}
}

#endif
