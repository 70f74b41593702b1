// SPDX-License-Identifier: GPL-2.0
/*
 * Pins whose pages a drain wants, or the end of the file system. Each test works
 * in a directory of its own; the mount options it needs are set by fs-pin.sh.
 */
#include <errno.h>
#include <glob.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "fs_drain.h"
#include "fs_pin.h"

#ifndef FALLOC_FL_WRITE_ZEROES
#define FALLOC_FL_WRITE_ZEROES	0x80
#endif
/* Long enough that who does not wait has gone on. */
#define DELAY	(300 * MS)
/* From letting go to the end of what waited for it, by machine_now(). */
#define PROMPT	(200 * MS)
/* How long to wait for what must come, in milliseconds. */
#define LIMIT	(20000 * time_factor())

/* What takes a page away from a file, on a thread. */
struct taker {
	pthread_t thread;
	int fd;
	off_t off;
	long long done;
};

static void *taker(void *arg)
{
	struct taker *t = arg;

	punch(t->fd, t->off, PAGE);
	__atomic_store_n(&t->done, machine_now(), __ATOMIC_RELEASE);
	return NULL;
}

static bool is_done(struct taker *t)
{
	return __atomic_load_n(&t->done, __ATOMIC_ACQUIRE);
}

static void take(struct taker *t, int fd, off_t off)
{
	t->fd = fd;
	t->off = off;
	t->done = 0;
	machine_now();
	must(!pthread_create(&t->thread, NULL, taker, t));
}

/* It must end soon after @since. */
static void want_taken(struct taker *t, long long since)
{
	must(!pthread_join(t->thread, NULL));
	note("it took %lld us more", (t->done - since) / 1000);
	must(t->done >= since && t->done - since < PROMPT);
}

static bool is_listed(const char *line)
{
	char buf[256];
	bool found = false;
	glob_t files;

	must(!glob("/sys/kernel/debug/rdaxfs/*/drains", 0, NULL, &files));
	for (size_t i = 0; i < files.gl_pathc; i++) {
		FILE *f = fopen(files.gl_pathv[i], "r");

		must(f);
		while (!found && fgets(buf, sizeof(buf), f))
			found = !strncmp(buf, line, strlen(line)) &&
				strstr(buf, program_invocation_short_name);
		fclose(f);
	}
	globfree(&files);
	return found;
}

/* Who looks for what a drain waits for finds us. */
static void want_listed(int fd, u64 index)
{
	long long begun = now();
	struct stat st;
	char line[80];

	must(!fstat(fd, &st));
	snprintf(line, sizeof(line), "holder ino=%ju first=%ju end=%ju age_ms=",
		 (uintmax_t)st.st_ino, (uintmax_t)index, (uintmax_t)index + 1);
	while (!is_listed(line)) {
		if (now() - begun > LIMIT * MS)
			fail("not listed: %s", line);
		pause_for(MS);
	}
}

/* A drain waits, says so, and goes on when the pages are let go. */
static void cmd_wanted(char **argv)
{
	struct rdax_pin_status status;
	long long released;
	struct taker t;
	char *map;
	int fd, pin;

	begin(argv[0]);
	fd = pattern_file("f", argv[2], &map);
	pin = pin_by(argv[1], RDAX_PIN_WRITE, fd, map, PAGE);
	must(pin >= 0);
	must_eq(polled(pin, 0), 0);
	take(&t, fd, PAGE);
	must_eq(polled(pin, LIMIT), POLLIN | POLLPRI);
	pause_for(DELAY);
	must(!is_done(&t));
	status = status_of(pin);
	must_eq(status.state, RDAX_PIN_WANTED);
	must(status.wanted_ns && !status.released_ns);
	want_listed(fd, 1);
	/* The page is the file's still. */
	dma_fill(pin, 0, PAGE, SEED);
	released = machine_now();
	must(!ioctl(pin, RDAX_PIN_RELEASE));
	want_taken(&t, released);
	must(status_of(pin).released_ns > status.wanted_ns);
	must(!close(pin));
	verify_zero(map + PAGE, PAGE);
	verify(map, PAGE, 1, 0);
}

/* A page elsewhere in the file is nobody's business. */
static void cmd_elsewhere(char **argv)
{
	struct taker t;
	char *map;
	int fd, pin;

	begin(argv[0]);
	fd = pattern_file("f", "pte", &map);
	pin = pin_by(argv[1], 0, fd, map, 0);
	must(pin >= 0);
	take(&t, fd, PAGE);
	must(!pthread_join(t.thread, NULL));
	must_eq(polled(pin, 0), 0);
	must_eq(status_of(pin).state, 0);
	let_go(pin);
}

struct late {
	const char *how;
	int fd;
	char *map;
	int pin;
	long long done;
};

static void *late_pin(void *arg)
{
	struct late *l = arg;

	l->pin = pin_by(l->how, RDAX_PIN_WRITE, l->fd, l->map, PAGE);
	must(l->pin >= 0);
	__atomic_store_n(&l->done, machine_now(), __ATOMIC_RELEASE);
	return NULL;
}

/* While a drain waits nobody else gets its pages, but others. */
static void cmd_closed(char **argv)
{
	struct late late = { .how = argv[1] };
	long long released;
	pthread_t thread;
	struct taker t;
	int pin, far;

	begin(argv[0]);
	late.fd = pattern_file("f", "pte", &late.map);
	pin = pin_file(RDAX_PIN_WRITE, late.fd, PAGE, PAGE);
	must(pin >= 0);
	take(&t, late.fd, PAGE);
	must_eq(polled(pin, LIMIT), POLLIN | POLLPRI);
	must_fail(pin_by(argv[1], RDAX_PIN_NOWAIT, late.fd, late.map, PAGE),
		  EBUSY);
	far = pin_by(argv[1], RDAX_PIN_NOWAIT, late.fd, late.map, 3 * PAGE);
	must(far >= 0);
	must(!pthread_create(&thread, NULL, late_pin, &late));
	pause_for(DELAY);
	must(!__atomic_load_n(&late.done, __ATOMIC_ACQUIRE) && !is_done(&t));
	dma_fill(pin, 0, PAGE, SEED);
	released = machine_now();
	let_go(pin);
	must(!pthread_join(t.thread, NULL));
	must(!pthread_join(thread, NULL));
	must(late.done >= released);
	/* The new block, not the one that was taken. */
	verify_zero(late.map + PAGE, PAGE);
	dma_fill(late.pin, 0, PAGE, SEED + 1);
	verify_dma(late.map + PAGE, PAGE, SEED + 1);
	let_go(late.pin);
	let_go(far);
}

/* What the drain did not wait for stays with its holder, and nobody else. */
static void cmd_reuse(char **argv)
{
	unsigned long long free;
	off_t size = 0, len = 32 << 20;
	int fd, pin, filler;
	char *map;
	u64 sum;

	begin(argv[0]);
	free = free_blocks_warm();
	fd = pattern_file("f", argv[2], &map);
	pin = pin_by(argv[1], RDAX_PIN_WRITE, fd, map, PAGE);
	must(pin >= 0);
	must(!ftruncate(fd, 0));
	must(polled(pin, 0) & POLLPRI);
	dma_fill(pin, 0, PAGE, SEED);
	sum = dma_sum(pin, 0, PAGE);
	/* All others become zeroes. */
	filler = new_at("filler", 0644);
	while (len >= (off_t)PAGE) {
		if (fallocate(filler, FALLOC_FL_WRITE_ZEROES, size, len)) {
			must(errno == ENOSPC);
			len /= 2;
		} else {
			size += len;
		}
	}
	must(size > 0 && dma_sum(pin, 0, PAGE) == sum);
	let_go(pin);
	must(!munmap(map, SIZE) && !close(fd) && !close(filler));
	must(!unlink("f") && !unlink("filler"));
	want_free(free);
}

/* What is left in the file of a huge page that somebody holds. */
static void cmd_orphan(char **argv)
{
	unsigned long long free;
	char *map;
	int fd, held, pin;

	begin(argv[0]);
	free = free_blocks_warm();
	fd = pattern_file("f", "pmd", &map);
	held = pin_mem(RDAX_PIN_WRITE, map + PAGE, PAGE);
	must(held >= 0);
	must(!fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			8 * PAGE, PAGE));
	pin = pin_file(RDAX_PIN_WRITE, fd, 0, 16 * PAGE);
	must(pin >= 0);
	dma_fill(pin, 0, 16 * PAGE, SEED);
	must(dma_sum(held, 0, PAGE) == dma_sum(pin, PAGE, PAGE));
	verify_dma(map, 16 * PAGE, SEED);
	verify(map + 16 * PAGE, SIZE - 16 * PAGE, 1, 16 * PAGE);
	if (argv[1][0] == 'f') {
		let_go(held);
		let_go(pin);
		must(!ftruncate(fd, 0));
	} else {
		must(!ftruncate(fd, 0));
		let_go(pin);
		let_go(held);
	}
	must(!munmap(map, SIZE) && !close(fd) && !unlink("f"));
	want_free(free);
}

/* A pin of a file keeps it, without a name. */
static void cmd_unlink(char **argv)
{
	unsigned long long free;
	char *map;
	int fd, pin;

	begin(argv[0]);
	free = free_blocks_warm();
	fd = pattern_file("f", "pmd", &map);
	pin = pin_by(argv[1], RDAX_PIN_WRITE, fd, map, PAGE);
	must(pin >= 0);
	must(!munmap(map, SIZE) && !close(fd) && !unlink("f"));
	dma_fill(pin, 0, PAGE, SEED);
	must(free_blocks() < free);
	let_go(pin);
	want_free(free);
}

/* Time passes, or the descriptor is closed, or its owner killed. */
static void cmd_end(char **argv)
{
	struct rdax_pin_request req = {
		.flags = RDAX_PIN_FILE, .len = PAGE, .start = PAGE,
	};
	int fd, pin = -1, status;
	struct taker t;
	char *map;
	pid_t pid;

	begin(argv[0]);
	fd = pattern_file("f", "pte", &map);
	req.fd = fd;
	if (!strcmp(argv[1], "time")) {
		req.hold_ms = 2 * DELAY / MS;
		pin = ioctl(engine, RDAX_PIN, &req);
		must(pin >= 0);
		take(&t, fd, PAGE);
		must(!pthread_join(t.thread, NULL));
		must(polled(pin, LIMIT) & POLLHUP);
		must_eq(status_of(pin).state, RDAX_PIN_EXPIRED |
			RDAX_PIN_RELEASED | RDAX_PIN_WANTED);
		must(status_of(pin).released_ns >= DELAY);
		must_fail(ioctl(pin, RDAX_PIN_SUM, &(struct rdax_pin_transfer){ 0, 8, 0 }),
			  ESHUTDOWN);
	} else if (!strcmp(argv[1], "close")) {
		/* Also with a timer that has not expired. */
		req.hold_ms = 3600 * 1000;
		pin = ioctl(engine, RDAX_PIN, &req);
		must(pin >= 0);
		take(&t, fd, PAGE);
		must_eq(polled(pin, LIMIT), POLLIN | POLLPRI);
		must(!close(pin));
		must(!pthread_join(t.thread, NULL));
	} else {
		int ready[2];
		char c;

		must(!pipe(ready));
		pid = fork();
		must(pid >= 0);
		if (!pid) {
			must(ioctl(engine, RDAX_PIN, &req) >= 0);
			must_eq(write(ready[1], "", 1), 1);
			for (;;)
				pause();
		}
		must_eq(read(ready[0], &c, 1), 1);
		take(&t, fd, PAGE);
		pause_for(DELAY);
		must(!is_done(&t));
		must(!kill(pid, SIGKILL));
		must(waitpid(pid, &status, 0) == pid);
		must(!pthread_join(t.thread, NULL));
	}
	verify_zero(map + PAGE, PAGE);
}

/* Neither the file system nor the module goes while there is a pin. */
static void cmd_stay(char **argv)
{
	char *map;
	int fd, pin;

	begin(argv[0]);
	fd = pattern_file("f", "pte", &map);
	pin = pin_file(RDAX_PIN_WRITE, fd, 0, SIZE);
	must(pin >= 0);
	must(!munmap(map, SIZE) && !close(fd) && !close(engine));
	must(!chdir("/"));
	must_fail(umount(argv[1]), EBUSY);
	must(system("rmmod rdax_pin") > 0);
	dma_fill(pin, 0, SIZE, SEED);
	let_go(pin);
	must(!system("rmmod rdax_pin"));
}

static const struct cmd cmds[] = {
	{ "wanted", 3, cmd_wanted },
	{ "elsewhere", 2, cmd_elsewhere },
	{ "closed", 2, cmd_closed },
	{ "reuse", 3, cmd_reuse },
	{ "orphan", 2, cmd_orphan },
	{ "unlink", 2, cmd_unlink },
	{ "end", 2, cmd_end },
	{ "stay", 2, cmd_stay },
	{ NULL, 0, NULL },
};

int main(int argc, char **argv)
{
	return run_cmd(cmds, argc, argv);
}
