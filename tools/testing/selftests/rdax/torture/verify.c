// SPDX-License-Identifier: GPL-2.0
/* What the files have when nobody changes them, and that it is the same after another mount. */
#include <string.h>
#include <sys/xattr.h>

#include "torture.h"

static struct look look;

static u64 digest_of(const char *page)
{
	return sum_of(page, PAGE);
}

/* Reads a page in both ways; what is beyond the end of the file are zeroes then. */
static void check_page(struct file *f, int fd, const char *map, size_t page, s64 size, char *buf)
{
	size_t len = size - page * PAGE < PAGE ? size - page * PAGE : PAGE;

	begin_look(&look, f, page, 1, false);
	memset(buf, 0, PAGE);
	full_pread(fd, buf, len, page * PAGE);
	end_look(&look);
	judge_bytes(&look, "read in the end", buf, (len + 7) & ~7UL);
	if (try_copy(buf + PAGE, map + page * PAGE, PAGE))
		wrong(f, page, 1, "page %zu: SIGBUS in the end", page);
	if (memcmp(buf, buf + PAGE, len))
		wrong(f, page, 1, "page %zu: read and mapping differ in the end", page);
}

/* Returns how large it is. */
static s64 check_size(struct name *name, int fd)
{
	struct file *f = name->file;
	struct stat st;
	u16 inc = 0;

	must(!fstat(fd, &st) && fgetxattr(fd, "user.inc", &inc, sizeof(inc)) == sizeof(inc));
	if (inc != f->inc)
		wrong(f, 0, MAX_PAGES, "the name of file %u is that of file %u", f->inc, inc);
	if ((u64)st.st_size < f->low || (u64)st.st_size > f->high)
		wrong(f, 0, MAX_PAGES, "file %u has %lld bytes", f->inc, (long long)st.st_size);
	return st.st_size;
}

static void compare(struct name *name, size_t page, u64 digest)
{
	if (name->digest[page] != digest)
		wrong(name->file, page, 1, "page %zu is not what it was before the mount", page);
}

static void check_name(unsigned int number, bool again)
{
	struct name *name = &model->name[number];
	char path[16], *map, *buf = page_alloc(2 * PAGE);
	size_t page;
	s64 size;
	int fd;

	sprintf(path, "f%u", number);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0 ? errno != ENOENT : !name->file)
		wrong(NULL, 0, 0, "%s: %m", path);
	if (fd < 0 && name->file)
		wrong(name->file, 0, 0, "%s is not there", path);
	if (fd >= 0) {
		size = check_size(name, fd);
		if (again && size != name->size)
			wrong(name->file, 0, MAX_PAGES, "%s has %lld bytes, and %lld before the mount",
			      path, (long long)size, (long long)name->size);
		name->size = size;
		map = map_pte(fd, MAX_SIZE, RW);
		must(map != MAP_FAILED);
		for (page = 0; page * PAGE < (u64)size; page++) {
			check_page(name->file, fd, map, page, size, buf);
			if (again)
				compare(name, page, digest_of(buf));
			name->digest[page] = digest_of(buf);
		}
		must(!munmap(map, MAX_SIZE) && !close(fd));
	}
	must(!munmap(buf, 2 * PAGE));
}

/* Of how many cells is known that something is in them, and how many there are. */
static void count_known(const struct file *f, s64 size, unsigned long *known, unsigned long *all)
{
	size_t i;

	for (i = 0; i < (u64)size / CELL; i++) {
		*known += f->cell[i].landed > f->cell[i].cleared && f->cell[i].landed > f->wild;
		++*all;
	}
}

/* All of them, and with @again whether they are as they were. */
void check_files(bool again)
{
	unsigned long known = 0, all = 0;
	unsigned int i;

	for (i = 0; i < model->names; i++) {
		check_name(i, again);
		if (model->name[i].file)
			count_known(model->name[i].file, model->name[i].size, &known, &all);
	}
	note("%lu cells in the end, %lu of them cannot be zeroes", all, known);
}
