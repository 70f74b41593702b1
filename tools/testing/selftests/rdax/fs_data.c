// SPDX-License-Identifier: GPL-2.0
/* Reading and writing by system call, in all its forms, and sizes. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/statvfs.h>
#include <sys/uio.h>

#include "fs_test.h"

#define LAST	0x7fffffffffffffffLL	/* MAX_LFS_FILESIZE: the largest size */
#define SIZE	(1UL << 20)

static void cmd_rw(char **argv)
{
	static const size_t lens[] = { 1, 7, 8, 63, 64, 65, 511, 512, 4095,
				       4096, 4097, 65536, 100001 };
	static const off_t offs[] = { 0, 1, 63, 4095, 4096, 4097, 2097151 };
	static char buf[100001], got[100001];
	char *nothing = page_alloc(4096);
	size_t i, j;
	int fd;

	must(!munmap(nothing, 4096));
	enter(argv[0]);
	for (i = 0; i < ARRAY_SIZE(lens); i++)
		for (j = 0; j < ARRAY_SIZE(offs); j++) {
			fd = new_at("f", 0600);
			fill(buf, lens[i], i, offs[j]);
			must_eq(pwrite(fd, buf, lens[i], offs[j]), lens[i]);
			want_size("f", offs[j] + lens[i]);
			must_eq(pread(fd, got, sizeof(got), offs[j]), lens[i]);
			verify(got, lens[i], i, offs[j]);
			must_eq(pread(fd, got, 1, offs[j] + lens[i]), 0);
			if (offs[j]) {
				must_eq(pread(fd, got, 1, 0), 1);
				must_eq(pread(fd, got + 1, 1, offs[j] - 1), 1);
				verify_zero(got, 2);
			}
			must(!close(fd));
			must(!unlink("f"));
		}
	fd = new_at("g", 0600);
	must_eq(write(fd, buf, 0), 0);
	want_size("g", 0);
	must_eq(pread(fd, got, 100, 1UL << 40), 0);
	must_fail(pread(fd, got, 1, -1), EINVAL);
	must_fail(pwrite(fd, got, 1, -1), EINVAL);
	must_fail(pwrite(fd, nothing, 4096, 0), EFAULT);
	want_size("g", 0);
	must_eq(pwrite(fd, buf, 4096, 0), 4096);
	must_fail(pread(fd, nothing, 4096, 0), EFAULT);
}

/* A source that ends in the middle: what came over counts, no more. */
static void cmd_partial(char **argv)
{
	char *buf = page_alloc(3 * PAGE), got[PAGE];
	struct iovec iov[3];
	ssize_t n;
	int fd;

	enter(argv[0]);
	fd = new_at("f", 0600);
	fill(buf, 3 * PAGE, 1, 0);
	must(!munmap(buf + 2 * PAGE, PAGE));
	n = pwrite(fd, buf, 3 * PAGE, 0);
	must(n > 0 && n <= (ssize_t)(2 * PAGE));
	want_size("f", n);
	verify_file(fd, n, 1);
	iov[0] = (struct iovec){ buf, 100 };
	iov[1] = (struct iovec){ buf + 100, PAGE };
	iov[2] = (struct iovec){ buf + 100 + PAGE, 50 };
	must(!ftruncate(fd, 0));
	must_eq(pwritev(fd, iov, 3, 0), 150 + PAGE);
	verify_file(fd, 150 + PAGE, 1);
	iov[0] = (struct iovec){ got, 10 };
	iov[1] = (struct iovec){ got + 10, 1000 };
	must_eq(preadv(fd, iov, 2, 0), 1010);
	verify(got, 1010, 1, 0);
}

#define APPENDS	150
static const char *append_path;

static void *appender(void *arg)
{
	char rec[100];
	int fd = open(append_path, O_WRONLY | O_APPEND), i;

	must(fd >= 0);
	memset(rec, *(char *)arg, sizeof(rec));
	for (i = 0; i < APPENDS; i++)
		must(write(fd, rec, sizeof(rec)) == sizeof(rec));
	return NULL;
}

static void cmd_append(char **argv)
{
	int fd, i, j, count[2] = {};
	pthread_t thread[2];
	char rec[100];

	enter(argv[0]);
	append_path = "f";
	fd = new_at("f", 0600);
	must(!pthread_create(&thread[0], NULL, appender, "a"));
	must(!pthread_create(&thread[1], NULL, appender, "b"));
	must(!pthread_join(thread[0], NULL) && !pthread_join(thread[1], NULL));
	want_size("f", 2 * APPENDS * 100);
	for (i = 0; i < 2 * APPENDS; i++) {
		full_pread(fd, rec, 100, i * 100);
		for (j = 1; j < 100; j++)
			must_eq(rec[j], rec[0]);
		must(rec[0] == 'a' || rec[0] == 'b');
		count[rec[0] - 'a']++;
	}
	must_eq(count[0], APPENDS);
}

static void cmd_flags(char **argv)
{
	static const int flags[] = { O_SYNC, O_DSYNC, O_DIRECT,
				     O_DIRECT | O_SYNC };
	char *buf = page_alloc(SIZE);
	unsigned int i;
	int fd;

	enter(argv[0]);
	fill(buf, SIZE, 3, 0);
	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		fd = open("f", O_RDWR | O_CREAT | O_TRUNC | flags[i], 0600);
		must(fd >= 0);
		full_pwrite(fd, buf, SIZE, 0);
		full_pwrite(fd, buf + 8192, 4096, 8192);
		verify_file(fd, SIZE, 3);
		must(!fsync(fd) && !fdatasync(fd));
		must(!sync_file_range(fd, 0, 4096, SYNC_FILE_RANGE_WRITE));
		must(!syncfs(fd));
		must(!close(fd));
	}
}

static void cmd_nowait(char **argv)
{
	char *buf = page_alloc(8192);
	struct iovec iov = { buf, 4096 };
	int fd, i, reads = 0, writes = 0;

	enter(argv[0]);
	fd = new_at("f", 0600);
	fill(buf, 8192, 4, 0);
	full_pwrite(fd, buf, 8192, 0);
	/* May say "not now"; may not be wrong, and not say it always. */
	for (i = 0; i < 50; i++) {
		ssize_t n = preadv2(fd, &iov, 1, 0, RWF_NOWAIT);

		if (n < 0 && errno == EAGAIN)
			continue;
		must_eq(n, 4096);
		verify(buf, 4096, 4, 0);
		reads++;
	}
	must(reads);
	for (i = 0; i < 50; i++) {
		ssize_t n = pwritev2(fd, &iov, 1, 0, RWF_NOWAIT);

		if (n < 0 && (errno == EAGAIN || errno == EOPNOTSUPP))
			continue;
		must_eq(n, 4096);
		writes++;
	}
	note("%d of 50 reads and %d of 50 writes did not wait", reads, writes);
	verify_file(fd, 8192, 4);
	must_eq(preadv2(fd, &iov, 1, 0, RWF_HIPRI), 4096);
	must_eq(pwritev2(fd, &iov, 1, 0, RWF_DSYNC), 4096);
	must_eq(pwritev2(fd, &iov, 1, 0, RWF_APPEND), 4096);
	want_size("f", 12288);
}

static void cmd_splice(char **argv)
{
	loff_t from = 100, to = 5000;
	int fd, out, pipefd[2];
	char *buf = page_alloc(SIZE);
	size_t done = 0;
	off_t off;

	enter(argv[0]);
	fd = new_at("f", 0600);
	write_pattern(fd, SIZE, 5);
	out = new_at("g", 0600);
	must(!pipe(pipefd));
	while (done < 50000) {
		ssize_t n = splice(fd, &from, pipefd[1], NULL, 50000 - done, 0);

		must(n > 0);
		must_eq(splice(pipefd[0], NULL, out, &to, n, 0), n);
		done += n;
	}
	full_pread(out, buf, 50000, 5000);
	verify(buf, 50000, 5, 100);
	full_pread(out, buf, 5000, 0);
	verify_zero(buf, 5000);

	must(!ftruncate(out, 0));
	must(lseek(out, 0, SEEK_SET) == 0);
	for (off = 0; off < (off_t)SIZE;)
		must(sendfile(out, fd, &off, SIZE) > 0);
	verify_file(out, SIZE, 5);

	must(!ftruncate(out, 0));
	from = 0;
	to = 0;
	while (from < (loff_t)SIZE)
		must(copy_file_range(fd, &from, out, &to, SIZE, 0) > 0);
	must_eq(copy_file_range(fd, &from, out, &to, SIZE, 0), 0);
	verify_file(out, SIZE, 5);
	from = 0;
	to = 4096;
	must_fail(copy_file_range(fd, &from, fd, &to, 8192, 0), EINVAL);
	to = 3 * SIZE;
	must_eq(copy_file_range(fd, &from, fd, &to, 8192, 0), 8192);
	full_pread(fd, buf, 8192, 3 * SIZE);
	verify(buf, 8192, 5, 0);
}

/* The last bytes that a file may have. */
static void cmd_limits(char **argv)
{
	const off_t page = 0x7ffffffffffff000LL, last = page - 4096;
	char buf[4096], got[4096];
	char *map;
	int fd;

	enter(argv[0]);
	signal(SIGXFSZ, SIG_IGN);
	fill(buf, 4096, 6, 0);
	fd = new_at("f", 0600);
	must_eq(pwrite(fd, buf, 4095, page), 4095);
	want_size("f", LAST);
	must_eq(pread(fd, got, 4095, page), 4095);
	verify(got, 4095, 6, 0);
	must_eq(pread(fd, got, 4096, page - 4096), 4096);
	verify_zero(got, 4096);
	must_eq(lseek(fd, 0, SEEK_DATA), page);
	must_eq(lseek(fd, 0, SEEK_END), LAST);
	must_fail(pwrite(fd, buf, 4096, page), EINVAL);
	must_fail(pwrite(fd, buf, 1, LAST), EINVAL);
	must_eq(pread(fd, got, 1, LAST - 1), 1);
	must(!fsync(fd));
	/* mmap(2) takes all but the last page. */
	map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, last);
	must(map != MAP_FAILED);
	verify_zero(map, 4096);
	must_eq(try_store(map + 5, 'x'), 0);
	must_eq(pread(fd, got, 1, last + 5), 1);
	must_eq(got[0], 'x');
	must(!fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, last,
			2 * 4096 - 1));
	verify_zero(map, 4096);
	must_eq(pread(fd, got, 4095, page), 4095);
	verify_zero(got, 4095);
	must_fail(fallocate(fd, 0, page, 4096), EFBIG);
	must_fail(fallocate(fd, FALLOC_FL_INSERT_RANGE, 0, 4096), EFBIG);
	must(!ftruncate(fd, 0));
	must_eq(lstat_of("f").st_blocks, 0);

	must_eq(pwrite(fd, buf, 4096, LAST - 4096), 4096);
	want_size("f", LAST);
	must_eq(pread(fd, got, 4096, LAST - 4096), 4096);
	verify(got, 4096, 6, 0);
	must(!unlink("f") && !close(fd));
	/* The same through a mapping of a hole. */
	fd = new_at("g", 0600);
	must(!ftruncate(fd, LAST));
	map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, last);
	must(map != MAP_FAILED);
	must_eq(try_load(map), 0);
	must_eq(try_store(map + 4095, 'y'), 0);
	must_eq(pread(fd, got, 1, page - 1), 1);
	must_eq(got[0], 'y');
	must(!ftruncate(fd, 1));
}

static void cmd_rlimit(char **argv)
{
	struct rlimit lim = { 10000, RLIM_INFINITY };
	char buf[8192] = "";
	int fd;

	enter(argv[0]);
	signal(SIGXFSZ, SIG_IGN);
	fd = new_at("f", 0600);
	must(!setrlimit(RLIMIT_FSIZE, &lim));
	must_eq(pwrite(fd, buf, 8192, 5000), 5000);
	must_fail(pwrite(fd, buf, 1, 10000), EFBIG);
	must_fail(ftruncate(fd, 10001), EFBIG);
	must_fail(fallocate(fd, 0, 0, 10001), EFBIG);
	want_size("f", 10000);
	lim.rlim_cur = RLIM_INFINITY;
	must(!setrlimit(RLIMIT_FSIZE, &lim));
}

static const struct cmd cmds[] = {
	{ "rw", 1, cmd_rw },
	{ "partial", 1, cmd_partial },
	{ "append", 1, cmd_append },
	{ "flags", 1, cmd_flags },
	{ "nowait", 1, cmd_nowait },
	{ "splice", 1, cmd_splice },
	{ "limits", 1, cmd_limits },
	{ "rlimit", 1, cmd_rlimit },
	{ }
};

int main(int argc, char **argv)
{
	return run_cmd(cmds, argc, argv);
}
