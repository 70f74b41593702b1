/* SPDX-License-Identifier: GPL-2.0 */
/* Decodes what an x86-64 instruction does to persistent memory. */
#ifndef DECODE_H
#define DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum kind {
	PLAIN,
	NON_TEMPORAL,
	FLUSH,
	SFENCE,
	MFENCE,
	LOCKED,
	MARK,
};

enum {
	NO_REG = -1,
	RIP = 16,
	FS_BASE,
	GS_BASE,
	CR3,
	REGISTERS,
};

/* The address of a memory operand: the sum of what it has. */
struct operand {
	int segment;
	int base;
	int index;
	unsigned int scale;
	int32_t disp;
};

struct decoded {
	enum kind kind;
	struct operand operand;	/* of FLUSH */
};

struct decoded decode(const uint8_t *insn, size_t len);

#endif
