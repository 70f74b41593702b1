/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/* /dev/rdax_pin: something that pins pages of DAX files, as a DMA engine does. */
#ifndef RDAX_PIN_H
#define RDAX_PIN_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* The pages are written, not only read. */
#define RDAX_PIN_WRITE		(1ULL << 0)
/* Fail with EBUSY rather than wait for a drain. */
#define RDAX_PIN_NOWAIT		(1ULL << 1)
/* A range of the file @fd instead of mapped memory. */
#define RDAX_PIN_FILE		(1ULL << 2)
/*
 * Memory: want to hear of drains, which keeps the files open. Pins of files
 * always do.
 */
#define RDAX_PIN_NOTIFY		(1ULL << 3)

/**
 * struct rdax_pin_request - what to pin
 * @flags:   RDAX_PIN_*
 * @fd:      with RDAX_PIN_FILE the file, else 0
 * @start:   address, or byte of the file; whole pages
 * @len:     bytes
 * @hold_ms: let go after so many milliseconds; 0: when told
 * @pinned:  set to the number of bytes that are pinned, which may be less
 */
struct rdax_pin_request {
	__u64 flags;
	__u64 fd;
	__u64 start;
	__u64 len;
	__u64 hold_ms;
	__u64 pinned;
};

/**
 * struct rdax_pin_transfer - access to pinned pages
 * @offset: byte of the pin, a multiple of 8
 * @len:    bytes, a multiple of 8
 * @value:  the word at byte n of the pin becomes @value + n; or where the sum
 *          is stored: that of the words before, times 31, plus the word
 */
struct rdax_pin_transfer {
	__u64 offset;
	__u64 len;
	__u64 value;
};

/* The pages are let go. */
#define RDAX_PIN_RELEASED	(1ULL << 0)
/* A drain wants some of them, or has wanted them. */
#define RDAX_PIN_WANTED		(1ULL << 1)
/* Their time was over. */
#define RDAX_PIN_EXPIRED	(1ULL << 2)

/**
 * struct rdax_pin_status - what has become of a pin
 * @state:       RDAX_PIN_RELEASED and so on
 * @pinned:      bytes that are, or were, pinned
 * @wanted_ns:   when a drain wanted them first, counted from the request
 * @released_ns: when they were let go, counted likewise
 */
struct rdax_pin_status {
	__u64 state;
	__u64 pinned;
	__u64 wanted_ns;
	__u64 released_ns;
};

/*
 * On /dev/rdax_pin: returns a descriptor. That polls as POLLIN and POLLPRI when
 * a drain wants pages, and as POLLHUP when they are let go, as they are by
 * closing it.
 */
#define RDAX_PIN		_IOWR(0xDA, 0x80, struct rdax_pin_request)

/* On the descriptor. The first two fail with ESHUTDOWN when all is let go. */
#define RDAX_PIN_FILL		_IOW(0xDA, 0x81, struct rdax_pin_transfer)
#define RDAX_PIN_SUM		_IOWR(0xDA, 0x82, struct rdax_pin_transfer)
#define RDAX_PIN_RELEASE	_IO(0xDA, 0x83)
#define RDAX_PIN_STATUS		_IOR(0xDA, 0x84, struct rdax_pin_status)

#endif /* RDAX_PIN_H */
