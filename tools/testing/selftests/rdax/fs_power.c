// SPDX-License-Identifier: GPL-2.0
/*
 * Operations that must survive a machine that stops anywhere.
 *
 *   fs_power load DIR SEED SYNC	prints "ACK n" when n have returned
 *   fs_power verify DIR SEED N		the directory is as after the operations
 *					that have returned, N at least
 *   fs_power room FILE			leaves little room in the file system:
 *					FILE grows and shrinks until killed
 *
 * The same seed gives the same operations, so the verifier knows the state
 * after each. With SYNC each is followed by syncfs(2), for file systems that
 * are not synchronous by themselves.
 *
 * How many have returned is stored to a mapped file of the directory as well,
 * without a system call: in it the number is exact, while what was printed may
 * still be on its way.
 */
#include <dirent.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>

#include "fs_power.h"

#define ACKED	"acked"		/* none of the names of the operations */

static struct state found;

/* A store is durable when its line is flushed: MAP_SYNC did the rest. */
static void store(int fd, const struct op *op)
{
	char *p = mmap(NULL, MAX, PROT_READ | PROT_WRITE,
		       MAP_SHARED_VALIDATE | MAP_SYNC, fd, 0);

	must(p != MAP_FAILED);
	*(volatile u64 *)(p + op->off) = op->fill;
	__builtin_ia32_clflush(p + op->off);
	__builtin_ia32_sfence();
	must(!munmap(p, MAX));
}

static void file_do(const struct op *op)
{
	static char buf[8192];
	struct stat st;
	int fd = open(path(op->a), O_RDWR);

	must(fd >= 0 && !fstat(fd, &st));
	switch (op->kind) {
	case APPEND:
		fill(buf, op->len, op->fill, st.st_size);
		must(pwrite(fd, buf, op->len, st.st_size) == (ssize_t)op->len);
		break;
	case WRITE:
		must(pwrite(fd, &op->fill, 8, op->off) == 8);
		break;
	case STORE:
		store(fd, op);
		break;
	case TRUNCATE:
		must(!ftruncate(fd, op->off));
		break;
	case PUNCH:
		must(!fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				op->off, op->len));
		break;
	case COLLAPSE:
		must(!fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, op->off, PAGE));
		break;
	case INSERT:
		must(!fallocate(fd, FALLOC_FL_INSERT_RANGE, op->off, PAGE));
		break;
	default:
		memset(buf, 'v', op->len);
		must(!fsetxattr(fd, "user.v", buf, op->len, 0));
	}
	must(!close(fd));
}

static void fs_do(const struct op *op)
{
	char *a = path(op->a), *b = path(op->b);

	switch (op->kind) {
	case CREATE:
		touch(a);
		break;
	case MKDIR:
		must(!mkdir(a, 0755));
		break;
	case SYMLINK:
		must(!symlink("target", a));
		break;
	case LINK:
		must(!link(a, b));
		break;
	case REMOVE:
		must(!remove(a));
		break;
	case RENAME:
		must(!rename(a, b));
		break;
	case EXCHANGE:
		must(!renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE));
		break;
	default:
		file_do(op);
	}
}

static volatile u64 *map_acked(int fd)
{
	void *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
		       MAP_SHARED_VALIDATE | MAP_SYNC, fd, 0);

	must(p != MAP_FAILED);
	return p;
}

static void cmd_load(char **argv)
{
	int sync = atoi(argv[2]), dir, fd;
	volatile u64 *acked;
	unsigned long n;

	enter(argv[0]);
	fd = create_file(ACKED, PAGE);
	acked = map_acked(fd);
	*acked = 0;
	dir = open(".", O_RDONLY);
	must(dir >= 0 && !syncfs(dir));
	model_start(argv[1]);
	for (n = 1;; n++) {
		struct op op = next_op();

		fs_do(&op);
		model_do(&op);
		if (sync)
			must(!syncfs(dir));
		*acked = n;
		printf("ACK %lu\n", n);
		fflush(stdout);
	}
}

/* Sets the room to a random size; no load needs as much. */
static void make_room(int fd, u64 *seed)
{
	off_t room = (2 + prng(seed) % 4) << 20, avail;
	struct statvfs vfs;
	struct stat st;

	must(!fstat(fd, &st) && !fstatvfs(fd, &vfs));
	avail = vfs.f_bavail * vfs.f_frsize;
	if (avail > room)
		must(!fallocate(fd, 0, st.st_size, avail - room));
	else if (st.st_size > room - avail)
		must(!ftruncate(fd, st.st_size - (room - avail)));
}

static void cmd_room(char **argv)
{
	int fd = new_at(argv[0], 0600);
	u64 seed = 1;

	for (;;) {
		make_room(fd, &seed);
		/* Not the only one that makes transactions. */
		usleep(prng(&seed) % 20000);
	}
}

/* The directory as it is, in the form of the model. */
static void look(void)
{
	struct dirent *d;
	int i, j, entries = 0;
	ino_t inos[NAMES];
	DIR *dir;

	for (i = 0; i < NAMES; i++) {
		struct inode *f = &found.inode[i];
		struct stat st;
		int fd;

		found.name[i] = -1;
		if (lstat(path(i), &st))
			continue;
		entries++;
		for (j = 0; j < i; j++)
			if (found.name[j] == j && inos[j] == st.st_ino)
				break;
		found.name[i] = j;
		inos[i] = st.st_ino;
		f->type = st.st_mode & S_IFMT;
		f->nlink = S_ISDIR(st.st_mode) ? 1 : st.st_nlink;
		f->size = S_ISREG(st.st_mode) ? st.st_size : 0;
		f->xattr = -1;
		if (!S_ISREG(st.st_mode))
			continue;
		must(st.st_size <= (off_t)MAX);
		fd = open(path(i), O_RDONLY);
		must(fd >= 0);
		full_pread(fd, f->data, f->size, 0);
		if (fgetxattr(fd, "user.v", NULL, 0) >= 0)
			f->xattr = fgetxattr(fd, "user.v", NULL, 0);
		must(!close(fd));
	}
	dir = opendir(".");
	must(dir);
	while ((d = readdir(dir)))
		entries -= d->d_name[0] == 'n';
	must_eq(entries, 0);
}

static int differ(void)
{
	int i, j;

	for (i = 0; i < NAMES; i++) {
		struct inode *m = at(i), *f = &found.inode[i];

		if (!m != (found.name[i] < 0))
			return i + 1;
		if (!m)
			continue;
		for (j = 0; j < i; j++)
			if ((found.name[i] == found.name[j]) !=
			    (model.name[i] == model.name[j]))
				return i + 1;
		if (m->type != f->type || m->nlink != f->nlink ||
		    m->size != f->size || m->xattr != f->xattr ||
		    memcmp(m->data, f->data, f->size))
			return i + 1;
	}
	return 0;
}

/*
 * Data of an operation that was cut off may be there in part: of a write that
 * appends up to a block boundary, of a punched hole the zeros.
 */
static bool partly(const struct op *op)
{
	struct inode *f = at(op->a), old;
	size_t end;
	bool good = false;

	if ((op->kind != APPEND && op->kind != PUNCH) || found.name[op->a] < 0)
		return false;
	old = *f;
	if (op->kind == PUNCH) {
		struct inode *is = &found.inode[found.name[op->a]];

		end = op->off + op->len < f->size ? op->off + op->len : f->size;
		for (; op->off < end; end--)
			if (!is->data[end - 1])
				f->data[end - 1] = 0;
		good = !differ();
	} else {
		fill(f->data + f->size, op->len, op->fill, f->size);
		for (end = (f->size / PAGE + 1) * PAGE;
		     !good && end < old.size + op->len; end += PAGE) {
			f->size = end;
			good = !differ();
		}
	}
	*f = old;
	return good;
}

static void show(const char *what, int i, const struct inode *f)
{
	if (f)
		note("%s %s: type %#o nlink %d size %zu xattr %d", what, path(i),
		     f->type, f->nlink, f->size, f->xattr);
	else
		note("%s %s: not there", what, path(i));
}

static void show_both(void)
{
	int i;

	for (i = 0; i < NAMES; i++) {
		show("want ", i, at(i));
		show("found", i, found.name[i] < 0 ? NULL :
		     &found.inode[found.name[i]]);
	}
}

static unsigned long read_acked(const char *least)
{
	int fd = open(ACKED, O_RDWR);
	unsigned long n;

	must(fd >= 0);
	n = *map_acked(fd);
	if (n < strtoul(least, NULL, 0))
		fail("%s operations were reported, %lu stored", least, n);
	return n;
}

static void cmd_verify(char **argv)
{
	unsigned long n, acked;
	struct op op;

	must(!chdir(argv[0]));
	acked = read_acked(argv[2]);
	model_start(argv[1]);
	look();
	for (n = 0; n < acked; n++) {
		op = next_op();
		model_do(&op);
	}
	if (!differ()) {
		note("%lu operations have returned and are there", acked);
		return;
	}
	show_both();
	op = next_op();
	note("next: operation %d on %s, %s, %zu+%zu", op.kind, path(op.a),
	     path(op.b), op.off, op.len);
	if (partly(&op)) {
		note("%lu operations have returned and are there, and a part of the next",
		     acked);
		return;
	}
	model_do(&op);
	if (differ())
		fail("the state after operation %lu or %lu is not what was found",
		     acked, acked + 1);
	note("%lu operations have returned, %lu are there", acked, acked + 1);
}

static const struct cmd cmds[] = {
	{ "load", 3, cmd_load },
	{ "verify", 3, cmd_verify },
	{ "room", 1, cmd_room },
	{ }
};

int main(int argc, char **argv)
{
	return run_cmd(cmds, argc, argv);
}
