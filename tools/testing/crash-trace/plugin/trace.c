// SPDX-License-Identifier: GPL-2.0
/*
 * A plugin of QEMU that records what a guest does to its persistent memory:
 * stores with their values, write-backs of cache lines, fences, and the marks by
 * which a program in the guest says what it is doing.
 *
 *   -plugin FILE,pmem=FILE,image=FILE,trace=FILE
 *
 * pmem is the file behind the emulated NVDIMM, image becomes a copy of it at the
 * beginning of the trace. One CPU, emulated (TCG).
 *
 * A mark is the instruction nopl 0x72646178(%rax) with the address of a text in
 * RDI and its length in RSI. Nothing is recorded, and next to nothing is
 * instrumented, before "begin START SIZE", the physical range of the memory, nor
 * after "end". ../src/trace.rs reads the file.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "decode.h"
#include "qemu_api.h"

#define MAGIC		"rdaxtrc1"
#define TEXT_MAX	512
#define INSN_MAX	16
/* The address at which the kernel maps all memory, without KASLR, with four levels of tables. */
#define DIRECT_MAP	0xffff888000000000ULL
#define FRAME		0x000ffffffffff000ULL

EXPORTED int qemu_plugin_version = API_VERSION;

/* The operand of a flush, from which its address comes; lives as long as QEMU. */
struct flush {
	struct operand operand;
	uint64_t next;		/* the instruction after it */
	uint64_t pc;
};

static const char *pmem_path, *image_path, *trace_path;
static FILE *trace;
static bool recording;
static uint64_t start, size;
static struct qemu_plugin_register *registers[REGISTERS];
static struct array *bytes;

/* As they are numbered in instructions, then in decode.h. */
static const char *const names[REGISTERS] = {
	"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
	"r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
	"rip", "fs_base", "gs_base", "cr3",
};

enum { RSI = 6, RDI = 7 };

/* A trace that is not all there must not pass for one that is. */
static void __attribute__((noreturn)) die(const char *what)
{
	fprintf(stderr, "crash-trace: %s\n", what);
	_Exit(3);
}

static void put(const void *data, size_t len)
{
	if (fwrite(data, 1, len, trace) != len)
		die("the trace cannot be written");
}

/* Kind, two bytes that depend on it, an offset or none, where the code is. */
static void put_head(char kind, uint8_t a, uint8_t b, uint64_t offset,
		     uint64_t pc)
{
	uint8_t head[20] = { kind, a, b };
	uint64_t where[2] = { offset, pc };

	memcpy(head + 4, where, sizeof(where));
	put(head, sizeof(head));
}

static uint64_t read_register(int reg)
{
	uint64_t value = 0;
	int len;

	if (reg == NO_REG)
		return 0;
	if (!registers[reg])
		die("a register is unknown");
	g_byte_array_set_size(bytes, 0);
	len = qemu_plugin_read_register(registers[reg], bytes);
	if (len <= 0 || len > (int)sizeof(value))
		die("a register cannot be read");
	memcpy(&value, bytes->data, len);
	return value;
}

static bool read_memory(uint64_t vaddr, void *dest, size_t len)
{
	g_byte_array_set_size(bytes, 0);
	if (!qemu_plugin_read_memory_vaddr(vaddr, bytes, len) || bytes->len != len)
		return false;
	memcpy(dest, bytes->data, len);
	return true;
}

/* The physical address behind @vaddr, 0 if there is none. */
static uint64_t translate(uint64_t vaddr)
{
	uint64_t entry = read_register(CR3);
	int shift;

	for (shift = 39; shift >= 12; shift -= 9) {
		uint64_t at = (entry & FRAME) + (vaddr >> shift & 511) * 8;
		uint64_t below = (1ULL << shift) - 1;

		if (!read_memory(DIRECT_MAP + at, &entry, sizeof(entry)))
			die("a page table cannot be read");
		if (!(entry & 1))
			return 0;
		if (shift == 12 || (shift < 39 && entry & 1 << 7))
			return (entry & FRAME & ~below) | (vaddr & below);
	}
	return 0;
}

static void on_store(unsigned int vcpu, mem_info info, uint64_t vaddr, void *data)
{
	struct qemu_plugin_hwaddr *addr = qemu_plugin_get_hwaddr(info, vaddr);
	/* The address of the code; the store goes around the caches, or not. */
	int64_t what = (int64_t)(intptr_t)data;
	struct mem_value value;
	uint64_t offset;
	size_t len;

	if (!recording || !addr || qemu_plugin_hwaddr_is_io(addr))
		return;
	offset = qemu_plugin_hwaddr_phys_addr(addr) - start;
	if (offset >= size)
		return;
	len = 1 << qemu_plugin_mem_size_shift(info);
	value = qemu_plugin_mem_get_value(info);
	if (len > sizeof(value.data) || offset + len > size)
		die("a store is too large");
	put_head('S', len, what & 1, offset, what >> 1);
	/* A little-endian guest on a little-endian host. */
	put(&value.data, len);
}

static void on_flush(unsigned int vcpu, void *data)
{
	const struct flush *flush = data;
	const struct operand *op = &flush->operand;
	uint64_t vaddr = op->disp, phys;

	if (!recording)
		return;
	vaddr += op->base == RIP ? flush->next : read_register(op->base);
	vaddr += read_register(op->index) << op->scale;
	vaddr += read_register(op->segment);
	phys = translate(vaddr);
	if (phys - start < size)
		put_head('F', 0, 0, phys - start, flush->pc);
}

static void on_fence(unsigned int vcpu, void *data)
{
	if (recording)
		put_head('N', (uintptr_t)data, 0, 0, 0);
}

static void copy_image(void)
{
	static char buffer[1 << 16];
	FILE *from = fopen(pmem_path, "rb"), *to = fopen(image_path, "wb");
	size_t len;

	if (!from || !to)
		die("the memory cannot be copied");
	while ((len = fread(buffer, 1, sizeof(buffer), from)))
		if (fwrite(buffer, 1, len, to) != len)
			die("the image cannot be written");
	if (ferror(from) || fclose(to))
		die("the memory cannot be copied");
	fclose(from);
}

static void on_translated(plugin_id id, struct qemu_plugin_tb *tb);
static void on_exit_of_qemu(plugin_id id, void *data);

/* The CPU stands still, and everything will be translated again. */
static void armed(plugin_id id)
{
	copy_image();
	trace = fopen(trace_path, "wb");
	if (!trace)
		die("the trace cannot be created");
	put(MAGIC, 8);
	put(&size, sizeof(size));
	recording = true;
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_translated);
	qemu_plugin_register_atexit_cb(id, on_exit_of_qemu, NULL);
}

static void end(void)
{
	recording = false;
	if (trace && fclose(trace))
		die("the trace cannot be written");
	trace = NULL;
}

static plugin_id our_id;

static void on_mark(unsigned int vcpu, void *data)
{
	uint64_t at = read_register(RDI), len = read_register(RSI);
	char text[TEXT_MAX + 1] = "";

	if (len > TEXT_MAX || !read_memory(at, text, len))
		die("a mark without a text");
	if (recording) {
		put_head('M', len & 0xff, len >> 8, 0, 0);
		put(text, len);
		if (!strcmp(text, "end"))
			end();
	} else if (sscanf(text, "begin %" SCNu64 " %" SCNu64, &start, &size) == 2) {
		qemu_plugin_reset(our_id, armed);
	}
}

static void *flush_of(struct qemu_plugin_insn *insn, const struct operand *op)
{
	struct flush *flush = malloc(sizeof(*flush));

	if (!flush)
		die("no memory");
	flush->operand = *op;
	flush->pc = qemu_plugin_insn_vaddr(insn);
	flush->next = flush->pc + qemu_plugin_insn_size(insn);
	return flush;
}

static void instrument(struct qemu_plugin_insn *insn, const struct decoded *found)
{
	uint64_t what = qemu_plugin_insn_vaddr(insn) << 1;

	if (found->kind == FLUSH) {
		qemu_plugin_register_vcpu_insn_exec_cb(insn, on_flush, CB_R_REGS,
						       flush_of(insn, &found->operand));
		return;
	}
	if (found->kind == SFENCE || found->kind == MFENCE || found->kind == LOCKED)
		qemu_plugin_register_vcpu_insn_exec_cb(insn, on_fence, CB_NO_REGS,
						       (void *)(uintptr_t)found->kind);
	what |= found->kind == NON_TEMPORAL;
	qemu_plugin_register_vcpu_mem_cb(insn, on_store, CB_NO_REGS, MEM_W,
					 (void *)(uintptr_t)what);
}

static void on_translated(plugin_id id, struct qemu_plugin_tb *tb)
{
	size_t i, n = qemu_plugin_tb_n_insns(tb);

	for (i = 0; i < n; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		uint8_t code[INSN_MAX];
		size_t len = qemu_plugin_insn_data(insn, code, sizeof(code));
		struct decoded found = decode(code, len);

		if (found.kind == MARK)
			qemu_plugin_register_vcpu_insn_exec_cb(insn, on_mark,
							       CB_R_REGS, NULL);
		else if (recording)
			instrument(insn, &found);
	}
}

static void on_exit_of_qemu(plugin_id id, void *data)
{
	end();
}

static void on_vcpu(plugin_id id, unsigned int vcpu)
{
	struct array *all = qemu_plugin_get_registers();
	const struct reg_descriptor *found = (const void *)all->data;
	unsigned int i, reg;

	if (vcpu)
		die("only one CPU can be traced");
	for (i = 0; i < all->len; i++)
		for (reg = 0; reg < REGISTERS; reg++)
			if (!strcmp(found[i].name, names[reg]))
				registers[reg] = found[i].handle;
}

static bool option(const char *arg, const char *name, const char **value)
{
	size_t len = strlen(name);

	if (strncmp(arg, name, len) || arg[len] != '=')
		return false;
	*value = arg + len + 1;
	return true;
}

EXPORTED int qemu_plugin_install(plugin_id id, const void *info, int argc,
				 char **argv);

EXPORTED int qemu_plugin_install(plugin_id id, const void *info, int argc,
				 char **argv)
{
	int i;

	for (i = 0; i < argc; i++)
		if (!option(argv[i], "pmem", &pmem_path) &&
		    !option(argv[i], "image", &image_path) &&
		    !option(argv[i], "trace", &trace_path))
			return 1;
	if (!pmem_path || !image_path || !trace_path)
		return 1;
	our_id = id;
	bytes = g_byte_array_new();
	qemu_plugin_register_vcpu_init_cb(id, on_vcpu);
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_translated);
	return 0;
}
