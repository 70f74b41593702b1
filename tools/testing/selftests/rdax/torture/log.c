// SPDX-License-Identifier: GPL-2.0
/* What each task did last, and what is said when something is wrong. */
#include <stdarg.h>
#include <string.h>

#include "torture.h"

/* Lines of each task that are shown. */
#define SHOWN	10

void begin_entry(struct task *t, const struct view *v, size_t page, size_t pages, s64 detail)
{
	struct log *log = &model->log[t->number];

	t->entry = &log->entry[log->count % LOG];
	*t->entry = (struct entry) {
		.began = oracle->clock,
		.ended = NEVER_ENDS,
		.inc = v && v->file ? v->file->inc : 0,
		.op = t->op - operations,
		.page = page,
		.pages = pages,
		.detail = detail,
	};
	log->count++;
}

void end_entry(struct task *t, s32 result)
{
	t->entry->result = result;
	t->entry->ended = oracle->clock;
}

/* Whether it worked; if not, errno must be one that is expected of the operation. */
bool went(struct task *t, bool good)
{
	const int *expected = t->op->expected;
	int error = good ? 0 : errno;

	end_entry(t, -error);
	if (good)
		return true;
	model->refused[t->op - operations]++;
	while (*expected && *expected != error)
		expected++;
	if (!*expected && !model->dying) {
		errno = error;
		wrong(NULL, t->entry->page, t->entry->pages, "task %d: %s of file %u: %s is not expected",
		      t->number, t->op->name, t->entry->inc, strerrorname_np(error));
	}
	return false;
}

static bool concerns(const struct entry *e, u16 inc, size_t page, size_t pages)
{
	/* Names and the volume; what moves or clears all that follows. */
	if (!inc || !e->inc)
		return !inc;
	return e->inc == inc && (!e->pages || (e->page < page + pages && page < e->page + e->pages));
}

static void show_task(int number, u16 inc, size_t page, size_t pages)
{
	const struct log *log = &model->log[number];
	unsigned long shown[SHOWN], i = log->count, n = 0;

	while (i > 0 && i + LOG > log->count && n < SHOWN) {
		if (concerns(&log->entry[--i % LOG], inc, page, pages))
			shown[n++] = i;
	}
	while (n--) {
		const struct entry *e = &log->entry[shown[n] % LOG];
		char ended[24], store[24] = "";

		if (e->store)
			snprintf(store, sizeof(store), ", store %u", e->store);
		snprintf(ended, sizeof(ended), e->ended == NEVER_ENDS ? "..." : "%u", e->ended);
		note("  task %d #%lu %-12s file %u page %u + %u, %#llx%s: %u to %s: %d", number,
		     shown[n], operations[e->op].name, e->inc, e->page, e->pages,
		     (u64)e->detail, store, e->began, ended, e->result);
	}
}

static void show_moves(const struct file *f)
{
	u32 i;

	for (i = f->moves > 8 ? f->moves - 8 : 0; i < f->moves; i++)
		note("  moved: %s page %u + %u: %u to %d%s",
		     f->move[i].insert ? "insert at" : "collapse at", f->move[i].first,
		     f->move[i].pages, f->move[i].begin, (int)f->move[i].end,
		     f->move[i].failed ? ", failed" : "");
}

/* Ends all of it. The first one tells. */
void wrong(const struct file *f, size_t page, size_t pages, const char *fmt, ...)
{
	va_list ap;
	char text[512];
	int i;

	if (atomic_exchange(&model->failed, true))
		_exit(1);
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	note("seed %llu: %s", model->seed, text);
	if (f) {
		note("  file %u: from %#llx to %#llx bytes", f->inc, f->low, f->high);
		show_moves(f);
	}
	for (i = 0; i < MAX_TASKS; i++)
		show_task(i, f ? f->inc : 0, page, pages);
	model->over = true;
	_exit(1);
}
