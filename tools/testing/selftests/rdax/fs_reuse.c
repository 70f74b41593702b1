// SPDX-License-Identifier: GPL-2.0
/*
 * Blocks are taken from files while somebody holds their pages; then the file
 * system is filled with other files, and the holders write. Each page of each
 * file, and of each holder, has to be what the model of fs_reuse.h says.
 *
 *   fs_reuse directed ROTATION evict|umount DISK MNT DEV
 *   fs_reuse random SECONDS SEED DISK MNT DEV MNT2 DEV2
 *
 * DISK is a device-mapper disk, or "-".
 */
#include "fs_reuse_volume.h"

/*
 * One way to take blocks, and all ways to hold them
 */

#define FIRST		1
#define HELD		3
#define HUGE_PAGES	(PMD / PAGE)

static void take_unlink(struct file *f)
{
	remove_file(f);
}

static void take_rename(struct file *f)
{
	char dir[sizeof(f->path)];
	struct file *from;
	unsigned int i = f - files;

	strcpy(dir, f->path);
	*strrchr(dir, '/') = 0;
	close_file(f);
	from = new_file(dir, false);
	if (!from)
		return;
	write_pages(from, 0, 2);
	rename_over(from, &files[i]);
}

static void take_trunc(struct file *f)
{
	int fd;

	record("o_trunc", f, 0, 0);
	fd = open(f->path, O_RDWR | O_TRUNC | O_CLOEXEC);
	must(fd >= 0 && !close(fd));
	lose_pages(f, 0, f->pages);
	f->pages = 0;
}

static void take_truncate(struct file *f)
{
	resize(f, FIRST + 1);
}

static void take_punch(struct file *f)
{
	punch_pages(f, 0, FIRST + 2);
}

static void take_collapse(struct file *f)
{
	collapse_pages(f, 0, FIRST + 1);
}

static void take_collapse_before(struct file *f)
{
	collapse_pages(f, 0, FIRST);
}

static void take_insert(struct file *f)
{
	insert_pages(f, FIRST + 1, 2);
}

static void take_zero(struct file *f)
{
	zero_pages(f, FALLOC_FL_ZERO_RANGE, 0, f->pages);
}

static void take_write_zeroes(struct file *f)
{
	zero_pages(f, FALLOC_FL_WRITE_ZEROES, 0, f->pages);
}

static void (*const takes[])(struct file *f) = {
	take_truncate, take_punch, take_unlink, take_rename, take_trunc,
	take_collapse, take_collapse_before, take_insert, take_zero,
	take_write_zeroes,
};

static void check_all(void)
{
	check_files();
	check_holds();
}

static void dma_all(void)
{
	unsigned int i;

	for (i = 0; i < nholds; i++)
		if (holds[i].n)
			dma(&holds[i]);
}

/* A file of two huge pages at most, all of it mapped and stored to. */
static struct file *victim(const struct volume *v, bool huge, size_t pages)
{
	struct file *f = new_file(v->mnt, huge);

	if (!f || !allocate_zeroes(f, 0, pages) ||
	    store_pages(f, 0, huge ? 2 * HOLD_MAX : pages) < HOLD_MAX)
		return NULL;
	return f;
}

/* New blocks where old ones were taken. */
static void refill(void)
{
	unsigned int i, n = used;

	for (i = 0; i < n; i++) {
		struct file *f = &files[i];

		open_file(f);
		if (f->pages < FIRST + HELD)
			resize(f, FIRST + HELD + 1);
		if (!f->block[FIRST + 1])
			store_pages(f, FIRST + 1, 1);
		/* Beside what is held, in the same huge page. */
		store_pages(f, FIRST + HELD, 1);
	}
}

/*
 * For each way to take blocks, all kinds of holders of a small file each, and one
 * of a part of a huge page. The next rotation has other kinds there. Two files are
 * for what happens to all.
 */
static void hold_victims(const struct volume *v, unsigned int rotation)
{
	enum hold_kind kind;
	struct file *f;
	unsigned int i;

	for (i = 0; i <= ARRAY_SIZE(takes); i++) {
		for (kind = 0; kind < KINDS; kind++) {
			f = victim(v, false, 16);
			must(f);
			hold(f, kind, FIRST, HELD);
		}
		f = victim(v, true, HUGE_PAGES);
		must(f);
		require_pmd_blocks(f->fd, PMD);
		hold(f, (i + rotation) % KINDS, FIRST, HELD);
	}
}

static void cmd_directed(char **argv)
{
	unsigned int i;

	rnd = 1;
	begin_test(argv[2]);
	add_volume(argv[3], argv[4]);
	set_options("drain_ms=10");
	hold_victims(volumes, strtol(argv[0], NULL, 0));
	/* Files that go are replaced by the last one. */
	for (i = ARRAY_SIZE(takes) * (KINDS + 1); i-- > 0;)
		takes[i / (KINDS + 1)](&files[i]);
	if (!strcmp(argv[1], "evict"))
		evict();
	else
		remount();
	dma_all();
	refill();
	fill_volume(volumes);
	dma_all();
	check_all();
	note("%u files fill it; %u holders", used, nholds);
	remount();
	dma_all();
	release_all();
	check_files();
	remove_all();
	want_free(volumes);
}

/*
 * Anything
 */

static struct file *some_file(void)
{
	struct file *f;

	if (!used)
		return NULL;
	f = &files[below(used)];
	open_file(f);
	return f->pages ? f : NULL;
}

static void some_hold(void)
{
	struct file *f = some_file();
	size_t n = 1 + below(HOLD_MAX);

	if (f && f->pages >= n)
		hold(f, below(KINDS), below(f->pages - n + 1), n);
}

static void some_store(void)
{
	struct file *f = some_file();
	size_t page, n;

	if (!f)
		return;
	page = below(f->pages);
	n = 1 + below(f->pages - page < 64 ? f->pages - page : 64);
	if (below(2))
		store_pages(f, page, n);
	else
		write_pages(f, page, n);
}

static void some_take(void)
{
	struct file *f = some_file();
	size_t page, n;

	if (!f)
		return;
	page = below(f->pages);
	n = 1 + below(below(3) ? 8 : 600);
	if (n > f->pages - page)
		n = f->pages - page;
	switch (below(9)) {
	case 0: return resize(f, page);
	case 1: return resize(f, f->pages + below(MAX_PAGES - f->pages));
	case 2: return punch_pages(f, page, n);
	case 3: return collapse_pages(f, page, n);
	case 4: return insert_pages(f, page, n);
	case 5: return zero_pages(f, FALLOC_FL_ZERO_RANGE, page, n);
	case 6: return take_trunc(f);
	case 7: return remove_file(f);
	default:
		if (used < NFILES / 2)
			take_rename(f);
	}
}

static void some_step(void)
{
	struct volume *v = &volumes[below(nvolumes)];

	switch (below(16)) {
	case 0: case 1: case 2:
		return some_hold();
	case 3: case 4: case 5: case 6: case 7:
		return some_take();
	case 8: case 9:
		return some_store();
	case 10:
		if (used < NFILES / 2)
			victim(v, true, HUGE_PAGES);
		return;
	case 11:
		if (used < NFILES / 2)
			add_filler(v, 1 + below(300));
		return;
	case 12: case 13:
		if (nholds)
			dma(&holds[below(nholds)]);
		return;
	case 14:
		if (nholds && !below(2))
			release(&holds[below(nholds)]);
		return;
	default:
		if (used)
			check_file(&files[below(used)]);
	}
}

static void random_round(unsigned int number)
{
	static const char *const options[] = {
		"drain=bounded,drain_ms=0", "drain=bounded,drain_ms=1",
		"drain=bounded,drain_ms=20",
	};
	unsigned int i;

	set_options(options[below(ARRAY_SIZE(options))]);
	for (i = 0; i < nvolumes; i++) {
		victim(&volumes[i], true, 2 * HUGE_PAGES);
		victim(&volumes[i], false, 64);
	}
	for (i = 0; i < 60; i++)
		some_step();
	if (below(2))
		fill_volume(&volumes[below(nvolumes)]);
	for (i = 0; i < 30; i++)
		some_step();
	dma_all();
	if (below(2))
		evict();
	check_all();
	if (!below(3)) {
		remount();
		dma_all();
		check_all();
	}
	release_all();
	check_all();
	remove_all();
	for (i = 0; i < nvolumes; i++)
		want_free(&volumes[i]);
}

static void cmd_random(char **argv)
{
	u64 seed = strtoull(argv[1], NULL, 0);
	long long end;
	unsigned int round = 0;

	note("seed %llu", seed);
	rnd = seed * 2 + 1;
	begin_test(argv[2]);
	add_volume(argv[3], argv[4]);
	add_volume(argv[5], argv[6]);
	end = now_ms() + strtol(argv[0], NULL, 0) * 1000;
	do {
		random_round(round++);
	} while (now_ms() < end);
	note("%u rounds, %lu operations", round, step);
}

static const struct cmd cmds[] = {
	{ "directed", 5, cmd_directed },
	{ "random", 7, cmd_random },
	{ NULL, 0, NULL },
};

int main(int argc, char **argv)
{
	return run_cmd(cmds, argc, argv);
}
