// SPDX-License-Identifier: GPL-2.0
/*
 * Stores and reads in every way there is, while blocks of the same file are taken
 * away all the time: see fs_cells.h for what may be read.
 *
 *   fs_drain_data FILE pte|pmd strict|bounded|unheld SECONDS SEED DISK
 *
 * The file is left behind. With "strict" who holds a page is waited for, so what
 * it stores is there; with "bounded" that may be lost; with "unheld" nobody holds
 * any, as other file systems may then wait for ever.
 */
#include <linux/falloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/uio.h>

#include "fs_cells.h"

#ifndef FALLOC_FL_WRITE_ZEROES
#define FALLOC_FL_WRITE_ZEROES	0x80
#endif

#define PUNCH		(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE)
#define CHUNK		4
#define STORERS		3
#define READERS		3
/* After which a task that has not ended hangs, in units of 10 ms. */
#define PATIENCE	1500

struct task {
	char *map, *buf;
	int fd, disk, number;
	struct before before[CHUNK * CELLS_PAGE], later[CHUNK * CELLS_PAGE];
	unsigned int shifts, cleared;
	/* Where it was last: what it has mapped there may be too old. */
	size_t page;
	/* It has the lock that keeps blocks from moving. */
	bool still;
};

static bool strict, held;
static u64 rnd;

static size_t below(size_t n)
{
	return prng(&rnd) % n;
}

static void pause_ms(long ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&ts, NULL);
}

/* Mostly short; sometimes so long that a drain lets others through. */
static void hold_on(void)
{
	pause_ms(below(12) ? below(5) : 60);
}

/* What comes of holding pages that may be gone. */
static bool went(bool good)
{
	if (good)
		return true;
	/* The page of zeroes that is mapped for a hole is no page of the file. */
	if (errno != EFAULT && errno != ENXIO && errno != EBUSY &&
	    errno != EOPNOTSUPP)
		fail("%m");
	model->refused++;
	return false;
}

/*
 * Reading @n pages from @page on. Returns how many bytes are in the buffer.
 */
static ssize_t read_file(struct task *t, size_t page, size_t n)
{
	return pread(t->fd, t->buf, n * PAGE, page * PAGE);
}

static ssize_t read_map(struct task *t, size_t page, size_t n)
{
	return try_copy(t->buf, t->map + page * PAGE, n * PAGE) ? -1 : (ssize_t)(n * PAGE);
}

static ssize_t read_vm(struct task *t, size_t page, size_t n)
{
	struct iovec local = { t->buf, n * PAGE };
	struct iovec remote = { t->map + page * PAGE, n * PAGE };
	ssize_t got = process_vm_readv(getpid(), &local, 1, &remote, 1, 0);

	went(got >= 0);
	return got;
}

/*
 * What is held and waited for is as it is when it is read, not when it was held:
 * unless it is the page of zeroes, of a hole, which nobody waits for.
 */
static void note_held(struct task *t, size_t page, size_t n)
{
	if (strict)
		note_before(t->later, page * CELLS_PAGE, n * CELLS_PAGE);
}

static ssize_t read_pipe(struct task *t, size_t page, size_t n)
{
	struct iovec iov = { t->map + page * PAGE, n * PAGE };
	ssize_t got;
	int fds[2];

	must(!pipe(fds));
	got = vmsplice(fds[1], &iov, 1, SPLICE_F_NONBLOCK);
	if (went(got > 0)) {
		hold_on();
		note_held(t, page, n);
		must_eq(read(fds[0], t->buf, got), got);
	}
	must(!close(fds[0]) && !close(fds[1]));
	return got;
}

/* From the mapping to the disk, and back to the buffer. */
static ssize_t read_disk(struct task *t, size_t page, size_t n)
{
	off_t at = t->number * CHUNK * PAGE;
	ssize_t got;

	if (t->disk < 0)
		return read_file(t, page, n);
	got = pwrite(t->disk, t->map + page * PAGE, n * PAGE, at);
	if (went(got > 0))
		full_pread(t->disk, t->buf, got, at);
	return got;
}

static ssize_t read_pin(struct task *t, size_t page, size_t n)
{
	u64 pinned, off, word;
	int pin;

	if (below(2))
		pin = request(RDAX_PIN_FILE, t->fd, page * PAGE, n * PAGE, &pinned);
	else
		pin = request(below(2) ? RDAX_PIN_NOTIFY : 0, 0,
			      (uintptr_t)t->map + page * PAGE, n * PAGE, &pinned);
	if (!went(pin >= 0))
		return -1;
	hold_on();
	note_held(t, page, n);
	memset(t->buf, 0, pinned);
	for (off = 0; off < pinned; off += CELL) {
		for (word = 0; word < 16; word += 8)
			*(u64 *)(t->buf + off + word) =
				dma_sum(pin, off + word, sizeof(word));
	}
	must(!close(pin));
	return pinned;
}

/* The first ones hold nothing. */
static const struct {
	const char *name;
	ssize_t (*fn)(struct task *t, size_t page, size_t n);
} reads[] = {
	{ "read", read_file }, { "load", read_map }, { "process_vm_readv", read_vm },
	{ "pipe", read_pipe }, { "O_DIRECT", read_disk }, { "pin", read_pin },
};

static size_t some_page(struct task *t)
{
	if (!below(4))
		t->page = below(FILE_PAGES - CHUNK);
	return t->page;
}

static void do_read(struct task *t)
{
	size_t n = 1 + below(CHUNK), page = some_page(t), how, i, cell;
	ssize_t got;

	how = below(held ? ARRAY_SIZE(reads) : 2);
	t->shifts = model->shifts;
	note_before(t->before, page * CELLS_PAGE, n * CELLS_PAGE);
	memcpy(t->later, t->before, sizeof(t->later));
	got = reads[how].fn(t, page, n);
	model->reads++;
	for (i = 0; (ssize_t)((i + 1) * CELL) <= got; i++)
		if (*(u64 *)(t->buf + i * CELL))
			t->before[i] = t->later[i];
	if (got > 0)
		check_read(reads[how].name, t->buf, page, got, t->before, t->shifts);
	/* A hole has no page, so only these end at the end of the file. */
	if (how > 1)
		return;
	cell = page * CELLS_PAGE;
	for (i = got > 0 ? got / CELL : 0; i < n * CELLS_PAGE; i++)
		if (how == 0 && !may_be_beyond(cell + i, &t->before[i]))
			fail("read ends at cell %zu, before the end of the file", cell + i);
	/* The copy stops at the first page that is not there. */
	if (how == 1 && got < 0) {
		for (i = 0; i < n * CELLS_PAGE; i++)
			if (may_be_beyond(cell + i, &t->before[i]))
				return;
		fail("load: SIGBUS in page %zu + %zu, within the file", page, n);
	}
}

/*
 * Storing to the cell whose words are in the buffer, at byte @pos. Returns
 * whether it is there then.
 */
static bool store_map(struct task *t, off_t pos)
{
	return !try_copy(t->map + pos, t->buf, 16);
}

/* Truncating must not find that the file has grown. */
static bool store_file(struct task *t, off_t pos)
{
	bool beyond;

	must(!pthread_rwlock_rdlock(&model->size_lock));
	beyond = PHASE(model->cell[pos / CELL].phase);
	if (!beyond)
		full_pwrite(t->fd, t->buf, 16, pos);
	must(!pthread_rwlock_unlock(&model->size_lock));
	return !beyond;
}

static bool store_vm(struct task *t, off_t pos)
{
	struct iovec local = { t->buf, 16 };
	struct iovec remote = { t->map + pos, 16 };

	return went(process_vm_writev(getpid(), &local, 1, &remote, 1, 0) == 16) &&
	       strict;
}

/* A sector, the rest of which is zeroes. */
static bool store_disk(struct task *t, off_t pos)
{
	off_t at = (16 + t->number) * CHUNK * PAGE;

	if (t->disk < 0)
		return store_map(t, pos);
	memset(t->buf + 16, 0, 512 - 16);
	full_pwrite(t->disk, t->buf, 512, at);
	return went(pread(t->disk, t->map + pos, 512, at) == 512) && strict;
}

static void let_move(struct task *t)
{
	if (t->still)
		must(!pthread_rwlock_unlock(&model->shift_lock));
	t->still = false;
}

static bool store_pin(struct task *t, off_t pos)
{
	off_t start = pos & ~(PAGE - 1);
	u64 flags = RDAX_PIN_WRITE, pinned, *word = (u64 *)t->buf;
	int pin, i;

	if (below(2))
		pin = request(flags | RDAX_PIN_FILE, t->fd, start, PAGE, &pinned);
	else
		pin = request(flags | (below(2) ? RDAX_PIN_NOTIFY : 0), 0,
			      (uintptr_t)t->map + start, PAGE, &pinned);
	if (!went(pin >= 0))
		return false;
	/* What is held may move. */
	let_move(t);
	hold_on();
	if (strict)
		t->cleared = model->cell[pos / CELL].clear_done;
	/* What is stored is the value plus the place. */
	for (i = 0; i < 2; i++, pos += 8)
		dma_fill(pin, pos - start, 8, word[i] - (pos - start));
	must(!close(pin));
	return strict;
}

/* The first ones hold nothing. */
static bool (*const stores[])(struct task *t, off_t pos) = {
	store_map, store_file, store_vm, store_disk, store_pin, store_map,
};

static void do_store(struct task *t)
{
	size_t page = some_page(t), cell = page * CELLS_PAGE + below(CELLS_PAGE);
	unsigned int version;

	if (!lock_page(page))
		return;
	t->still = cell >= MOVING;
	if (t->still)
		must(!pthread_rwlock_rdlock(&model->shift_lock));
	version = begin_store(cell, &t->cleared);
	cell_words((u64 *)t->buf, cell, version);
	if (stores[below(held ? ARRAY_SIZE(stores) : 2)](t, cell * CELL))
		end_store(cell, version, t->cleared);
	let_move(t);
	model->stores++;
	unlock_page(page);
}

static void run_task(int number, const char *path, bool huge, const char *disk)
{
	struct task t = { .buf = page_alloc(CHUNK * PAGE), .number = number };

	rnd += number;
	t.fd = open(path, O_RDWR | O_CLOEXEC);
	must(t.fd >= 0);
	t.map = huge ? map_pmd(t.fd, FILE_SIZE, RW) : map_pte(t.fd, FILE_SIZE, RW);
	must(t.map != MAP_FAILED);
	t.disk = open(disk, O_RDWR | O_DIRECT | O_CLOEXEC);
	catch_sigbus();
	while (!model->over) {
		if (number < STORERS)
			do_store(&t);
		else
			do_read(&t);
	}
	exit(0);
}

/*
 * Taking blocks away
 */
static void zero_cells(int fd, int mode, size_t first, size_t end)
{
	begin_clear(first, end);
	must(!fallocate(fd, mode, first * CELL, (end - first) * CELL));
	end_clear(first, end);
}

static void truncate_cells(int fd, size_t first)
{
	must(!pthread_rwlock_wrlock(&model->size_lock));
	next_phase(first, CELLS);
	begin_clear(first, CELLS);
	must(!ftruncate(fd, first * CELL));
	next_phase(first, CELLS);
	pause_ms(below(3));
	next_phase(first, CELLS);
	must(!ftruncate(fd, FILE_SIZE));
	end_clear(first, CELLS);
	next_phase(first, CELLS);
	must(!pthread_rwlock_unlock(&model->size_lock));
}

/* There and back: what lies behind moves, and @n cells are gone. */
static void shift_cells(int fd, size_t first, size_t n)
{
	must(!pthread_rwlock_wrlock(&model->shift_lock));
	must(!pthread_rwlock_wrlock(&model->size_lock));
	model->shift[model->shifts / 2 % 4] = n;
	model->shifts++;
	next_phase(CELLS - n, CELLS);
	begin_clear(first, first + n);
	must(!fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, first * CELL, n * CELL));
	next_phase(CELLS - n, CELLS);
	pause_ms(below(3));
	next_phase(CELLS - n, CELLS);
	must(!fallocate(fd, FALLOC_FL_INSERT_RANGE, first * CELL, n * CELL));
	end_clear(first, first + n);
	next_phase(CELLS - n, CELLS);
	model->shifts++;
	must(!pthread_rwlock_unlock(&model->size_lock));
	must(!pthread_rwlock_unlock(&model->shift_lock));
}

/* Some cells, or pages, or a huge page. */
static void some_range(size_t *first, size_t *end)
{
	size_t align = below(3) ? below(3) ? CELLS_PAGE : 1 : PMD / CELL;
	size_t n = align * (1 + (align < PMD / CELL ? below(64) : 0));

	*first = below(CELLS / align) * align;
	*end = *first + n < CELLS ? *first + n : CELLS;
}

static void take(int fd)
{
	size_t first, end;

	some_range(&first, &end);
	switch (below(6)) {
	case 0:
		return zero_cells(fd, PUNCH, first, end);
	case 1:
		return zero_cells(fd, FALLOC_FL_ZERO_RANGE, first, end);
	case 2:
		return zero_cells(fd, held ? FALLOC_FL_WRITE_ZEROES : PUNCH,
				  first, end);
	case 3:
		if (below(2))
			return zero_cells(fd, PUNCH, 0, CELLS);
		return truncate_cells(fd, first / CELLS_PAGE * CELLS_PAGE);
	default:
		first = MOVING + below(64) * CELLS_PAGE;
		return shift_cells(fd, first, (1 + below(16)) * CELLS_PAGE);
	}
}

static void run_taker(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	must(fd >= 0);
	while (!model->over) {
		take(fd);
		model->takes++;
		pause_ms(below(20));
	}
	exit(0);
}

static bool ended(pid_t pid, int *status)
{
	int i;

	for (i = 0; i < PATIENCE; i++) {
		pid_t got = waitpid(pid, status, WNOHANG);

		must(got >= 0);
		if (got)
			return true;
		pause_ms(10);
	}
	return false;
}

/* Nothing happens any more, so all that is read has to be the last of it. */
static void check_end(const char *path, bool huge)
{
	struct task t = { .buf = page_alloc(PAGE) };
	size_t page;

	t.fd = open(path, O_RDWR | O_CLOEXEC);
	must(t.fd >= 0);
	want_size(path, FILE_SIZE);
	t.map = huge ? map_pmd(t.fd, FILE_SIZE, RW) : map_pte(t.fd, FILE_SIZE, RW);
	must(t.map != MAP_FAILED);
	for (page = 0; page < FILE_PAGES; page++) {
		note_before(t.before, page * CELLS_PAGE, CELLS_PAGE);
		must_eq(read_file(&t, page, 1), PAGE);
		check_read("read at the end", t.buf, page, PAGE, t.before, model->shifts);
		must_eq(read_map(&t, page, 1), PAGE);
		check_read("load at the end", t.buf, page, PAGE, t.before, model->shifts);
	}
}

int main(int argc, char **argv)
{
	pid_t pids[STORERS + READERS + 1];
	int i, fd, status, failed = 0;
	siginfo_t info;
	long long end;
	bool huge;
	u64 seed;

	if (argc != 7)
		fail("usage: %s FILE pte|pmd strict|bounded SECONDS SEED DISK", argv[0]);
	huge = !strcmp(argv[2], "pmd");
	strict = !strcmp(argv[3], "strict");
	seed = strtoull(argv[5], NULL, 0);
	note("seed %llu", seed);
	rnd = seed * 2 + 1;
	held = strcmp(argv[3], "unheld");
	engine = open("/dev/rdax_pin", O_RDWR | O_CLOEXEC);
	must(engine >= 0 || !held);
	init_model();
	fd = create_file(argv[1], FILE_SIZE);
	for (i = 0; i < STORERS + READERS + 1; i++) {
		pids[i] = fork();
		must(pids[i] >= 0);
		if (pids[i])
			continue;
		if (i == STORERS + READERS)
			run_taker(argv[1]);
		run_task(i, argv[1], huge, argv[6]);
	}
	end = strtol(argv[4], NULL, 0) * 100;
	do {
		pause_ms(10);
		info.si_pid = 0;
		must(!waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT));
	} while (--end > 0 && !info.si_pid);
	model->over = true;
	for (i = 0; i < STORERS + READERS + 1; i++) {
		if (!ended(pids[i], &status)) {
			note("task %d hangs", i);
			failed++;
			must(!kill(pids[i], SIGKILL));
			if (!ended(pids[i], &status))
				note("task %d cannot be killed", i);
		} else if (status) {
			note("task %d: wait status %#x", i, status);
			failed++;
		}
	}
	note("%lu reads, %lu stores, %lu without a page; blocks were taken %lu times",
	     model->reads, model->stores, model->refused, model->takes);
	if (failed)
		fail("%d tasks", failed);
	check_end(argv[1], huge);
	must(model->takes > 0 && model->stores > 0 && model->reads > 0 && !close(fd));
	return 0;
}
