/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What may be read where, for fs_torture.
 *
 * Each word of 8 bytes that is stored says which file this is (a number that no other file of
 * the run has), which store it was, and where it was stored:
 *
 *   63..56 check   55..42 file   41..22 store   21..12 page   11..3 word of page   2..0 check
 *
 * so that the next word is the word plus 8, as a pin of rdax_pin stores them. Whatever is read,
 * anywhere, is either zero or such a word of this file, stored at this place or at one from which
 * it may have moved here.
 *
 * Time is a counter: each operation has a begin and an end, noted before and after the system
 * call. Files are made of cells of 512 bytes, all stores cover whole cells. For each cell is known
 *   floor    what was stored by operations that had ended then is gone: the begin of the last one
 *            that stored all of the cell, or cleared it, and is over
 *   landed   the begin of the last store that surely arrived
 *   cleared  the end of the last operation that may have cleared it, and how many are under way
 * A word must not be of a store that had ended before the floor that was known when the read
 * began. It must not be zero if a store had landed by then, and nothing has cleared it since.
 *
 * Collapse and insert move the cells and all that is known of them; one at a time for each file.
 * While one is under way only file and place are judged; who stores or clears meanwhile may have
 * done so here or there, so nothing is concluded from that.
 */
#ifndef TORTURE_ORACLE_H
#define TORTURE_ORACLE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "../fs_test.h"

typedef int32_t s32;
typedef int64_t s64;
typedef uint16_t u16;
typedef uint32_t u32;

#define CELL		512UL
#define CELLS_PAGE	(PAGE / CELL)
#define CELL_WORDS	(CELL / 8)
#define PAGE_WORDS	(PAGE / 8)
#define MAX_PAGES	1024UL
#define MAX_SIZE	(MAX_PAGES * PAGE)
#define MAX_CELLS	(MAX_PAGES * CELLS_PAGE)
/* Pages of one read or store. */
#define CHUNK		8UL
#define NFILES		24
#define MAX_MOVES	512
#define MAX_STORES	(1U << 20)
#define RECENT		4
#define NEVER_ENDS	UINT32_MAX

struct recent {
	u32 store;
	u32 page;
};

struct cell {
	u32 landed, floor, cleared;
	/* Of a part of it, in words, that was cleared. */
	u32 cut_floor;
	unsigned char cut_from, cut_to;
	/* Stays where it is when cells move. */
	u16 clearing;
	/* The last stores, for what is torn by copying. */
	u32 count;
	struct recent recent[RECENT];
};

struct move {
	u32 begin, end;
	u16 first, pages;
	bool insert, failed;
};

struct file {
	u16 inc;
	/* Of all from low on. */
	pthread_mutex_t lock;
	/* Who has it open, and how many names it has. */
	u32 users, names;
	bool live;
	/* Its size is at least, and at most. */
	u64 low, high;
	/* Changes of the size; those that may make it smaller; pages that may be inserted. */
	u32 resizes, resizing, shrinks, shrinking, inserting;
	/* Clearing while moving: where is not known. */
	u32 clearing, wild;
	u32 moving, moves;
	struct move move[MAX_MOVES];
	struct cell cell[MAX_CELLS];
};

struct store {
	_Atomic u32 begin, end;
	u32 first, cells;
	u16 inc;
	bool words;
};

struct oracle {
	_Atomic u32 clock;
	_Atomic u32 stores;
	_Atomic u32 incs;
	/* Words that were judged, and of these torn ones. */
	_Atomic unsigned long judged, torn;
	pthread_mutex_t lock;
	struct file file[NFILES];
	struct store store[MAX_STORES];
};

extern struct oracle *oracle;

static inline u32 tick(void)
{
	return ++oracle->clock;
}

void init_mutex(pthread_mutex_t *lock);
void lock_file(struct file *f);
void unlock_file(struct file *f);

/* A store: its words, and what has become of it. */
struct storing {
	struct file *file;
	u32 number;
	u32 moves;
	u32 shrinks;
	bool below_low;
	/* What it does to the size. */
	bool grows;
	bool alone;
};

bool begin_store(struct storing *s, struct file *f, size_t cell, size_t cells, bool words,
		 bool grows);
void end_store(struct storing *s, size_t cells);
u64 word_of(const struct storing *s, u64 pos);
void fill_words(const struct storing *s, void *buf, u64 pos, size_t len);

/* Clearing bytes. */
struct clearing {
	struct file *file;
	u64 from, to;
	u32 begin, moves;
};

void begin_clear(struct clearing *c, struct file *f, u64 from, u64 to);
void end_clear(struct clearing *c, bool done);

/* Changing the size. */
struct resizing {
	struct file *file;
	u64 low, high;
	u32 resizes;
	bool alone, shrinks;
};

bool begin_shrink(struct resizing *r, struct file *f, u64 size);
bool begin_growth(struct resizing *r, struct file *f, u64 high);
void end_resize(struct resizing *r, u64 low, u64 high);

/* Moving. Begins only if no other is under way. */
struct moving {
	struct move *move;
	struct resizing size;
};

bool begin_move(struct moving *m, struct file *f, bool insert, size_t page, size_t pages);
void end_move(struct moving *m, bool done);

/* A read. */
struct look {
	struct file *file;
	u32 begin, end;
	size_t page, pages;
	u64 low, high;
	u32 shrinks, resizes, moves;
	/* Somebody held the pages meanwhile, and they may have gone elsewhere. */
	bool held;
	/* It was read word by word. */
	bool words;
	bool moved, still;
	struct cell before[CHUNK * CELLS_PAGE];
	struct cell after[CHUNK * CELLS_PAGE];
};

void begin_look(struct look *l, struct file *f, size_t page, size_t pages, bool words);
void end_look(struct look *l);
void judge(const struct look *l, const char *how, size_t page, size_t word, u64 value);
void judge_bytes(const struct look *l, const char *how, const void *buf, size_t len);
void judge_length(const struct look *l, const char *how, u64 pos, size_t asked, size_t got);

#endif
