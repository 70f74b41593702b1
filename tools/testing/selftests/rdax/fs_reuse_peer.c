// SPDX-License-Identifier: GPL-2.0
/*
 * What other file systems do with blocks of pages that somebody holds. Only says
 * so: fails if it cannot find out.
 */
#include <stdio.h>
#include <stdlib.h>

#include "fs_pin.h"

/* How long a page is held at most, in milliseconds. */
#define HOLD_MS		300
/* After which what has not ended is said to hang, in units of 10 ms. */
#define PATIENCE	1000

static void do_take(const char *what, int fd)
{
	int mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;

	if (!strcmp(what, "truncate"))
		must(!ftruncate(fd, 0));
	else if (!strcmp(what, "punch"))
		must(!fallocate(fd, mode, 0, 2 * PAGE));
	else if (!strcmp(what, "collapse"))
		must(!fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 0, 2 * PAGE));
	else if (!strcmp(what, "insert"))
		must(!fallocate(fd, FALLOC_FL_INSERT_RANGE, 0, 2 * PAGE));
	else if (!strcmp(what, "rename"))
		must(!close(fd) && !rename("other", "f"));
	else
		must(!close(fd) && !unlink("f"));
}

static void cmd_take(char **argv)
{
	struct rdax_pin_request req = { .hold_ms = HOLD_MS, .len = PAGE };
	long long begun, took;
	int fd, pin, i, status;
	char *map;
	pid_t pid;

	begin(argv[0]);
	touch("other");
	fd = create_file("f", 8 * PAGE);
	write_pattern(fd, 8 * PAGE, 1);
	map = map_pte(fd, 8 * PAGE, RW);
	must(map != MAP_FAILED);
	verify(map, 8 * PAGE, 1, 0);
	req.start = (uintptr_t)map + PAGE;
	pin = ioctl(engine, RDAX_PIN, &req);
	must(pin >= 0);
	must(!munmap(map, 8 * PAGE));
	begun = now_ms();
	pid = fork();
	must(pid >= 0);
	if (!pid) {
		do_take(argv[1], fd);
		_exit(0);
	}
	must(!close(fd));
	for (i = 0; i < PATIENCE && !waitpid(pid, &status, WNOHANG); i++)
		usleep(10000);
	took = now_ms() - begun;
	if (i == PATIENCE)
		note("%s: has not returned %lld ms after the last holder", argv[1],
		     took - HOLD_MS);
	else if (status)
		note("%s: cannot be done", argv[1]);
	else
		note("%s: took %lld ms; the page was held for %u ms", argv[1],
		     took, HOLD_MS);
	must(!close(pin));
}

static const struct cmd cmds[] = {
	{ "take", 2, cmd_take },
	{ NULL, 0, NULL },
};

int main(int argc, char **argv)
{
	return run_cmd(cmds, argc, argv);
}
