// SPDX-License-Identifier: GPL-2.0
/*
 * Holds the page at FIRST of a new file: by a pipe, or by a pin of mapped memory
 * ("plain", "memory" with notice) or of the file ("file"). Then it does as it is
 * told on stdin, one word or two per line, answering each with one line on stdout:
 *
 *   drain OP	something takes the page away: "ok" once it waits
 *   waits	whether it still does: "ok" or "no"
 *   drained	how it ended, if it does soon: "ok", "errno N", or "no"
 *   kill	kills it
 *   load, store	access the mapping: "ok" or the si_code of SIGBUS
 *   check	the page has what it had; pins write something else then
 *   dma	the file has what the pin has written: "ok" or "no"
 *   release	lets go, which a second time is an error
 *   unmap, close	those of the file; "take OP" takes pages without waiting
 *   quit
 */
#include "drain_life.h"

static int fd = -1, held;
static bool is_pipe;
static char *map;
static struct drain drain;
/* Of what the page has; the pattern of the file at first. */
static u64 written;

static void hold_page(const char *how)
{
	struct iovec iov = { map + FIRST, PAGE };
	int fds[2];

	is_pipe = !strcmp(how, "pipe");
	if (is_pipe) {
		must(!pipe2(fds, O_CLOEXEC));
		must_eq(vmsplice(fds[1], &iov, 1, 0), PAGE);
		must(!close(fds[1]));
		held = fds[0];
	} else {
		held = pin_by(how, RDAX_PIN_WRITE, fd, map, FIRST);
	}
	must(held >= 0);
}

/* The content of a pipe without taking it out. */
static void check_pipe(void)
{
	char buf[PAGE];
	int fds[2];

	must(!pipe2(fds, O_CLOEXEC));
	must_eq(tee(held, fds[1], PAGE, 0), PAGE);
	must_eq(read(fds[0], buf, PAGE), PAGE);
	verify(buf, PAGE, 1, FIRST);
	must(!close(fds[0]) && !close(fds[1]));
}

static void check_pin(void)
{
	char buf[PAGE];
	u64 *word = (u64 *)buf;
	unsigned int i;

	fill(buf, PAGE, 1, FIRST);
	for (i = 0; written && i < PAGE / sizeof(*word); i++)
		word[i] = written + i * sizeof(*word);
	must(dma_sum(held, 0, PAGE) == sum_of(buf, PAGE));
	written = written ? written + 1 : SEED;
	dma_fill(held, 0, PAGE, written);
}

static void let_go_of_it(void)
{
	char buf[PAGE];

	if (is_pipe) {
		must_eq(read(held, buf, PAGE), PAGE);
		verify(buf, PAGE, 1, FIRST);
		must(!close(held));
	} else {
		let_go(held);
	}
	held = -1;
}

static void answer_bool(bool yes)
{
	printf(yes ? "ok\n" : "no\n");
	fflush(stdout);
}

static bool still_waits(void)
{
	int status;

	must_eq(waitpid(drain.pid, &status, WNOHANG), 0);
	return drain_is_shown(&drain);
}

static void answer_drained(void)
{
	int status = end_of(drain.pid, 2 * LIMIT);

	if (status == -1 || !WIFEXITED(status))
		answer_bool(false);
	else
		answer("errno", WEXITSTATUS(status));
}

static bool has_dma(void)
{
	u64 word;

	return pread(fd, &word, sizeof(word), FIRST) == sizeof(word) &&
	       word == written;
}

static void serve(const char *line)
{
	if (!strncmp(line, "drain ", 6)) {
		drain = drain_start(fd, line + 6);
		answer("", 0);
	} else if (!strcmp(line, "waits")) {
		answer_bool(still_waits());
	} else if (!strcmp(line, "drained")) {
		answer_drained();
	} else if (!strcmp(line, "kill")) {
		must(!kill(drain.pid, SIGKILL));
		must_eq(end_of(drain.pid, LIMIT), SIGKILL);
		answer("", 0);
	} else if (!strcmp(line, "load")) {
		answer("sigbus", try_load(map + FIRST));
	} else if (!strcmp(line, "store")) {
		answer("sigbus", try_store(map + FIRST + PAGE, 1));
	} else if (!strcmp(line, "check")) {
		if (is_pipe)
			check_pipe();
		else
			check_pin();
		answer("", 0);
	} else if (!strcmp(line, "dma")) {
		answer_bool(has_dma());
	} else if (!strcmp(line, "release")) {
		let_go_of_it();
		answer("", 0);
	} else if (!strcmp(line, "unmap")) {
		must(!munmap(map, SIZE));
		answer("", 0);
	} else if (!strcmp(line, "close")) {
		must(!close(fd));
		answer("", 0);
	} else if (!strncmp(line, "take ", 5)) {
		answer("errno", drain_by(fd, line + 5) ? errno : 0);
	} else {
		fail("what is '%s'?", line);
	}
}

int main(int argc, char **argv)
{
	char line[64];

	if (argc != 3)
		fail("usage: drain_hold pipe|plain|memory|file FILE");
	catch_sigbus();
	engine = open("/dev/rdax_pin", O_RDWR | O_CLOEXEC);
	fd = pattern_file(argv[2], "pte", &map);
	verify(map, SIZE, 1, 0);
	hold_page(argv[1]);
	must(!close(engine));
	printf("ready\n");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin) && strcmp(line, "quit\n")) {
		line[strcspn(line, "\n")] = '\0';
		serve(line);
	}
	return 0;
}
