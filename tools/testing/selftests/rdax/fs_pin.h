/* SPDX-License-Identifier: GPL-2.0 */
/* Pins by the sample rdax_pin, and what is done with them. */
#ifndef FS_PIN_H
#define FS_PIN_H

#include <poll.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "fs_test.h"
#include "../../../../samples/rdax_pin/rdax_pin.h"

#define RW	(PROT_READ | PROT_WRITE)
#define SIZE	(2 * PMD)
#define SEED	0x1122334455667788ULL

/* /dev/rdax_pin */
static int engine;

static inline void begin(const char *dir)
{
	engine = open("/dev/rdax_pin", O_RDWR | O_CLOEXEC);
	if (engine < 0)
		fail("/dev/rdax_pin: %m");
	enter(dir);
}

static inline int request(u64 flags, u64 fd, u64 start, u64 len, u64 *pinned)
{
	struct rdax_pin_request req = {
		.flags = flags,
		.fd = fd,
		.start = start,
		.len = len,
	};
	int pin = ioctl(engine, RDAX_PIN, &req);

	if (pinned)
		*pinned = req.pinned;
	return pin;
}

static inline int pin_file(u64 flags, int fd, off_t pos, size_t len)
{
	u64 pinned;
	int pin = request(flags | RDAX_PIN_FILE, fd, pos, len, &pinned);

	if (pin >= 0)
		must_eq(pinned, len);
	return pin;
}

static inline int pin_mem(u64 flags, void *addr, size_t len)
{
	u64 pinned;
	int pin = request(flags, 0, (uintptr_t)addr, len, &pinned);

	if (pin >= 0)
		must_eq(pinned, len);
	return pin;
}

/* Pins what is at @off of a file: "file", "memory", or "plain" without notice. */
static inline int pin_by(const char *how, u64 flags, int fd, char *map, off_t off)
{
	if (!strcmp(how, "file"))
		return pin_file(flags, fd, off, PAGE);
	if (!strcmp(how, "memory"))
		flags |= RDAX_PIN_NOTIFY;
	return pin_mem(flags, map + off, PAGE);
}

static inline struct rdax_pin_status status_of(int pin)
{
	struct rdax_pin_status status;

	must(!ioctl(pin, RDAX_PIN_STATUS, &status));
	return status;
}

static inline void dma_fill(int pin, u64 offset, u64 len, u64 seed)
{
	struct rdax_pin_transfer range = { offset, len, seed };

	must(!ioctl(pin, RDAX_PIN_FILL, &range));
}

static inline u64 dma_sum(int pin, u64 offset, u64 len)
{
	struct rdax_pin_transfer range = { offset, len, 0 };

	must(!ioctl(pin, RDAX_PIN_SUM, &range));
	return range.value;
}

static inline u64 sum_of(const void *p, size_t len)
{
	const u64 *word = p;
	u64 sum = 0;
	size_t i;

	for (i = 0; i < len / sizeof(*word); i++)
		sum = sum * 31 + word[i];
	return sum;
}

static inline void verify_dma(const void *p, size_t len, u64 seed)
{
	const u64 *word = p;
	size_t i;

	for (i = 0; i < len / sizeof(*word); i++)
		if (word[i] != seed + i * sizeof(*word))
			fail("byte %zu: %#llx, want %#llx", i * sizeof(*word),
			     word[i], seed + i * sizeof(*word));
}

static inline short polled(int pin, int ms)
{
	struct pollfd p = { .fd = pin, .events = POLLIN | POLLPRI };

	must(poll(&p, 1, ms) >= 0);
	return p.revents;
}

static inline void let_go(int pin)
{
	must(!ioctl(pin, RDAX_PIN_RELEASE));
	must(status_of(pin).state & RDAX_PIN_RELEASED);
	must(polled(pin, 0) & POLLHUP);
	must_fail(ioctl(pin, RDAX_PIN_RELEASE), ESHUTDOWN);
	must(!close(pin));
}

static inline int pattern_file(const char *path, const char *kind, char **map)
{
	int fd = create_file(path, SIZE);

	write_pattern(fd, SIZE, 1);
	if (!strcmp(kind, "pmd")) {
		require_pmd_blocks(fd, SIZE);
		*map = map_pmd(fd, SIZE, RW);
	} else {
		*map = map_pte(fd, SIZE, RW);
	}
	must(*map != MAP_FAILED);
	return fd;
}

#endif
