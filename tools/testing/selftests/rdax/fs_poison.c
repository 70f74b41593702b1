// SPDX-License-Identifier: GPL-2.0
/* Files on memory that fails: something of each kind, and those who map it. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/xattr.h>

#include "fs_test.h"

#include <linux/falloc.h>

#ifndef FALLOC_FL_WRITE_ZEROES
#define FALLOC_FL_WRITE_ZEROES	0x80
#endif

#define RW		(PROT_READ | PROT_WRITE)
#define SIZE		(2 * PMD)
#define SEED		71
#define NAMES		30
#define PIECES		60
#define SMALL		100

static void name_of(char *name, int i)
{
	memset(name, 'n', 200);
	sprintf(name + 200, "%d", i);
}

/* tree DIR: a file, a directory, extents, attributes and a symbolic link */
static void cmd_tree(char **argv)
{
	char name[256], buf[SMALL], target[2000] = "";
	int fd, i;

	enter(argv[0]);
	fd = create_file("data", SIZE);
	write_pattern(fd, SIZE, SEED);
	close(fd);
	must(!mkdir("dir", 0755));
	must(!chdir("dir"));
	for (i = 0; i < NAMES; i++) {
		name_of(name, i);
		touch(name);
	}
	must(!chdir(".."));
	/* More extents than an inode has room for, each shorter than a block. */
	fd = new_at("extents", 0644);
	for (i = 0; i < PIECES; i++) {
		fill(buf, SMALL - 4, SEED + i, 0);
		full_pwrite(fd, buf, SMALL - 4, i * 2 * PAGE);
	}
	close(fd);
	touch("attr");
	memset(buf, 'x', sizeof(buf));
	must(!setxattr("attr", "user.x", buf, sizeof(buf), 0));
	memset(target, 't', sizeof(target) - 1);
	must(!symlink(target, "link"));
}

/* check DIR: the tree is as it was made */
static void cmd_check(char **argv)
{
	char name[256], buf[SMALL], target[2001];
	int fd, i;

	must(!chdir(argv[0]));
	fd = open_dax("data", O_RDONLY);
	verify_file(fd, SIZE, SEED);
	close(fd);
	must(!chdir("dir"));
	for (i = 0; i < NAMES; i++) {
		name_of(name, i);
		want_size(name, 0);
	}
	must(!chdir(".."));
	fd = open("extents", O_RDONLY);
	must(fd >= 0);
	for (i = 0; i < PIECES; i++) {
		full_pread(fd, buf, SMALL - 4, i * 2 * PAGE);
		verify(buf, SMALL - 4, SEED + i, 0);
	}
	must_eq(getxattr("attr", "user.x", buf, sizeof(buf)), sizeof(buf));
	must_eq(readlink("link", target, sizeof(target)), 1999);
}

/*
 * clear FILE OFFSET zero|write|punch: the poisoned page becomes zeroes that can
 * be read, and part of it can be written; then it gets its pattern back.
 */
static void cmd_clear(char **argv)
{
	int fd = open_dax(argv[0], O_RDWR), mode = FALLOC_FL_ZERO_RANGE;
	size_t off = strtoul(argv[1], NULL, 0);
	char *buf = page_alloc(PAGE);

	if (!strcmp(argv[2], "write"))
		mode = FALLOC_FL_WRITE_ZEROES;
	if (!strcmp(argv[2], "punch"))
		mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
	must_fail(pread(fd, buf, PAGE, off), EIO);
	/* With parts of its neighbours, which are good. */
	must(!fallocate(fd, mode, off - 1000, PAGE + 2000));
	full_pread(fd, buf, PAGE, off);
	verify_zero(buf, PAGE);
	full_pwrite(fd, "x", 1, off + 99);
	full_pread(fd, buf, PAGE, off);
	must_eq(buf[99], 'x');
	fill(buf, PAGE, SEED, off);
	full_pwrite(fd, buf, PAGE, off);
	buf = page_alloc(3 * PAGE);
	fill(buf, 3 * PAGE, SEED, off - PAGE);
	full_pwrite(fd, buf, 3 * PAGE, off - PAGE);
}

static char *map_kind(const char *file, const char *kind)
{
	int fd = open_dax(file, O_RDWR);
	char *p;

	p = strcmp(kind, "pmd") ? map_pte(fd, SIZE, RW) :
				  map_pmd(fd, SIZE, RW);
	must(p != MAP_FAILED);
	close(fd);
	return p;
}

struct bystander {
	pid_t pid;
	int go;
};

/* Maps the file and uses a page of it; when told to, uses it again. */
static struct bystander bystander(char **argv, size_t off)
{
	int ready[2], go[2];
	pid_t pid;
	char c;

	must(!pipe(ready) && !pipe(go));
	pid = fork();
	must(pid >= 0);
	if (!pid) {
		char *p = map_kind(argv[0], argv[2]);

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		must_eq(try_store(p + off, 1), 0);
		must(write(ready[1], "r", 1) == 1);
		must(read(go[0], &c, 1) == 1);
		_exit(try_load(p + off));
	}
	must(read(ready[0], &c, 1) == 1);
	return (struct bystander){ pid, go[1] };
}

/* The si_code of the signal that the load ended in. */
static int load_of(struct bystander b)
{
	int status;

	must(write(b.go, "g", 1) == 1);
	must(waitpid(b.pid, &status, 0) == b.pid);
	must(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int bus_code;
static void *bus_addr;

static void on_bus(int sig, siginfo_t *si, void *ctx)
{
	bus_code = si->si_code;
	bus_addr = si->si_addr;
}

/*
 * fail FILE OFFSET pte|pmd: the page at OFFSET fails. Who is using it gets
 * BUS_MCEERR_AR, who has it mapped gets SIGBUS when he comes back to it, and
 * who uses another page of the file goes on.
 */
static void cmd_fail(char **argv)
{
	size_t off = strtoul(argv[1], NULL, 0);
	struct bystander same = bystander(argv, off);
	struct bystander other = bystander(argv, off ^ PMD);
	struct sigaction sa = { .sa_sigaction = on_bus, .sa_flags = SA_SIGINFO };
	char *p = map_kind(argv[0], argv[2]);

	must_eq(try_store(p + off, 1), 0);
	must(!sigaction(SIGBUS, &sa, NULL));
	if (madvise(p + off, PAGE, MADV_HWPOISON))
		note("MADV_HWPOISON: %m");
	must_eq(bus_code, BUS_MCEERR_AR);
	must(bus_addr == p + off);
	if (!load_of(same))
		fail("the failed page is still mapped");
	must_eq(load_of(other), 0);
	if (!try_load(p + off))
		fail("the failed page can be read");
	must_eq(try_load(p + (off ^ PMD)), 0);
}

static const struct cmd cmds[] = {
	{ "tree", 1, cmd_tree },
	{ "check", 1, cmd_check },
	{ "clear", 3, cmd_clear },
	{ "fail", 3, cmd_fail },
	{ }
};

int main(int argc, char **argv)
{
	return run_cmd(cmds, argc, argv);
}
