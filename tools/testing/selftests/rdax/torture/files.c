// SPDX-License-Identifier: GPL-2.0
/*
 * Names and files. A file has its number in an extended attribute, so that who opens it, by a
 * name that others rename or by a handle, knows which one it is.
 */
#include <string.h>
#include <sys/xattr.h>

#include "torture.h"

#define INC	"user.inc"

void init_files(unsigned int names)
{
	unsigned int i;

	model->names = names;
	oracle->incs = first_inc();
	init_mutex(&oracle->lock);
	for (i = 0; i < NFILES; i++)
		init_mutex(&oracle->file[i].lock);
	for (i = 0; i < MAX_NAMES; i++)
		init_mutex(&model->name[i].lock);
}

static void lock_table(void)
{
	must(!pthread_mutex_lock(&oracle->lock));
}

static void unlock_table(void)
{
	must(!pthread_mutex_unlock(&oracle->lock));
}

/* NULL if it is gone, or too new to be known. */
struct file *get_file(u16 inc)
{
	struct file *f = NULL;
	int i;

	lock_table();
	for (i = 0; i < NFILES && !f; i++)
		if (oracle->file[i].live && oracle->file[i].inc == inc)
			f = &oracle->file[i];
	if (f)
		f->users++;
	unlock_table();
	return f;
}

static void put_locked(struct file *f)
{
	must(f->users > 0);
	f->users--;
	if (!f->users && !f->names)
		f->live = false;
}

void put_file(struct file *f)
{
	lock_table();
	put_locked(f);
	unlock_table();
}

static void forget(struct file *f)
{
	void *state = (char *)f + offsetof(struct file, low);

	memset(state, 0, sizeof(*f) - offsetof(struct file, low));
}

/* A file that is in use by the caller, or NULL if there are enough. */
static struct file *new_file(void)
{
	struct file *f = NULL;
	int i;

	lock_table();
	for (i = 0; i < NFILES && !f; i++)
		if (!oracle->file[i].live && oracle->incs < 0x3fff)
			f = &oracle->file[i];
	if (f) {
		forget(f);
		f->inc = ++oracle->incs;
		f->users = 1;
		f->names = 0;
		f->live = true;
	}
	unlock_table();
	return f;
}

static void name_file(struct name *name, struct file *f)
{
	struct file *old = name->file;

	lock_table();
	if (f)
		f->names++;
	name->file = f;
	if (old && !--old->names && !old->users)
		old->live = false;
	unlock_table();
}

static void path_of(char *path, unsigned int number)
{
	sprintf(path, "f%u", number);
}

static unsigned int some_name(struct task *t)
{
	return below(t, model->names);
}

/* In order, so that nobody waits for the other. */
static void lock_names(unsigned int a, unsigned int b)
{
	must(!pthread_mutex_lock(&model->name[a < b ? a : b].lock));
	if (a != b)
		must(!pthread_mutex_lock(&model->name[a < b ? b : a].lock));
}

static void unlock_names(unsigned int a, unsigned int b)
{
	must(!pthread_mutex_unlock(&model->name[a].lock));
	if (a != b)
		must(!pthread_mutex_unlock(&model->name[b].lock));
}

/*
 * Views
 */
static char *reserve(struct task *t, bool huge)
{
	char *p = mmap(NULL, MAX_SIZE + 2 * PMD, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *start;

	must(p != MAP_FAILED);
	start = (char *)(((uintptr_t)p + PMD - 1) & ~(PMD - 1)) + (huge ? 0 : PAGE);
	if (start > p)
		must(!munmap(p, start - p));
	must(!munmap(start + MAX_SIZE, p + MAX_SIZE + 2 * PMD - start - MAX_SIZE));
	return start;
}

/* Anew, or where it was not before. */
void map_view(struct task *t, struct view *v)
{
	char *start = reserve(t, v->huge);

	if (v->map)
		v->map = mremap(v->map, MAX_SIZE, MAX_SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, start);
	else
		v->map = mmap(start, MAX_SIZE, RW, MAP_SHARED | MAP_FIXED, v->fd, 0);
	must(v->map != MAP_FAILED);
}

/* Of what was opened: closed again if the file is not known. */
bool open_view(struct task *t, struct view *v, int fd)
{
	u16 inc = 0;

	if (fgetxattr(fd, INC, &inc, sizeof(inc)) != sizeof(inc) && !model->dying)
		wrong(NULL, 0, 0, "task %d: a file without a number: %m", t->number);
	v->file = get_file(inc);
	if (!v->file) {
		must(!close(fd));
		return false;
	}
	v->fd = fd;
	v->huge = below(t, 2);
	v->map = NULL;
	map_view(t, v);
	return true;
}

void close_view(struct view *v)
{
	if (!v->file)
		return;
	must(!munmap(v->map, MAX_SIZE) && !close(v->fd));
	put_file(v->file);
	memset(v, 0, sizeof(*v));
}

bool open_some(struct task *t, struct view *v)
{
	char path[16];
	int fd;

	path_of(path, some_name(t));
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (!went(t, fd >= 0))
		return false;
	return open_view(t, v, fd);
}

void op_open(struct task *t, struct view *v)
{
	begin_entry(t, NULL, 0, 0, 0);
	close_view(v);
	open_some(t, v);
}

void op_close(struct task *t, struct view *v)
{
	begin_entry(t, v, 0, 0, 0);
	close_view(v);
	end_entry(t, 0);
}

/* Notes how it can be opened, even when it is gone. */
static bool note_handle(const char *path, u16 inc)
{
	struct handle h = { .h.handle_bytes = MAX_HANDLE_SZ, .inc = inc };
	int mount_id;

	if (name_to_handle_at(AT_FDCWD, path, &h.h, &mount_id, 0))
		return errno == EOPNOTSUPP;
	lock_table();
	model->handle[model->handles++ % NHANDLES] = h;
	unlock_table();
	return true;
}

/* A new file takes a name. */
void op_create(struct task *t, struct view *v)
{
	unsigned int number = some_name(t);
	char path[16], temp[32];
	struct file *f = new_file();
	bool good;
	int fd;

	if (!f)
		return;
	begin_entry(t, NULL, 0, 0, f->inc);
	path_of(path, number);
	sprintf(temp, "t%u", f->inc);
	fd = open(temp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	good = fd >= 0 && !fsetxattr(fd, INC, &f->inc, sizeof(f->inc), 0) &&
	       note_handle(temp, f->inc);
	if (good) {
		lock_names(number, number);
		good = !rename(temp, path);
		if (good)
			name_file(&model->name[number], f);
		unlock_names(number, number);
	}
	went(t, good);
	if (!good && fd >= 0)
		must(!unlink(temp) || model->dying);
	if (good) {
		close_view(v);
		open_view(t, v, fd);
	} else if (fd >= 0) {
		must(!close(fd));
	}
	put_file(f);
}

/* @call gives the file of one name another one, which @moves it or keeps both. */
static void name_again(struct task *t, int (*call)(const char *, const char *), bool moves)
{
	unsigned int from = some_name(t), to = some_name(t);
	char old[16], new[16];

	begin_entry(t, NULL, 0, 0, from << 8 | to);
	path_of(old, from);
	path_of(new, to);
	lock_names(from, to);
	/* Names of the same file both stay. */
	if (went(t, !call(old, new)) && model->name[from].file != model->name[to].file) {
		name_file(&model->name[to], model->name[from].file);
		if (moves)
			name_file(&model->name[from], NULL);
	}
	unlock_names(from, to);
}

/* One name takes the place of another. */
void op_rename(struct task *t, struct view *v)
{
	name_again(t, rename, true);
}

void op_link(struct task *t, struct view *v)
{
	name_again(t, link, false);
}

void op_unlink(struct task *t, struct view *v)
{
	unsigned int number = some_name(t);
	char path[16];

	begin_entry(t, NULL, 0, 0, number);
	path_of(path, number);
	lock_names(number, number);
	if (went(t, !unlink(path)))
		name_file(&model->name[number], NULL);
	unlock_names(number, number);
}

/* Whatever a handle opens has to be the file that it was made of. */
void op_handle(struct task *t, struct view *v)
{
	struct handle h;
	u16 inc = 0;
	int dir, fd;

	lock_table();
	h = model->handle[below(t, NHANDLES)];
	unlock_table();
	if (!h.inc)
		return;
	begin_entry(t, NULL, 0, 0, h.inc);
	dir = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fd = dir < 0 ? -1 : open_by_handle_at(dir, &h.h, O_RDWR | O_CLOEXEC);
	went(t, fd >= 0);
	if (dir >= 0)
		must(!close(dir));
	if (fd < 0)
		return;
	if (fgetxattr(fd, INC, &inc, sizeof(inc)) < 0 && !model->dying)
		wrong(NULL, 0, 0, "a file that a handle opened has no number: %m");
	if (inc != h.inc && !model->dying)
		wrong(NULL, 0, 0, "the handle of file %u opened file %u", h.inc, inc);
	close_view(v);
	open_view(t, v, fd);
}
