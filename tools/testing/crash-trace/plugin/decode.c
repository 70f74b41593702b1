// SPDX-License-Identifier: GPL-2.0

#include <string.h>

#include "decode.h"

/* nopl 0x72646178(%rax): what the traced program calls us by. */
static const uint8_t mark[] = { 0x0f, 0x1f, 0x80, 0x78, 0x61, 0x64, 0x72 };

struct prefixes {
	bool operand_size;	/* 66 */
	bool repeat;		/* f2, f3 */
	bool lock;
	uint8_t rex;
	int segment;
};

static size_t skip_prefixes(const uint8_t *insn, size_t len, struct prefixes *p)
{
	size_t i;

	*p = (struct prefixes){ .segment = NO_REG };
	for (i = 0; i < len; i++) {
		switch (insn[i]) {
		case 0x66:
			p->operand_size = true;
			break;
		case 0xf2:
		case 0xf3:
			p->repeat = true;
			break;
		case 0xf0:
			p->lock = true;
			break;
		case 0x64:
			p->segment = FS_BASE;
			break;
		case 0x65:
			p->segment = GS_BASE;
			break;
		case 0x26:
		case 0x2e:
		case 0x36:
		case 0x3e:
		case 0x67:
			break;
		default:
			if ((insn[i] & 0xf0) == 0x40) {
				p->rex = insn[i];
				i++;
			}
			return i;
		}
	}
	return i;
}

static int32_t displacement(const uint8_t *at, size_t len)
{
	int32_t disp = 0;

	if (len == 1)
		return (int8_t)at[0];
	memcpy(&disp, at, len);
	return disp;
}

/* The memory operand of an instruction whose ModR/M byte is at @modrm. */
static struct operand operand(const uint8_t *modrm, const uint8_t *end,
			      const struct prefixes *p)
{
	int mod = *modrm >> 6, rm = *modrm & 7;
	struct operand op = {
		.segment = p->segment, .base = NO_REG, .index = NO_REG,
	};
	const uint8_t *next = modrm + 1;
	size_t disp = mod == 1 ? 1 : mod == 2 ? 4 : 0;

	if (rm == 4 && next < end) {
		int index = (*next >> 3 & 7) | (p->rex & 2) << 2;

		op.scale = *next >> 6;
		op.index = index == 4 ? NO_REG : index;
		rm = *next & 7;
		next++;
		if (rm == 5 && mod == 0)
			disp = 4;
		else
			op.base = rm | (p->rex & 1) << 3;
	} else if (rm == 5 && mod == 0) {
		op.base = RIP;
		disp = 4;
	} else {
		op.base = rm | (p->rex & 1) << 3;
	}
	if (next + disp <= end)
		op.disp = displacement(next, disp);
	return op;
}

/* 0f ae: fences, and what writes a line back. */
static struct decoded group_15(const uint8_t *modrm, const uint8_t *end,
			       const struct prefixes *p)
{
	int mod = *modrm >> 6, reg = *modrm >> 3 & 7;
	struct decoded plain = { .kind = PLAIN };

	if (p->repeat)
		return plain;
	if (mod == 3) {
		if (reg == 7)
			plain.kind = SFENCE;
		else if (reg == 6)
			plain.kind = MFENCE;
	} else if (reg == 7 || (reg == 6 && p->operand_size)) {
		/* clflush, clflushopt, clwb */
		plain.kind = FLUSH;
		plain.operand = operand(modrm, end, p);
	}
	return plain;
}

/* movntps, movntpd, movntq, movntdq, vmovnt* */
static bool is_vector_nt(uint8_t opcode)
{
	return opcode == 0x2b || opcode == 0xe7;
}

static bool is_vex_nt(const uint8_t *insn, size_t len)
{
	if (len > 3 && insn[0] == 0xc5)
		return is_vector_nt(insn[2]);
	if (len > 4 && insn[0] == 0xc4)
		return (insn[1] & 0x1f) == 1 && is_vector_nt(insn[3]);
	return false;
}

struct decoded decode(const uint8_t *insn, size_t len)
{
	struct decoded found = { .kind = PLAIN };
	const uint8_t *end = insn + len;
	const uint8_t *at;
	struct prefixes p;

	if (len == sizeof(mark) && !memcmp(insn, mark, len)) {
		found.kind = MARK;
		return found;
	}
	at = insn + skip_prefixes(insn, len, &p);
	if (p.lock)
		found.kind = LOCKED;
	else if (is_vex_nt(at, end - at))
		found.kind = NON_TEMPORAL;
	else if (end - at >= 2 && (*at | 1) == 0x87 && at[1] >> 6 != 3)
		found.kind = LOCKED;	/* xchg */
	else if (end - at < 3 || *at != 0x0f)
		found.kind = PLAIN;
	else if (at[1] == 0xae)
		found = group_15(at + 2, end, &p);
	else if (at[1] == 0xc3 || is_vector_nt(at[1]))
		found.kind = NON_TEMPORAL;
	return found;
}
