/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Those who hold pages of the files of fs_reuse.h: a pipe, pins of memory and of
 * file ranges by rdax_pin, and requests to a disk that takes its time.
 */
#ifndef FS_REUSE_HOLD_H
#define FS_REUSE_HOLD_H

#include "fs_reuse.h"
#include "fs_slow_disk.h"

#define HOLD_MAX	4
#define HOLDS		96
#define SLOTS		32

enum hold_kind { PIPE, MEMORY, RANGE, DISK_READ, DISK_WRITE, KINDS };
static const char *const kind_names[KINDS] = {
	"pipe", "memory", "range", "disk-read", "disk-write",
};

struct hold {
	enum hold_kind kind;
	struct block *block[HOLD_MAX];
	size_t n;
	int fd;		/* of the pin, or the pipe */
	unsigned int slot;
};

static struct hold holds[HOLDS];
static unsigned int nholds;
/* Whether there is a disk. */
static bool disk;

/* What the slots of the disk hold is never anybody's data. */
static inline u64 slot_tag(unsigned int slot)
{
	return 1ULL << 62 | (u64)slot << 32;
}

static inline void write_slots(void)
{
	char *buf = page_alloc(HOLD_MAX * PAGE);
	unsigned int slot, i;

	for (slot = 0; slot < SLOTS; slot++) {
		for (i = 0; i < HOLD_MAX; i++)
			fill_page(buf + i * PAGE, slot_tag(slot) + i * PAGE);
		full_pwrite(slow_disk.fd, buf, HOLD_MAX * PAGE,
			    slot * HOLD_MAX * PAGE);
	}
	must(!munmap(buf, HOLD_MAX * PAGE));
}

static inline void submit(struct hold *h, char *addr)
{
	size_t len = h->n * PAGE;

	h->slot = slow_disk.pending;
	if (!h->slot) {
		write_slots();
		must(!slow_disk_suspend(true));
	}
	slow_disk_submit(h->kind == DISK_READ, addr, len,
			 h->slot * HOLD_MAX * PAGE, h - holds);
}

static inline void fill_pipe(struct hold *h, char *addr)
{
	struct iovec iov = { addr, h->n * PAGE };
	int fds[2];

	must(!pipe(fds));
	must_eq(vmsplice(fds[1], &iov, 1, 0), iov.iov_len);
	must(!close(fds[1]));
	h->fd = fds[0];
}

/* Whether it could be held: nobody can have what there is no block for. */
static inline bool hold(struct file *f, enum hold_kind kind, size_t page, size_t n)
{
	struct hold *h = &holds[nholds];
	char *addr = f->map + page * PAGE;
	size_t i;

	if (kind > RANGE && (!disk || slow_disk.pending == SLOTS))
		return false;
	if (nholds == HOLDS || page + n > f->pages)
		return false;
	for (i = page; i < page + n; i++)
		if (f->block[i] ? kind > RANGE && f->block[i]->requested :
				  !store_pages(f, i, 1))
			return false;
	record(kind_names[kind], f, page, n);
	*h = (struct hold){ .kind = kind, .n = n, .fd = -1 };
	for (i = 0; i < n; i++)
		h->block[i] = block_get(f->block[page + i]);
	if (kind == PIPE)
		fill_pipe(h, addr);
	else if (kind == MEMORY)
		h->fd = pin_mem(RDAX_PIN_WRITE, addr, n * PAGE);
	else if (kind == RANGE)
		h->fd = pin_file(RDAX_PIN_WRITE, f->fd, page * PAGE, n * PAGE);
	else
		submit(h, addr);
	must(h->fd >= 0 || kind > RANGE);
	nholds++;
	return true;
}

/* The device stores: whoever has the block sees it, and nobody else. */
static inline void dma(struct hold *h)
{
	u64 tag = new_tag();
	size_t i;

	if (!h->n || (h->kind != MEMORY && h->kind != RANGE))
		return;
	record("dma", NULL, 0, h->n);
	dma_fill(h->fd, 0, h->n * PAGE, tag);
	for (i = 0; i < h->n; i++)
		h->block[i]->tag = tag + i * PAGE;
}

/* What the holder has is what it had, or what was stored there since. */
static inline void check_hold(struct hold *h)
{
	u64 page[PAGE / sizeof(u64)];
	size_t i;

	if (!h->n || (h->kind != MEMORY && h->kind != RANGE))
		return;
	for (i = 0; i < h->n; i++) {
		memset(page, 0, PAGE);
		if (h->block[i]->tag)
			fill_page(page, h->block[i]->tag);
		if (dma_sum(h->fd, i * PAGE, PAGE) != sum_of(page, PAGE)) {
			show_history();
			fail("page %zu of a pin (%s) is not %#llx any more", i,
			     kind_names[h->kind], h->block[i]->tag);
		}
	}
}

static inline void check_holds(void)
{
	unsigned int i;

	for (i = 0; i < nholds; i++)
		check_hold(&holds[i]);
}

static inline void forget_hold(struct hold *h)
{
	size_t i;

	for (i = 0; i < h->n; i++)
		block_put(h->block[i]);
	h->n = 0;
	if (h->fd >= 0)
		must(!close(h->fd));
	/* Requests to the disk are known by their place. */
	while (nholds && !holds[nholds - 1].n)
		nholds--;
}

static inline void read_back(struct hold *h)
{
	static char *buf;
	size_t i;

	if (!buf)
		buf = page_alloc(HOLD_MAX * PAGE);
	if (h->kind == PIPE)
		must_eq(read(h->fd, buf, h->n * PAGE), h->n * PAGE);
	else
		full_pread(slow_disk.fd, buf, h->n * PAGE,
			   h->slot * HOLD_MAX * PAGE);
	for (i = 0; i < h->n; i++)
		check_page(buf + i * PAGE, h->block[i]->tag,
			   kind_names[h->kind], i);
}

/* All requests to the disk are done. */
static inline void resume_disk(void)
{
	struct hold *h;
	size_t len, i;

	if (!slow_disk.pending)
		return;
	record("resume", NULL, 0, slow_disk.pending);
	must(!slow_disk_suspend(false));
	while (slow_disk.pending) {
		h = &holds[slow_disk_reap(&len)];
		must_eq(len, h->n * PAGE);
		for (i = 0; i < h->n; i++) {
			h->block[i]->requested = false;
			if (h->kind == DISK_READ)
				h->block[i]->tag = slot_tag(h->slot) + i * PAGE;
		}
		if (h->kind == DISK_WRITE)
			read_back(h);
		forget_hold(h);
	}
}

static inline void release(struct hold *h)
{
	if (!h->n)
		return;
	record("release", NULL, 0, h->n);
	check_hold(h);
	if (h->kind == DISK_READ || h->kind == DISK_WRITE)
		return resume_disk();
	if (h->kind == PIPE)
		read_back(h);
	forget_hold(h);
}

static inline void release_kind(enum hold_kind kind)
{
	unsigned int i;

	for (i = HOLDS; i-- > 0;)
		if (i < nholds && holds[i].kind == kind)
			release(&holds[i]);
}

static inline void release_all(void)
{
	enum hold_kind kind;

	for (kind = 0; kind < KINDS; kind++)
		release_kind(kind);
	must_eq(nholds, 0);
}

#endif
