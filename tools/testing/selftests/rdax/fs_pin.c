// SPDX-License-Identifier: GPL-2.0
/*
 * What can be pinned, and what can be done with it. Each test works in a
 * directory of its own; the mount options it needs are set by fs-pin.sh.
 */
#include "fs_pin.h"

/* Pages of a file, with nothing mapped before, or all of it. */
static void cmd_file(char **argv)
{
	bool mapped = !strcmp(argv[2], "mapped");
	char *map, *buf = page_alloc(SIZE);
	int fd, pin;

	begin(argv[0]);
	fd = pattern_file("f", argv[1], &map);
	if (mapped)
		verify(map, SIZE, 1, 0);
	pin = pin_file(RDAX_PIN_WRITE, fd, PAGE, PMD);
	must(pin >= 0);
	fill(buf, SIZE, 1, 0);
	must(dma_sum(pin, 0, PMD) == sum_of(buf + PAGE, PMD));
	dma_fill(pin, 0, PMD, SEED);
	full_pread(fd, buf, SIZE, 0);
	verify(buf, PAGE, 1, 0);
	verify_dma(buf + PAGE, PMD, SEED);
	verify(buf + PAGE + PMD, PMD - PAGE, 1, PAGE + PMD);
	/* What is mapped now, or was, is the same memory. */
	verify_dma(map + PAGE, PMD, SEED);
	fill(map, SIZE, 2, 0);
	must(dma_sum(pin, 0, PMD) == sum_of(map + PAGE, PMD));
	must_eq(polled(pin, 0), 0);
	let_go(pin);
	must(!fsync(fd));
	verify_file(fd, SIZE, 2);
	must(!munmap(map, SIZE) && !ftruncate(fd, 0));
}

/* A hole has no page to be read; to be written it gets one, also if mapped. */
static void cmd_hole(char **argv)
{
	char *map;
	int fd, pin;

	begin(argv[0]);
	fd = sparse_file("f", SIZE);
	map = !strcmp(argv[1], "pmd") ? map_pmd(fd, SIZE, RW) :
					map_pte(fd, SIZE, RW);
	must(map != MAP_FAILED);
	must_fail(pin_file(0, fd, PAGE, PAGE), ENXIO);
	verify_zero(map, SIZE);
	must_fail(pin_file(0, fd, PAGE, PAGE), ENXIO);
	pin = pin_file(RDAX_PIN_WRITE, fd, PAGE, 2 * PAGE);
	must(pin >= 0);
	verify_zero(map, SIZE);
	dma_fill(pin, 0, 2 * PAGE, SEED);
	verify_zero(map, PAGE);
	verify_dma(map + PAGE, 2 * PAGE, SEED);
	verify_zero(map + 3 * PAGE, SIZE - 3 * PAGE);
	let_go(pin);
	fill(map, SIZE, 3, 0);
	verify_file(fd, SIZE, 3);
}

/* Memory that is mapped, of any DAX file system. */
static void cmd_memory(char **argv)
{
	char *map;
	int fd, pin;

	begin(argv[0]);
	fd = pattern_file("f", argv[1], &map);
	pin = pin_mem(0, map + PAGE, PMD);
	must(pin >= 0);
	must_fail(ioctl(pin, RDAX_PIN_FILL, &(struct rdax_pin_transfer){ 0, 8, 0 }),
		  EBADF);
	must(dma_sum(pin, 0, PMD) == sum_of(map + PAGE, PMD));
	let_go(pin);
	pin = pin_mem(RDAX_PIN_WRITE, map + PAGE, PMD);
	must(pin >= 0);
	dma_fill(pin, 0, PMD, SEED);
	verify(map, PAGE, 1, 0);
	verify_dma(map + PAGE, PMD, SEED);
	/* It outlives the mapping. */
	must(!munmap(map, SIZE));
	dma_fill(pin, 0, PMD, SEED + 1);
	let_go(pin);
	map = page_alloc(SIZE);
	full_pread(fd, map, SIZE, 0);
	verify_dma(map + PAGE, PMD, SEED + 1);
	must(!ftruncate(fd, 0));
}

/* As many pages as there are. */
static void cmd_partial(char **argv)
{
	u64 pinned;
	char *map;
	int fd, pin;

	begin(argv[0]);
	fd = create_file("f", 3 * PAGE);
	write_pattern(fd, 3 * PAGE, 1);
	map = map_pte(fd, SIZE, RW);
	must(map != MAP_FAILED);
	pin = request(RDAX_PIN_FILE | RDAX_PIN_WRITE, fd, PAGE, PMD, &pinned);
	must(pin >= 0);
	must_eq(pinned, 2 * PAGE);
	must_fail(ioctl(pin, RDAX_PIN_FILL, &(struct rdax_pin_transfer){ PAGE, 2 * PAGE, 0 }),
		  ERANGE);
	let_go(pin);
	must_fail(pin_file(RDAX_PIN_WRITE, fd, 3 * PAGE, PAGE), ENXIO);
	must_eq(lstat_of("f").st_size, 3 * PAGE);
	pin = request(RDAX_PIN_WRITE, 0, (uintptr_t)map, PMD, &pinned);
	must(pin >= 0);
	must_eq(pinned, 3 * PAGE);
	let_go(pin);
	must_fail(pin_mem(0, map + 3 * PAGE, PAGE), EFAULT);
	/* A hole in between. */
	must(!ftruncate(fd, 4 * PAGE));
	pin = request(RDAX_PIN_FILE, fd, 0, 4 * PAGE, &pinned);
	must(pin >= 0);
	must_eq(pinned, 3 * PAGE);
	let_go(pin);
}

/* What cannot be pinned. */
static void cmd_bad(char **argv)
{
	char *anon = page_alloc(PMD), *map;
	int fd, ro, pin, other = memfd_create("other", 0);
	struct rdax_pin_request req = { .flags = RDAX_PIN_FILE };
	u64 file = RDAX_PIN_FILE;

	begin(argv[0]);
	fd = pattern_file("f", "pte", &map);
	ro = open("f", O_RDONLY);
	must(ro >= 0);
	must_fail(pin_file(0, fd, 0, 0), EINVAL);
	must_fail(pin_file(0, fd, 1, PAGE), EINVAL);
	must_fail(pin_file(0, fd, 0, PAGE - 1), EINVAL);
	must_fail(pin_file(0, fd, -PAGE, 2 * PAGE), EINVAL);
	must_fail(pin_file(0, fd, INT64_MAX - PAGE + 1, PAGE), EINVAL);
	must_fail(pin_file(0, fd, 0, 1UL << 40), EINVAL);
	must_fail(pin_file(0, fd, 1LL << 50, PAGE), ENXIO);
	must_fail(pin_file(16, fd, 0, PAGE), EINVAL);
	must_fail(pin_file(1ULL << 63, fd, 0, PAGE), EINVAL);
	must_fail(pin_file(RDAX_PIN_WRITE, ro, 0, PAGE), EBADF);
	must_fail(pin_file(0, 999, 0, PAGE), EBADF);
	must_fail(request(file, ~0ULL, 0, PAGE, NULL), EBADF);
	must_fail(pin_file(0, engine, 0, PAGE), EOPNOTSUPP);
	must(other >= 0 && !ftruncate(other, PAGE));
	must_fail(pin_file(0, other, 0, PAGE), EOPNOTSUPP);
	must_fail(request(0, fd, (uintptr_t)map, PAGE, NULL), EINVAL);
	must_fail(pin_mem(0, map, 0), EINVAL);
	must_fail(pin_mem(0, map + 1, PAGE), EINVAL);
	must_fail(pin_mem(0, map, 17), EINVAL);
	must_fail(pin_mem(0, NULL, PAGE), EFAULT);
	must_fail(pin_mem(0, (void *)-PAGE, PAGE), EINVAL);
	must_fail(pin_mem(0, (void *)(1UL << 47), PAGE), EFAULT);
	must_fail(pin_mem(RDAX_PIN_WRITE, anon, PAGE), EOPNOTSUPP);
	must_fail(ioctl(engine, RDAX_PIN, NULL), EFAULT);
	must_fail(ioctl(engine, RDAX_PIN_RELEASE), ENOTTY);
	req.fd = fd;
	req.len = PAGE;
	req.hold_ms = 1ULL << 32;
	must_fail(ioctl(engine, RDAX_PIN, &req), EINVAL);
	pin = pin_file(0, fd, 0, PAGE);
	must(pin >= 0);
	must_fail(ioctl(pin, RDAX_PIN, &req), ENOTTY);
	must_fail(ioctl(pin, RDAX_PIN_STATUS, NULL), EFAULT);
	must_fail(ioctl(pin, RDAX_PIN_SUM, &(struct rdax_pin_transfer){ 4, 8, 0 }), EINVAL);
	must_fail(ioctl(pin, RDAX_PIN_SUM, &(struct rdax_pin_transfer){ -8, 16, 0 }), ERANGE);
	must_fail(ioctl(pin, RDAX_PIN_FILL, &(struct rdax_pin_transfer){ 0, 8, 0 }), EBADF);
	let_go(pin);
}

/* File systems without a gate: memory only. */
static void cmd_foreign(char **argv)
{
	char *map;
	int fd;

	begin(argv[0]);
	fd = pattern_file("f", "pte", &map);
	must_fail(pin_file(0, fd, 0, PAGE), EOPNOTSUPP);
	must_fail(pin_file(RDAX_PIN_WRITE, fd, 0, PAGE), EOPNOTSUPP);
	must(!munmap(map, SIZE));
}

static const struct cmd cmds[] = {
	{ "file", 3, cmd_file },
	{ "hole", 2, cmd_hole },
	{ "memory", 2, cmd_memory },
	{ "partial", 1, cmd_partial },
	{ "bad", 1, cmd_bad },
	{ "foreign", 1, cmd_foreign },
	{ NULL, 0, NULL },
};

int main(int argc, char **argv)
{
	return run_cmd(cmds, argc, argv);
}
