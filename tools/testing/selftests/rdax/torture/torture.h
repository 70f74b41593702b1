/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Everything at once on few files: what the parts of fs_torture share. main.c says how it
 * runs, oracle.h what may be read.
 */
#ifndef TORTURE_H
#define TORTURE_H

#include <linux/falloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/uio.h>

#include "../fs_pin.h"
#include "oracle.h"

#ifndef FALLOC_FL_WRITE_ZEROES
#define FALLOC_FL_WRITE_ZEROES	0x80
#endif

#define MAX_TASKS	16
#define MAX_NAMES	16
#define MAX_VIEWS	3
#define MAX_HOLDS	2
#define MAX_OPS		48
#define NHANDLES	64
#define LOG		128


/* A line of the log of a task. */
struct entry {
	u32 began, ended;
	u16 inc;
	u16 op;
	u32 page, pages;
	/* The number of its store, if it stores. */
	u32 store;
	/* Bytes: the first << 24, and how many; or a size, pages that move, names. */
	s64 detail;
	s32 result;
};

struct log {
	_Atomic unsigned long count;
	struct entry entry[LOG];
};

/* A name in the directory, and the file that has it. */
struct name {
	pthread_mutex_t lock;
	struct file *file;
	/* What verify has to find. */
	s64 size;
	u64 digest[MAX_PAGES];
};

struct handle {
	struct {
		struct file_handle h;
		unsigned char bytes[MAX_HANDLE_SZ];
	};
	u16 inc;
};

/* Shared by processes, and kept in a file for verify. */
struct model {
	struct oracle oracle;
	struct name name[MAX_NAMES];
	unsigned int names;
	/* Number of handles that were noted; they are kept in a ring. */
	unsigned int handles;
	struct handle handle[NHANDLES];
	struct log log[MAX_TASKS];
	/* Operations of each kind: done, and refused with an errno that is expected. */
	_Atomic unsigned long done[MAX_OPS], refused[MAX_OPS];
	_Atomic bool over, failed;
	/* The device is being taken away: anything may fail. */
	_Atomic bool dying;
	/* One task freezes at a time. */
	atomic_flag freezing;
	/* Drains wait for all holders, so nobody may drain while it holds. */
	bool strict;
	u64 seed;
};

/* An open file, mapped as a whole. */
struct view {
	struct file *file;
	int fd;
	char *map;
	bool huge;
};

/* What a task has of pages of a file, in a pipe or by a pin. */
struct hold {
	struct look look;
	int fd, fd2;
	size_t len;
	unsigned int patience;
	bool pin;
};

struct task {
	int number;
	u64 rnd;
	struct view view[MAX_VIEWS];
	struct hold hold[MAX_HOLDS];
	char *buf;
	int disk;
	int pin;
	const struct operation *op;
	struct entry *entry;
	struct look look;
};

struct operation {
	const char *name;
	/* How often, relative to others. */
	unsigned int weight;
	void (*fn)(struct task *t, struct view *v);
	/* Ends with 0. */
	int expected[8];
	/* It needs no file that is open. */
	bool alone;
	/* It leaves nothing of a file. */
	bool removes;
};

extern struct model *model;
/* operations.c */
extern const struct operation operations[];
extern const unsigned int noperations;

/* Blocks may have data of earlier rounds: of other numbers. */
static inline u16 first_inc(void)
{
	return model->seed * 257 % 0x2000;
}

static inline size_t below(struct task *t, size_t n)
{
	return prng(&t->rnd) % n;
}

/* log.c */
void begin_entry(struct task *t, const struct view *v, size_t page, size_t pages, s64 detail);
void end_entry(struct task *t, s32 result);
bool went(struct task *t, bool good);
void __noreturn __printf(4, 5) wrong(const struct file *f, size_t page, size_t pages,
				     const char *fmt, ...);

/* files.c */
void init_files(unsigned int names);
struct file *get_file(u16 inc);
void put_file(struct file *f);
bool open_view(struct task *t, struct view *v, int fd);
void close_view(struct view *v);
void map_view(struct task *t, struct view *v);
bool open_some(struct task *t, struct view *v);
void op_create(struct task *t, struct view *v);
void op_open(struct task *t, struct view *v);
void op_close(struct task *t, struct view *v);
void op_rename(struct task *t, struct view *v);
void op_link(struct task *t, struct view *v);
void op_unlink(struct task *t, struct view *v);
void op_handle(struct task *t, struct view *v);

/* data.c */
size_t some_page(struct task *t, struct view *v, size_t n);
void op_store(struct task *t, struct view *v);
void op_load(struct task *t, struct view *v);
void op_write(struct task *t, struct view *v);
void op_read(struct task *t, struct view *v);
void op_disk_to_map(struct task *t, struct view *v);
void op_map_to_disk(struct task *t, struct view *v);
void op_vm_write(struct task *t, struct view *v);
void op_vm_read(struct task *t, struct view *v);
void op_fork(struct task *t, struct view *v);
void op_mremap(struct task *t, struct view *v);

/* hold.c */
void op_pipe(struct task *t, struct view *v);
void op_pin_read(struct task *t, struct view *v);
void op_pin_write(struct task *t, struct view *v);
void let_holds_go(struct task *t, bool all);

/* space.c */
void op_truncate(struct task *t, struct view *v);
void op_open_trunc(struct task *t, struct view *v);
void op_punch(struct task *t, struct view *v);
void op_zero(struct task *t, struct view *v);
void op_write_zeroes(struct task *t, struct view *v);
void op_allocate(struct task *t, struct view *v);
void op_collapse(struct task *t, struct view *v);
void op_insert(struct task *t, struct view *v);

/* admin.c */
void op_drop_caches(struct task *t, struct view *v);
void op_freeze(struct task *t, struct view *v);
void op_remount(struct task *t, struct view *v);
void op_sync(struct task *t, struct view *v);
void pause_us(long us);

/* verify.c */
void check_files(bool again);

#endif
