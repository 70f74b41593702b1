// SPDX-License-Identifier: GPL-2.0
/*
 * Each memory allocation of a pin or of a drain fails once: it then fails with
 * ENOMEM and has changed nothing, or does what it was asked for. In either case
 * nothing is left behind. Each test works in a directory of its own, on a mount
 * with drain_ms=0: drains leave what is held to its holder, whose blocks are noted
 * as busy.
 */
#include <sys/statvfs.h>

#include "dax_fail.h"
#include "drain_life.h"

/* More allocations than any of these has. */
#define LAST_NTH	2000

static unsigned long long free_blocks(void)
{
	struct statvfs st;

	must(!statvfs(".", &st));
	return st.f_bfree;
}

static void want_free(unsigned long long want)
{
	long long end = now_ms() + LIMIT;

	while (free_blocks() != want)
		look_again(end, "all free blocks");
}

static int nr_descriptors(void)
{
	int fd = dup(0);

	must(fd >= 0);
	close(fd);
	return fd;
}

/* Nobody drains, and nobody has a page. */
static void want_free_range(int fd)
{
	int pin = pin_file(RDAX_PIN_WRITE | RDAX_PIN_NOWAIT, fd, FIRST,
			   LAST + PAGE - FIRST);

	must(pin >= 0);
	let_go(pin);
}

/* A pin is had or not; without it, no drain waits, nor tells anybody. */
static void cmd_pin(char **argv)
{
	int fd, pin, descriptor, failed = 0, had = 0;
	bool is_file = !strcmp(argv[1], "file");
	unsigned long n, left = 0;
	struct fail_nth nth;
	char *map;

	begin(argv[0]);
	fd = pattern_file("f", "pte", &map);
	descriptor = nr_descriptors();
	for (n = 1; n <= LAST_NTH && !left; n++) {
		struct rdax_pin_request req = {
			.flags = RDAX_PIN_WRITE |
				 (is_file ? RDAX_PIN_FILE : RDAX_PIN_NOTIFY),
			.fd = is_file ? fd : 0,
			.start = is_file ? FIRST : (uintptr_t)(map + FIRST),
			.len = 4 * PAGE,
		};

		/* So it fills a hole, faults, and enters its pages. */
		must(!drain_by(fd, "punch"));
		nth = fail_nth_begin(n);
		pin = ioctl(engine, RDAX_PIN, &req);
		left = fail_nth_end(nth);
		if (pin < 0) {
			/* GUP says EFAULT of a fault that got no memory. */
			must(errno == ENOMEM || errno == EFAULT);
			must(!left);
			failed++;
		} else {
			dma_fill(pin, 0, req.pinned, SEED);
			verify_dma(map + FIRST, req.pinned, SEED);
			must(!close(pin));
			had++;
		}
		must_eq(nr_descriptors(), descriptor);
		want_free_range(fd);
	}
	note("%d pins failed, %d went on", failed, had);
	must(left && failed);
}

/* The file is as it was, or the operation is done. */
static bool is_done(int fd, const char *op)
{
	char buf[PAGE];

	if (!strcmp(op, "truncate"))
		return lstat_of("f").st_size == (off_t)FIRST;
	full_pread(fd, buf, PAGE, FIRST);
	return !*(u64 *)buf;
}

/* One try: whether it has failed. */
static bool try_drain(const char *op, unsigned long n, unsigned long *left)
{
	struct fail_nth nth;
	int fd, pin, err;
	char *map;

	fd = pattern_file("f", "pte", &map);
	verify(map + FIRST, 4 * PAGE, 1, FIRST);
	pin = pin_file(RDAX_PIN_WRITE, fd, FIRST, 4 * PAGE);
	must(pin >= 0);
	nth = fail_nth_begin(n);
	err = drain_by(fd, op) ? errno : 0;
	*left = fail_nth_end(nth);
	must(!err || (err == ENOMEM && !*left));
	must(is_done(fd, op) == !err);
	if (err)
		verify(map + FIRST, LAST - FIRST, 1, FIRST);
	let_go(pin);
	if (err || strcmp(op, "truncate"))
		want_free_range(fd);
	must(!munmap(map, SIZE) && !close(fd) && !unlink("f"));
	return err;
}

static void cmd_drain(char **argv)
{
	int failed = 0, done = 0;
	unsigned long n, left = 0;
	unsigned long long free;

	begin(argv[0]);
	touch("f");
	must(!unlink("f"));
	free = free_blocks();
	for (n = 1; n <= LAST_NTH && !left; n++) {
		if (try_drain(argv[1], n, &left))
			failed++;
		else
			done++;
		want_free(free);
	}
	note("%d failed, %d went on", failed, done);
	must(left && failed);
}

static const struct cmd cmds[] = {
	{ "pin", 2, cmd_pin },
	{ "drain", 2, cmd_drain },
	{ NULL, 0, NULL },
};

int main(int argc, char **argv)
{
	return run_cmd(cmds, argc, argv);
}
