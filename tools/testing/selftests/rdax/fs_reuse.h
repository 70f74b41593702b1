/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What every page of some files must hold, and which block it is: a model for
 * fs_reuse.c. A block keeps its content as long as the file or a holder has it,
 * whatever happens to the file.
 *
 * The word at byte n of a page is a tag plus n, which is what a pin of rdax_pin
 * stores, or zero. Tags are used once, so foreign data is seen as such.
 */
#ifndef FS_REUSE_H
#define FS_REUSE_H

#include <linux/falloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/statvfs.h>

#include "fs_pin.h"

#ifndef FALLOC_FL_WRITE_ZEROES
#define FALLOC_FL_WRITE_ZEROES	0x80
#endif

#define MAX_PAGES	1536
#define NFILES		128
#define LOG		48

struct block {
	u64 tag;
	unsigned int refs;
	/* A request to the disk has it; a second one could be done before. */
	bool requested;
};

struct file {
	char path[96];
	/* -1 while closed; then there is no mapping either. */
	int fd;
	char *map;
	bool huge;
	size_t pages;
	/* NULL is zeroes. */
	struct block *block[MAX_PAGES];
};

static struct file files[NFILES];
static unsigned int used;	/* of files */
static u64 rnd;
static unsigned long step;

static struct {
	const char *what;
	const char *path;
	size_t page, n;
} history[LOG];

static inline size_t below(size_t n)
{
	return prng(&rnd) % n;
}

/* For who reads the report of a mismatch. */
static inline void record(const char *what, const struct file *f, size_t page,
			  size_t n)
{
	history[step % LOG].what = what;
	history[step % LOG].path = f ? f->path : "";
	history[step % LOG].page = page;
	history[step % LOG].n = n;
	step++;
}

static inline void show_history(void)
{
	unsigned long i;

	for (i = step < LOG ? 0 : step - LOG; i < step; i++)
		note("%6lu %-10s %s page %zu + %zu", i, history[i % LOG].what,
		     history[i % LOG].path, history[i % LOG].page,
		     history[i % LOG].n);
}

/* For as many pages as a file may have; the highest byte stays the same. */
static inline u64 new_tag(void)
{
	static u64 last = 0x15ULL << 56;

	last += 1ULL << 32;
	return last;
}

static inline void fill_page(void *p, u64 tag)
{
	u64 *word = p;
	size_t n;

	for (n = 0; n < PAGE; n += sizeof(*word))
		*word++ = tag + n;
}

/* Names whom the data belongs to. */
static inline void show_owner(u64 word)
{
	u64 tag = word & ~(PAGE - 1);
	unsigned int i;
	size_t page;

	for (i = 0; i < used; i++)
		for (page = 0; page < files[i].pages; page++)
			if (files[i].block[page] && files[i].block[page]->tag == tag)
				note("that is page %zu of %s", page, files[i].path);
}

static inline void check_page(const void *p, u64 tag, const char *who, size_t page)
{
	const u64 *word = p;
	size_t n;

	for (n = 0; n < PAGE; n += sizeof(*word)) {
		u64 want = tag ? tag + n : 0, got = word[n / sizeof(*word)];

		if (got == want)
			continue;
		show_history();
		show_owner(got);
		fail("%s: page %zu byte %zu is %#llx, want %#llx", who, page, n,
		     got, want);
	}
}

static inline struct block *block_get(struct block *b)
{
	b->refs++;
	return b;
}

static inline void block_put(struct block *b)
{
	if (b && !--b->refs)
		free(b);
}

/* Page @page of a file is to hold @tag, in the block that it has or a new one. */
static inline void set_page(struct file *f, size_t page, u64 tag)
{
	if (!f->block[page]) {
		f->block[page] = calloc(1, sizeof(struct block));
		must(f->block[page]);
		f->block[page]->refs = 1;
	}
	f->block[page]->tag = tag;
	if (page >= f->pages)
		f->pages = page + 1;
}

static inline void lose_pages(struct file *f, size_t first, size_t end)
{
	for (; first < end && first < f->pages; first++) {
		block_put(f->block[first]);
		f->block[first] = NULL;
	}
}

static inline void open_file(struct file *f)
{
	size_t len = MAX_PAGES * PAGE;

	if (f->fd >= 0)
		return;
	f->fd = open(f->path, O_RDWR | O_CLOEXEC);
	if (f->fd < 0)
		fail("%s: %m", f->path);
	f->map = f->huge ? map_pmd(f->fd, len, RW) : map_pte(f->fd, len, RW);
	must(f->map != MAP_FAILED);
}

static inline void close_file(struct file *f)
{
	if (f->fd < 0)
		return;
	must(!munmap(f->map, MAX_PAGES * PAGE) && !close(f->fd));
	f->fd = -1;
}

/* An empty one, or NULL if there is no space for a name. */
static inline struct file *new_file(const char *dir, bool huge)
{
	static unsigned int number;
	struct file *f = &files[used];
	int fd;

	must(used < NFILES);
	memset(f, 0, sizeof(*f));
	f->fd = -1;
	f->huge = huge;
	snprintf(f->path, sizeof(f->path), "%s/%u", dir, number++);
	fd = open(f->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0) {
		must(errno == ENOSPC);
		return NULL;
	}
	must(!close(fd));
	used++;
	open_file(f);
	return f;
}

/* Its entry in the table is another file's afterwards. */
static inline void forget_file(struct file *f)
{
	close_file(f);
	lose_pages(f, 0, f->pages);
	if (f != &files[--used])
		*f = files[used];
}

static inline void check_file(struct file *f)
{
	static char *buf;
	size_t page = 0, i, n;
	int fd = f->fd;
	struct stat st;

	if (!buf)
		buf = page_alloc(64 * PAGE);
	if (fd < 0)
		fd = open(f->path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st))
		fail("%s: %m", f->path);
	if (st.st_size != (off_t)(f->pages * PAGE)) {
		show_history();
		fail("%s: size is %lld, want %zu pages", f->path,
		     (long long)st.st_size, f->pages);
	}
	for (; page < f->pages; page += n) {
		n = f->pages - page < 64 ? f->pages - page : 64;
		full_pread(fd, buf, n * PAGE, page * PAGE);
		for (i = 0; i < n; i++) {
			struct block *b = f->block[page + i];

			check_page(buf + i * PAGE, b ? b->tag : 0, f->path,
				   page + i);
		}
	}
	if (f->fd < 0)
		must(!close(fd));
}

static inline void check_files(void)
{
	unsigned int i;

	for (i = 0; i < used; i++)
		check_file(&files[i]);
}

/*
 * What is done to files. All of these go as far as there is space, and the
 * model with them.
 */
static inline size_t write_pages(struct file *f, size_t page, size_t n)
{
	static char *buf;
	u64 tag = new_tag();
	ssize_t done;
	size_t i;

	if (!buf)
		buf = page_alloc(MAX_PAGES * PAGE);
	record("write", f, page, n);
	for (i = 0; i < n; i++)
		fill_page(buf + i * PAGE, tag + i * PAGE);
	done = pwrite(f->fd, buf, n * PAGE, page * PAGE);
	if (done < 0) {
		must(errno == ENOSPC);
		return 0;
	}
	must(done % PAGE == 0);
	for (i = 0; i < done / PAGE; i++)
		set_page(f, page + i, tag + i * PAGE);
	return i;
}

/* By the mapping; the pages are within the file. */
static inline size_t store_pages(struct file *f, size_t page, size_t n)
{
	u64 tag = new_tag();
	char buf[PAGE];
	size_t i;

	record("store", f, page, n);
	must(page + n <= f->pages);
	for (i = 0; i < n; i++) {
		fill_page(buf, tag + i * PAGE);
		if (try_copy(f->map + (page + i) * PAGE, buf, PAGE))
			break;
		set_page(f, page + i, tag + i * PAGE);
	}
	return i;
}

static inline bool allocate(struct file *f, int mode, size_t page, size_t n)
{
	if (!fallocate(f->fd, mode, page * PAGE, n * PAGE))
		return true;
	if (errno != ENOSPC)
		fail("%s: fallocate %#x of page %zu + %zu: %m", f->path, mode,
		     page, n);
	return false;
}

static inline bool allocate_zeroes(struct file *f, int mode, size_t n)
{
	record("allocate", f, 0, n);
	if (!allocate(f, mode, 0, n))
		return false;
	f->pages = n;
	return true;
}

static inline void resize(struct file *f, size_t pages)
{
	record("truncate", f, pages, 0);
	if (ftruncate(f->fd, pages * PAGE)) {
		must(errno == ENOSPC);
		return;
	}
	lose_pages(f, pages, f->pages);
	f->pages = pages;
}

static inline void punch_pages(struct file *f, size_t page, size_t n)
{
	record("punch", f, page, n);
	if (allocate(f, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, page, n))
		lose_pages(f, page, page + n);
}

/* The blocks stay. */
static inline void zero_pages(struct file *f, int mode, size_t page, size_t n)
{
	size_t i;

	record("zero", f, page, n);
	if (!allocate(f, mode, page, n))
		return;
	for (i = page; i < page + n; i++)
		if (f->block[i])
			f->block[i]->tag = 0;
}

static inline void collapse_pages(struct file *f, size_t page, size_t n)
{
	struct block **b = f->block + page;

	if (page + n >= f->pages)
		return;
	record("collapse", f, page, n);
	if (!allocate(f, FALLOC_FL_COLLAPSE_RANGE, page, n))
		return;
	lose_pages(f, page, page + n);
	memmove(b, b + n, (f->pages - page - n) * sizeof(*b));
	memset(f->block + f->pages - n, 0, n * sizeof(*b));
	f->pages -= n;
}

static inline void insert_pages(struct file *f, size_t page, size_t n)
{
	struct block **b = f->block + page;

	if (page >= f->pages || f->pages + n > MAX_PAGES)
		return;
	record("insert", f, page, n);
	if (!allocate(f, FALLOC_FL_INSERT_RANGE, page, n))
		return;
	memmove(b + n, b, (f->pages - page) * sizeof(*b));
	memset(b, 0, n * sizeof(*b));
	f->pages += n;
}

static inline void remove_file(struct file *f)
{
	record("unlink", f, 0, 0);
	must(!unlink(f->path));
	forget_file(f);
}

/* Another file takes its name. */
static inline void rename_over(struct file *from, struct file *f)
{
	char path[sizeof(f->path)];

	record("rename", f, 0, 0);
	must(!rename(from->path, f->path));
	memcpy(path, f->path, sizeof(path));
	memcpy(from->path, path, sizeof(path));
	forget_file(f);
}

#endif
