// SPDX-License-Identifier: GPL-2.0
/*
 * Pages that are held beyond the call that took them: by pipes and by pins. Whatever becomes of
 * the file, they are not another file's before they are let go.
 */
#include <poll.h>
#include <string.h>

#include "torture.h"

static struct hold *free_hold(struct task *t)
{
	int i;

	for (i = 0; i < MAX_HOLDS; i++)
		if (!t->hold[i].look.file)
			return &t->hold[i];
	return NULL;
}

static void let_pipe_go(struct task *t, struct hold *h)
{
	ssize_t got = read(h->fd, t->buf, h->len);

	must_eq(got, h->len);
	end_look(&h->look);
	judge_bytes(&h->look, "pipe", t->buf, got);
	must(!close(h->fd) && !close(h->fd2));
}

static void let_pin_go(struct task *t, struct hold *h)
{
	u64 value[CHUNK * CELLS_PAGE];
	size_t i, word = below(t, CELL_WORDS), cells = h->len / CELL;
	struct rdax_pin_transfer range = { 0, 8, 0 };

	/* When the device is gone there is nothing to read. */
	for (i = 0; i < cells; i++) {
		range.offset = i * CELL + word * 8;
		if (ioctl(h->fd, RDAX_PIN_SUM, &range)) {
			must(errno == ESHUTDOWN || model->dying);
			break;
		}
		value[i] = range.value;
	}
	cells = i;
	end_look(&h->look);
	for (i = 0; i < cells; i++)
		judge(&h->look, "pin", h->look.page + i / CELLS_PAGE,
		      i % CELLS_PAGE * CELL_WORDS + word, value[i]);
	must(!close(h->fd));
}

static void let_go_of(struct task *t, struct hold *h)
{
	if (h->pin)
		let_pin_go(t, h);
	else
		let_pipe_go(t, h);
	put_file(h->look.file);
	h->look.file = NULL;
}

/* Those whose time is over, or all. */
void let_holds_go(struct task *t, bool all)
{
	int i;

	for (i = 0; i < MAX_HOLDS; i++)
		if (t->hold[i].look.file && (all || !t->hold[i].patience--))
			let_go_of(t, &t->hold[i]);
}

static struct hold *begin_hold(struct task *t, struct view *v, bool pin)
{
	struct hold *h = free_hold(t);
	size_t n = 1 + below(t, 3), page = some_page(t, v, n);

	if (!h)
		return NULL;
	begin_entry(t, v, page, n, 0);
	h->pin = pin;
	h->patience = below(t, 6) ? below(t, 12) : 60;
	h->len = n * PAGE;
	begin_look(&h->look, v->file, page, n, false);
	h->look.held = true;
	return h;
}

/* With drain=strict nobody may go on to something else that drains. */
static void keep(struct task *t, struct hold *h, struct view *v)
{
	must(get_file(v->file->inc) == v->file);
	if (!model->strict)
		return;
	pause_us(below(t, 5) ? below(t, 3000) : 30000);
	let_go_of(t, h);
}

void op_pipe(struct task *t, struct view *v)
{
	struct hold *h = begin_hold(t, v, false);
	struct iovec iov;
	ssize_t got;
	int fds[2];

	if (!h)
		return;
	must(!pipe2(fds, O_CLOEXEC));
	iov = (struct iovec){ v->map + h->look.page * PAGE, h->len };
	got = vmsplice(fds[1], &iov, 1, SPLICE_F_NONBLOCK);
	if (!went(t, got > 0)) {
		must(!close(fds[0]) && !close(fds[1]));
		h->look.file = NULL;
		return;
	}
	h->len = got;
	h->fd = fds[0];
	h->fd2 = fds[1];
	keep(t, h, v);
}

static int pin_pages(struct task *t, struct view *v, u64 flags, size_t page, u64 *len)
{
	struct rdax_pin_request req = { .flags = flags, .len = *len };
	int pin;

	if (below(t, 4) == 0)
		req.flags |= RDAX_PIN_NOWAIT;
	if (below(t, 2)) {
		req.flags |= RDAX_PIN_FILE;
		req.fd = v->fd;
		req.start = page * PAGE;
	} else {
		if (below(t, 2))
			req.flags |= RDAX_PIN_NOTIFY;
		req.start = (uintptr_t)v->map + page * PAGE;
	}
	pin = ioctl(t->pin, RDAX_PIN, &req);
	*len = req.pinned;
	return pin;
}

void op_pin_read(struct task *t, struct view *v)
{
	struct hold *h = t->pin >= 0 ? begin_hold(t, v, true) : NULL;
	u64 len;

	if (!h)
		return;
	len = h->len;
	h->fd = pin_pages(t, v, 0, h->look.page, &len);
	if (!went(t, h->fd >= 0)) {
		h->look.file = NULL;
		return;
	}
	h->len = len;
	keep(t, h, v);
}

/* As a device stores: held meanwhile, and let go at once. */
void op_pin_write(struct task *t, struct view *v)
{
	size_t n = 1 + below(t, 3), page = some_page(t, v, n);
	struct rdax_pin_transfer range = {};
	u64 len = n * PAGE;
	struct storing s;
	int pin;

	if (t->pin < 0)
		return;
	begin_entry(t, v, page, n, 0);
	if (!begin_store(&s, v->file, page * CELLS_PAGE, n * CELLS_PAGE, false, false)) {
		end_entry(t, -1);
		return;
	}
	t->entry->store = s.number;
	pin = pin_pages(t, v, RDAX_PIN_WRITE, page, &len);
	if (!went(t, pin >= 0)) {
		end_store(&s, 0);
		return;
	}
	pause_us(below(t, 6) ? below(t, 3000) : 30000);
	range.len = len;
	range.value = word_of(&s, page * PAGE);
	if (ioctl(pin, RDAX_PIN_FILL, &range)) {
		must(errno == ESHUTDOWN || model->dying);
		len = 0;
	}
	must(!close(pin));
	end_store(&s, len / CELL);
}
