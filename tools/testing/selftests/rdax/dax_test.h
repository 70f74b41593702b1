/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Common code of the rdax test helpers. Each helper runs one named test and
 * exits with 0 (passed), 1 (failed) or 4 (skipped); what it has to say goes to
 * stderr, where the calling script turns it into KTAP diagnostics.
 */
#ifndef DAX_TEST_H
#define DAX_TEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PAGE		4096UL
#define PMD		(2UL << 20)
#define KSFT_SKIP	4

#ifndef MAP_SYNC
#define MAP_SYNC	0x080000
#endif
#ifndef MAP_SHARED_VALIDATE
#define MAP_SHARED_VALIDATE	0x03
#endif

/* Shuts a file system down; linux/fs.h has no name for it. */
#define GOINGDOWN	_IOR('X', 125, uint32_t)

#ifndef ARRAY_SIZE
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#endif
#ifndef __printf
#define __printf(a, b)	__attribute__((format(printf, a, b)))
#endif
#ifndef __noreturn
#define __noreturn	__attribute__((noreturn))
#endif

typedef unsigned long long u64;

struct cmd {
	const char *name;
	int nargs;
	void (*fn)(char **argv);
};

int run_cmd(const struct cmd *cmds, int argc, char **argv);

void __noreturn __printf(1, 2) fail(const char *fmt, ...);
/* What fail() does before the process exits, if set. */
extern void (*on_fail)(void);
void __noreturn __printf(1, 2) skip(const char *fmt, ...);
void __printf(1, 2) note(const char *fmt, ...);
/* On stdout, to who told the program to do something: "ok", or what and a code. */
void answer(const char *what, int code);

/* Fails with the expression, errno and the place. */
#define must(cond)						\
	do {							\
		if (!(cond))					\
			fail("%s:%d: %s: %m", __FILE__, __LINE__, #cond); \
	} while (0)

#define must_eq(a, b)						\
	do {							\
		long long a_ = (a), b_ = (b);			\
		if (a_ != b_)					\
			fail("%s:%d: %s is %lld, want %s = %lld",	\
			     __FILE__, __LINE__, #a, a_, #b, b_);	\
	} while (0)

/* Files. create_file() leaves unwritten blocks, sparse_file() none at all. */
bool is_dax(int fd);
int open_dax(const char *path, int flags);
int create_file(const char *path, size_t size);
int sparse_file(const char *path, size_t size);
void write_pattern(int fd, size_t size, u64 seed);
void require_pmd_blocks(int fd, size_t size);

/* Patterns: every 8 bytes depend on the seed and the file offset. */
void fill(void *p, size_t len, u64 seed, off_t off);
void verify(const void *p, size_t len, u64 seed, off_t off);
void verify_file(int fd, size_t len, u64 seed);
void verify_zero(const void *p, size_t len);
void full_pread(int fd, void *buf, size_t len, off_t off);
void full_pwrite(int fd, const void *buf, size_t len, off_t off);
void *page_alloc(size_t len);

/*
 * map_at() maps at a 2 MiB boundary plus @skew: with a skew of one page no
 * huge mapping is possible, which is how the tests force PTEs.
 */
void *map_at(int fd, size_t len, int prot, int flags, off_t off, size_t skew);
#define map_pmd(fd, len, prot)	map_at(fd, len, prot, MAP_SHARED, 0, 0)
#define map_pte(fd, len, prot)	map_at(fd, len, prot, MAP_SHARED, 0, PAGE)

unsigned long fault_count(void);

/* dax_pmd_fault_done events of one inode, from an own trace instance. */
struct pmd_events {
	unsigned int nopage;
	unsigned int fallback;
	unsigned int other;
};

bool trace_start(void);
struct pmd_events trace_stop(int fd);

/*
 * One access with SIGBUS caught: 0, or si_code of the signal. After
 * catch_sigbus() a SIGBUS that only warns of a failure elsewhere kills nobody.
 */
void catch_sigbus(void);
int try_load(const volatile void *p);
int try_store(volatile void *p, unsigned char val);
int try_copy(void *dst, const void *src, size_t len);
/* Of @n words of 8 bytes: how many before a SIGBUS. After catch_sigbus(). */
size_t try_words(volatile void *dst, const volatile void *src, size_t n);

u64 prng(u64 *state);

/*
 * RDAX_TIMEOUT, 1 or more: what only keeps a test that hangs from doing so for ever is
 * multiplied by it. Other bounds of time are by the clock of dax_clock.h.
 */
int time_factor(void);

#endif
