// SPDX-License-Identifier: GPL-2.0
/*
 * Mounts images that are damaged at random, uses what can be mounted, and
 * repairs the image for the next round.
 *
 *   fs_corrupt DEV FS MNT [-n ROUNDS] [-s SEED] [-o OPTIONS] [-l LINES] [-r]
 *
 * DEV holds a file system that is not mounted. What may be damaged is every
 * block that is not zero. With -r mounts are read-only; with -l a round may
 * print that many lines to the kernel log, plus one for each try to use it.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/xattr.h>

#include "fs_test.h"

#define CHUNK		(1UL << 20)
#define VISITS		400	/* a damaged tree may have no end */
#define DEPTH		8

static unsigned char *image, *buf;
static size_t size, *used, nused;	/* blocks that are not zero */
static size_t touched[8], ntouched;
static const char *dev_path, *fs, *mnt, *options = "";
static int dev, kmsg = -1, visits;
static long round_nr;
static u64 seed, rnd;
static bool read_only;

static size_t below(size_t n)
{
	return prng(&rnd) % n;
}

/* Kernels may refuse to mount what somebody else can write. */
static void open_dev(void)
{
	dev = open(dev_path, O_RDWR | O_DIRECT);
	if (dev < 0)
		fail("round %ld: %s: %m", round_nr, dev_path);
}

static void load_image(void)
{
	size_t off, i;
	off_t end;

	open_dev();
	end = lseek(dev, 0, SEEK_END);
	must(end > 0);
	size = end / CHUNK * CHUNK;
	image = page_alloc(size);
	buf = page_alloc(CHUNK);
	used = calloc(size / PAGE, sizeof(*used));
	for (off = 0; off < size; off += CHUNK)
		full_pread(dev, image + off, CHUNK, off);
	memset(buf, 0, PAGE);
	for (i = 0; i < size / PAGE; i++)
		if (memcmp(image + i * PAGE, buf, PAGE))
			used[nused++] = i;
	note("%zu of %zu blocks are in use", nused, size / PAGE);
	must(nused);
}

static void put(size_t block, const void *data)
{
	full_pwrite(dev, data, PAGE, block * PAGE);
}

static void damage_block(unsigned char *p)
{
	static const u64 extremes[] = { 0, 1, ~0ULL, 1ULL << 63, ~0ULL >> 1,
		0xffffffff, 0x80000000, 0x7ffffffffffff000ULL, 4096 };
	size_t at = below(PAGE / 8) * 8, i;
	u64 val;

	/* Structures begin at the start of a block more often than not. */
	if (below(2))
		at %= 512;
	switch (below(6)) {
	case 0: case 1:
		for (i = 1 + below(8); i; i--)
			p[(at + below(64)) % PAGE] ^= 1 << below(8);
		break;
	case 2:
		val = extremes[below(ARRAY_SIZE(extremes))];
		memcpy(p + at, &val, 8);
		break;
	case 3:
		val = prng(&rnd);
		memcpy(p + at, &val, 1 + below(8));
		break;
	case 4:
		/* Another block of the file system, or a part of it. */
		memcpy(p + at, image + used[below(nused)] * PAGE + at,
		       below(2) ? PAGE - at : 64 % (PAGE - at + 1));
		break;
	default:
		memset(p + at, below(2) ? 0 : 0xff, 1 + below(PAGE - at));
	}
}

static void damage(void)
{
	size_t i, count = below(4) ? 1 : 1 + below(8);

	ntouched = 0;
	for (i = 0; i < count; i++) {
		/* The first blocks describe all others. */
		size_t n = below(4) ? below(nused) :
			   below(nused < 16 ? nused : 16);

		memcpy(buf, image + used[n] * PAGE, PAGE);
		damage_block(buf);
		put(used[n], buf);
		touched[ntouched++] = used[n];
	}
}

/* @all: the file system may have written anywhere. */
static void repair(bool all)
{
	size_t off, i;

	for (i = 0; i < ntouched; i++)
		put(touched[i], image + touched[i] * PAGE);
	for (off = 0; all && off < size; off += CHUNK) {
		full_pread(dev, buf, CHUNK, off);
		if (memcmp(buf, image + off, CHUNK))
			full_pwrite(dev, image + off, CHUNK, off);
	}
}

static void visit(const char *path, int depth);

static void visit_dir(const char *path, int depth)
{
	DIR *dir = opendir(path);
	struct dirent *d;
	char sub[4096];

	if (!dir)
		return;
	while (visits < VISITS && (d = readdir(dir))) {
		if (!strcmp(d->d_name, ".") || !strcmp(d->d_name, ".."))
			continue;
		if (snprintf(sub, sizeof(sub), "%s/%s", path, d->d_name) <
		    (int)sizeof(sub))
			visit(sub, depth + 1);
	}
	closedir(dir);
}

/* Results do not matter: that there is one does. */
static void visit(const char *path, int depth)
{
	static char data[8192];
	struct stat st;
	int fd;

	visits++;
	if (lstat(path, &st))
		return;
	if (llistxattr(path, data, sizeof(data)) > 0)
		(void)!lgetxattr(path, data, data, sizeof(data));
	if (S_ISDIR(st.st_mode) && depth < DEPTH) {
		visit_dir(path, depth);
	} else if (S_ISLNK(st.st_mode)) {
		(void)!readlink(path, data, sizeof(data));
	} else if (S_ISREG(st.st_mode)) {
		fd = open(path, O_RDONLY);
		if (fd < 0)
			return;
		(void)!pread(fd, data, sizeof(data), 0);
		(void)!pread(fd, data, sizeof(data), st.st_size / 2);
		lseek(fd, 0, SEEK_HOLE);
		close(fd);
	}
}

static void change(void)
{
	char data[10000] = "x";
	int fd;

	fd = open("new", O_CREAT | O_RDWR, 0600);
	if (fd >= 0) {
		(void)!pwrite(fd, data, sizeof(data), 0);
		(void)!fallocate(fd, 0, 0, 1 << 20);
		close(fd);
	}
	rename("new", "renamed");
	mkdir("newdir", 0755);
	link("renamed", "newdir/link");
	setxattr("renamed", "user.a", data, 100, 0);
	fd = open("d/file1", O_RDWR);
	if (fd >= 0) {
		(void)!pwrite(fd, data, sizeof(data), 5000);
		(void)!ftruncate(fd, 3000);
		close(fd);
	}
	unlink("d/file2");
	rename("d/file3", "d/file4");
	rmdir("newdir");
	unlink("renamed");
}

/* Lines since the last call, of level warning or worse or of any file system. */
static long log_lines(void)
{
	char line[8192];
	long n = 0;
	ssize_t len;

	while ((len = read(kmsg, line, sizeof(line) - 1)) > 0 || errno == EPIPE)
		n += len > 0;
	return n;
}

static bool use_mounted(void)
{
	if (mount(dev_path, mnt, fs, read_only ? MS_RDONLY : 0, options))
		return false;
	if (!chdir(mnt)) {
		visits = 0;
		visit_dir(".", 0);
		if (!read_only)
			change();
		must(!chdir("/"));
	}
	if (umount(mnt) && umount2(mnt, MNT_DETACH))
		fail("round %ld: umount: %m", round_nr);
	return true;
}

static bool use(void)
{
	bool good;

	must(!close(dev));
	good = use_mounted();
	open_dev();
	return good;
}

int main(int argc, char **argv)
{
	long rounds = 200, mounted = 0, lines, max_lines = 0, most = 0;
	int c;

	seed = time(NULL) ^ getpid() << 16;
	while ((c = getopt(argc, argv, "n:s:o:l:r")) != -1) {
		switch (c) {
		case 'n':
			rounds = strtol(optarg, NULL, 0);
			break;
		case 's':
			seed = strtoull(optarg, NULL, 0);
			break;
		case 'o':
			options = optarg;
			break;
		case 'l':
			max_lines = strtol(optarg, NULL, 0);
			break;
		case 'r':
			read_only = true;
			break;
		default:
			return 2;
		}
	}
	if (optind + 3 != argc)
		fail("usage: %s DEV FS MNT [OPTIONS]", argv[0]);
	dev_path = argv[optind];
	fs = argv[optind + 1];
	mnt = argv[optind + 2];
	load_image();
	kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);
	must(kmsg >= 0 && lseek(kmsg, 0, SEEK_END) == 0);
	note("seed %llu", (unsigned long long)seed);
	for (round_nr = 0; round_nr < rounds; round_nr++) {
		bool good;

		/* Each round repeats alone, by its number. */
		rnd = (seed + round_nr) * 2 + 1;
		prng(&rnd);
		if (round_nr % 50 == 0) {
			if (!use())
				fail("round %ld: the repaired image: %m",
				     round_nr);
			repair(!read_only);
			log_lines();
		}
		damage();
		good = use();
		mounted += good;
		repair(!read_only);
		lines = log_lines();
		if (lines > most)
			most = lines;
		if (max_lines && lines > max_lines)
			fail("round %ld of seed %llu: %ld lines in the kernel log",
			     round_nr, (unsigned long long)seed, lines);
	}
	note("%ld rounds, %ld could be mounted, at most %ld log lines in one",
	     rounds, mounted, most);
	/* Nearly everything can be mounted to be read only. */
	must(read_only || rounds < 50 || mounted < rounds);
	return 0;
}
