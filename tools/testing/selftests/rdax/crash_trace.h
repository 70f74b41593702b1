/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tells the plugin of tools/testing/crash-trace what the program is doing. Each
 * operation is of a class, which says what a power cut may leave of it:
 *
 *   atomic	what was before or what is after, which differs
 *   same	what was before and is after
 *   steps	also what was between two of its transactions
 *
 * and may have a range of a file that is between old and new until it returns
 * ("loose"), for longer ("lazy"), or no longer once it has returned ("synced").
 * Paths are those of the volume.
 */
#ifndef CRASH_TRACE_H
#define CRASH_TRACE_H

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dax_test.h"

/* The instruction is nopl 0x72646178(%rax), which does nothing. */
static inline void __printf(1, 2) mark(const char *fmt, ...)
{
	char text[512];
	va_list args;
	int len;

	va_start(args, fmt);
	len = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	must(len > 0 && len < (int)sizeof(text));
	asm volatile(".byte 0x0f, 0x1f, 0x80, 0x78, 0x61, 0x64, 0x72"
		     : : "D"(text), "S"((long)len) : "memory");
}

#define OP(class, name, expr)						\
	do {								\
		mark("op\t" class "\t%s", name);			\
		must(expr);						\
		mark("done");						\
	} while (0)

#define ATOMIC(name, expr)	OP("atomic", name, expr)
#define SAME(name, expr)	OP("same", name, expr)
#define STEPS(name, expr)	OP("steps", name, expr)

#define RANGE(class, how, name, path, from, to, expr)			\
	do {								\
		mark("op\t" class "\t%s\t" how "\t%s\t%lu\t%lu", name,	\
		     path, (unsigned long)(from), (unsigned long)(to));	\
		must(expr);						\
		mark("done");						\
	} while (0)

#define LOOSE(name, path, from, to, expr)				\
	RANGE("atomic", "loose", name, path, from, to, expr)
#define LOOSE_STEPS(name, path, from, to, expr)				\
	RANGE("steps", "loose", name, path, from, to, expr)
#define LAZY(name, path, from, to, expr)				\
	RANGE("steps", "lazy", name, path, from, to, expr)
#define SYNCED(name, path, from, to, expr)				\
	RANGE("same", "synced", name, path, from, to, expr)

/* Bytes that tell which operation they are of, never those of free blocks. */
static inline const char *letters(char letter, size_t len)
{
	static char buf[256 << 10];

	must(len < sizeof(buf));
	memset(buf, letter, len);
	buf[len] = '\0';
	return buf;
}

static inline bool put(int fd, char letter, size_t len, off_t at)
{
	return pwrite(fd, letters(letter, len), len, at) == (ssize_t)len;
}

#endif
