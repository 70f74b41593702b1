// SPDX-License-Identifier: GPL-2.0
/* Stores and reads that hold no page longer than a system call takes. */
#include <string.h>
#include <sys/wait.h>

#include "torture.h"

/* A page to begin with, and how many. */
/* Of @n pages the first: mostly within the file, and mostly in its first pages, where others are. */
size_t some_page(struct task *t, struct view *v, size_t n)
{
	u64 size = v->file->high / PAGE;

	if (below(t, 4))
		size = size < 24 ? size : 24;
	return size > n ? below(t, size - n + 1) : 0;
}

static size_t some_pages(struct task *t, struct view *v, size_t *n)
{
	*n = 1 + below(t, below(t, 3) ? 2 : CHUNK);
	return some_page(t, v, *n);
}

/* Some cells of these: mostly whole pages. */
static void some_cells(struct task *t, size_t page, size_t n, size_t *cell, size_t *cells)
{
	*cell = page * CELLS_PAGE;
	*cells = n * CELLS_PAGE;
	if (below(t, 3))
		return;
	*cell += below(t, CELLS_PAGE);
	*cells = 1 + below(t, *cells - (*cell - page * CELLS_PAGE));
}

struct at {
	size_t page, n, cell, cells;
	u64 pos;
	size_t len;
};

/* Begins a store and has its words in the buffer. */
static bool prepare(struct task *t, struct view *v, struct storing *s, struct at *at, bool words,
		    bool grows)
{
	at->page = some_pages(t, v, &at->n);
	/* Sometimes further out: holes, and larger files. */
	if (grows && !below(t, 3))
		at->page = below(t, below(t, 8) ? 32 : MAX_PAGES - CHUNK);
	some_cells(t, at->page, at->n, &at->cell, &at->cells);
	at->pos = at->cell * CELL;
	at->len = at->cells * CELL;
	begin_entry(t, v, at->page, at->n, at->pos << 24 | at->len);
	if (!begin_store(s, v->file, at->cell, at->cells, words, grows)) {
		end_entry(t, -1);
		return false;
	}
	t->entry->store = s->number;
	fill_words(s, t->buf, at->pos, at->len);
	return true;
}

void op_store(struct task *t, struct view *v)
{
	struct storing s;
	struct at at;
	size_t done;

	if (!prepare(t, v, &s, &at, true, false))
		return;
	done = try_words(v->map + at.pos, t->buf, at.len / 8);
	end_store(&s, done / CELL_WORDS);
	end_entry(t, done);
}

void op_write(struct task *t, struct view *v)
{
	struct storing s;
	struct at at;
	ssize_t done;

	if (!prepare(t, v, &s, &at, false, true))
		return;
	done = pwrite(v->fd, t->buf, at.len, at.pos);
	end_store(&s, went(t, done >= 0) ? done / CELL : 0);
}

void op_vm_write(struct task *t, struct view *v)
{
	struct iovec local, remote;
	struct storing s;
	struct at at;
	ssize_t done;

	if (!prepare(t, v, &s, &at, false, false))
		return;
	local = (struct iovec){ t->buf, at.len };
	remote = (struct iovec){ v->map + at.pos, at.len };
	done = process_vm_writev(getpid(), &local, 1, &remote, 1, 0);
	end_store(&s, went(t, done >= 0) ? done / CELL : 0);
}

static off_t disk_place(struct task *t)
{
	return t->number * CHUNK * PAGE;
}

/* Reading a disk into the mapping. */
void op_disk_to_map(struct task *t, struct view *v)
{
	struct storing s;
	struct at at;
	ssize_t done;

	if (t->disk < 0 || !prepare(t, v, &s, &at, false, false))
		return;
	full_pwrite(t->disk, t->buf, at.len, disk_place(t));
	done = pread(t->disk, v->map + at.pos, at.len, disk_place(t));
	end_store(&s, went(t, done >= 0) ? done / CELL : 0);
}

void op_load(struct task *t, struct view *v)
{
	size_t n, page = some_pages(t, v, &n), done;

	begin_entry(t, v, page, n, 0);
	begin_look(&t->look, v->file, page, n, true);
	done = try_words(t->buf, v->map + page * PAGE, n * PAGE_WORDS) * 8;
	end_look(&t->look);
	judge_bytes(&t->look, "load", t->buf, done);
	if (!model->dying)
		judge_length(&t->look, "load", page * PAGE, n * PAGE, done);
	end_entry(t, done);
}

void op_read(struct task *t, struct view *v)
{
	size_t n, page = some_pages(t, v, &n);
	ssize_t done;

	begin_entry(t, v, page, n, 0);
	begin_look(&t->look, v->file, page, n, false);
	done = pread(v->fd, t->buf, n * PAGE, page * PAGE);
	end_look(&t->look);
	if (!went(t, done >= 0))
		return;
	judge_bytes(&t->look, "read", t->buf, done);
	judge_length(&t->look, "read", page * PAGE, n * PAGE, done);
}

void op_vm_read(struct task *t, struct view *v)
{
	size_t n, page = some_pages(t, v, &n);
	struct iovec local = { t->buf, n * PAGE };
	struct iovec remote = { v->map + page * PAGE, n * PAGE };
	ssize_t done;

	begin_entry(t, v, page, n, 0);
	begin_look(&t->look, v->file, page, n, false);
	t->look.held = true;
	done = process_vm_readv(getpid(), &local, 1, &remote, 1, 0);
	end_look(&t->look);
	if (went(t, done >= 0))
		judge_bytes(&t->look, "process_vm_readv", t->buf, done);
}

/* Writing the mapping to a disk, and reading that. */
void op_map_to_disk(struct task *t, struct view *v)
{
	size_t n, page = some_pages(t, v, &n);
	ssize_t done;

	if (t->disk < 0)
		return;
	begin_entry(t, v, page, n, 0);
	begin_look(&t->look, v->file, page, n, false);
	t->look.held = true;
	done = pwrite(t->disk, v->map + page * PAGE, n * PAGE, disk_place(t));
	end_look(&t->look);
	if (!went(t, done >= 0))
		return;
	full_pread(t->disk, t->buf, done, disk_place(t));
	judge_bytes(&t->look, "O_DIRECT", t->buf, done);
}

/* A child touches what it has inherited. */
void op_fork(struct task *t, struct view *v)
{
	static const char *const bad = "task %d: its child ended with %#x";
	int status;
	pid_t pid;

	begin_entry(t, v, 0, 0, 0);
	pid = fork();
	if (!went(t, pid >= 0))
		return;
	if (!pid) {
		op_load(t, v);
		op_store(t, v);
		op_load(t, v);
		_exit(0);
	}
	must(waitpid(pid, &status, 0) == pid);
	if (status)
		wrong(v->file, 0, MAX_PAGES, bad, t->number, status);
}

void op_mremap(struct task *t, struct view *v)
{
	begin_entry(t, v, 0, 0, 0);
	map_view(t, v);
	end_entry(t, 0);
}
