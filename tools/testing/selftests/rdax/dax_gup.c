// SPDX-License-Identifier: GPL-2.0
/*
 * Users of get_user_pages() on DAX mappings. Each test runs on a mapping by
 * PTEs or by PMDs, as its second argument says.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dax_test.h"

#define RW	(PROT_READ | PROT_WRITE)
#define SIZE	(2 * PMD)
#define CHUNK	(256UL << 10)

static char *map_file(int fd, const char *kind)
{
	char *p;

	if (!strcmp(kind, "pmd")) {
		require_pmd_blocks(fd, SIZE);
		p = map_pmd(fd, SIZE, RW);
	} else {
		p = map_pte(fd, SIZE, RW);
	}
	must(p != MAP_FAILED);
	return p;
}

static int open_disk(const char *path)
{
	int fd = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);

	if (fd < 0)
		fail("open %s: %m", path);
	return fd;
}

/* Disk to DAX: the pages are pinned for writing. */
static void cmd_odirect_read(char **argv)
{
	int fd = create_file(argv[0], SIZE), disk = open_disk(argv[2]);
	char *p = map_file(fd, argv[1]);
	size_t off;

	write_pattern(disk, SIZE, 1);
	/* First into pages nobody has touched, then into mapped ones. */
	for (off = 0; off < SIZE; off += CHUNK)
		full_pread(disk, p + off, CHUNK, off);
	verify(p, SIZE, 1, 0);
	verify_file(fd, SIZE, 1);

	write_pattern(disk, SIZE, 2);
	must(!fsync(fd));
	for (off = 0; off < SIZE; off += CHUNK)
		full_pread(disk, p + off, CHUNK, off);
	verify_file(fd, SIZE, 2);

	/* 512 bytes into the middle of a page. */
	full_pread(disk, p + PMD + 3 * PAGE + 512, 512, 0);
	verify(p + PMD + 3 * PAGE + 512, 512, 2, 0);
	verify(p + PMD + 3 * PAGE, 512, 2, PMD + 3 * PAGE);
	verify(p + PMD + 3 * PAGE + 1024, PAGE, 2, PMD + 3 * PAGE + 1024);
}

static void cmd_odirect_write(char **argv)
{
	int fd = create_file(argv[0], SIZE), disk = open_disk(argv[2]);
	char *p = map_file(fd, argv[1]), *buf = page_alloc(SIZE);
	size_t off;

	fill(p, SIZE, 3, 0);
	for (off = 0; off < SIZE; off += CHUNK)
		full_pwrite(disk, p + off, CHUNK, off);
	full_pread(disk, buf, SIZE, 0);
	verify(buf, SIZE, 3, 0);

	/* From pages that are not mapped at that time. */
	must(!madvise(p, SIZE, MADV_DONTNEED));
	full_pwrite(disk, p + PMD - PAGE, 2 * PAGE, 0);
	full_pread(disk, buf, 2 * PAGE, 0);
	verify(buf, 2 * PAGE, 3, PMD - PAGE);

	/* The DAX file itself as the other side of the transfer. */
	full_pwrite(fd, p, PAGE, PMD);
	verify(p + PMD, PAGE, 3, 0);
}

static void cmd_vmsplice(char **argv)
{
	int fd = create_file(argv[0], SIZE), pipefd[2];
	char *p = map_file(fd, argv[1]), *buf = page_alloc(4 * PAGE);
	struct iovec iov = { p + PMD - 2 * PAGE, 4 * PAGE };

	fill(p, SIZE, 4, 0);
	must(!pipe(pipefd));
	must_eq(vmsplice(pipefd[1], &iov, 1, 0), 4 * PAGE);
	/* The pipe shares the pages with the file. */
	fill(p + PMD, PAGE, 5, 0);
	must_eq(read(pipefd[0], buf, 4 * PAGE), 4 * PAGE);
	verify(buf, 2 * PAGE, 4, PMD - 2 * PAGE);
	verify(buf + 2 * PAGE, PAGE, 5, 0);
	verify(buf + 3 * PAGE, PAGE, 4, PMD + PAGE);

	/* A page left in a pipe does not outlive the pipe. */
	must_eq(vmsplice(pipefd[1], &iov, 1, 0), 4 * PAGE);
	close(pipefd[0]);
	close(pipefd[1]);
	must(!munmap(p, SIZE));
	must(!ftruncate(fd, 0));
}

/* Child with a DAX mapping; stops itself when the pages are there. */
static pid_t start_child(char *p, bool traced)
{
	pid_t pid = fork();
	int status;

	must(pid >= 0);
	if (!pid) {
		fill(p, SIZE, 6, 0);
		if (traced)
			must(!ptrace(PTRACE_TRACEME, 0, NULL, NULL));
		raise(SIGSTOP);
		_exit(0);
	}
	must(waitpid(pid, &status, WUNTRACED) == pid);
	must(WIFSTOPPED(status));
	return pid;
}

static void end_child(pid_t pid)
{
	int status;

	must(!kill(pid, SIGCONT));
	must(waitpid(pid, &status, 0) == pid);
	must_eq(status, 0);
}

static void cmd_process_vm(char **argv)
{
	int fd = create_file(argv[0], SIZE);
	char *p = map_file(fd, argv[1]), *buf = page_alloc(PMD);
	pid_t pid = start_child(p, false);
	struct iovec local = { buf, PMD };
	struct iovec remote = { p + PMD / 2, PMD };

	/* The parent has not touched this mapping itself. */
	must_eq(process_vm_readv(pid, &local, 1, &remote, 1, 0), PMD);
	verify(buf, PMD, 6, PMD / 2);
	fill(buf, PMD, 7, PMD / 2);
	must_eq(process_vm_writev(pid, &local, 1, &remote, 1, 0), PMD);
	verify(p + PMD / 2, PMD, 7, PMD / 2);
	verify(p, PMD / 2, 6, 0);
	full_pread(fd, buf, PMD, PMD / 2);
	verify(buf, PMD, 7, PMD / 2);
	end_child(pid);
}

static void cmd_ptrace(char **argv)
{
	int fd = create_file(argv[0], SIZE);
	char *p = map_file(fd, argv[1]);
	pid_t pid = start_child(p, true);
	char path[64], buf[PAGE];
	int i, mem, status;

	for (i = 0; i < 64; i++) {
		long want = ptrace(PTRACE_PEEKDATA, pid, p + i * 8, NULL);

		verify(&want, 8, 6, i * 8);
		must(!ptrace(PTRACE_POKEDATA, pid, p + PMD + i * 8, want));
	}
	verify(p + PMD, 64 * 8, 6, 0);
	full_pread(fd, buf, 64 * 8, PMD);
	verify(buf, 64 * 8, 6, 0);

	/* As a debugger does it today. */
	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	mem = open(path, O_RDWR);
	must(mem >= 0);
	must_eq(pread(mem, buf, PAGE, (off_t)(uintptr_t)(p + PAGE)), PAGE);
	verify(buf, PAGE, 6, PAGE);
	fill(buf, PAGE, 8, 0);
	must_eq(pwrite(mem, buf, PAGE, (off_t)(uintptr_t)(p + PMD + PAGE)),
		PAGE);
	memset(buf, 0, PAGE);
	full_pread(fd, buf, PAGE, PMD + PAGE);
	verify(buf, PAGE, 8, 0);
	close(mem);
	must(!ptrace(PTRACE_DETACH, pid, NULL, SIGCONT));
	must(waitpid(pid, &status, 0) == pid);
	must_eq(status, 0);
}

/*
 * Registering buffers takes a long-term pin, which file systems on DAX cannot
 * survive: they may have to free the blocks.
 */
static void cmd_longterm(char **argv)
{
	int fd = create_file(argv[0], SIZE), ring;
	char *p = map_file(fd, argv[1]), *anon = page_alloc(PAGE);
	struct io_uring_params params = {};
	struct iovec iov = { p, 2 * PAGE };

	ring = syscall(SYS_io_uring_setup, 4, &params);
	if (ring < 0)
		skip("io_uring_setup: %m");
	fill(p, SIZE, 9, 0);
	if (!syscall(SYS_io_uring_register, ring, IORING_REGISTER_BUFFERS,
		     &iov, 1))
		fail("long-term pin of a DAX page succeeded");
	must_eq(errno, EOPNOTSUPP);
	/* It is the DAX page that is refused, not the call. */
	iov = (struct iovec){ anon, PAGE };
	must(!syscall(SYS_io_uring_register, ring, IORING_REGISTER_BUFFERS,
		      &iov, 1));
	close(ring);
	/* Nothing is left behind that a truncate would wait for. */
	must(!munmap(p, SIZE));
	must(!ftruncate(fd, 0));
}

static const struct cmd cmds[] = {
	{ "odirect-read", 3, cmd_odirect_read },
	{ "odirect-write", 3, cmd_odirect_write },
	{ "vmsplice", 2, cmd_vmsplice },
	{ "process-vm", 2, cmd_process_vm },
	{ "ptrace", 2, cmd_ptrace },
	{ "longterm", 2, cmd_longterm },
	{ }
};

int main(int argc, char **argv)
{
	return run_cmd(cmds, argc, argv);
}
