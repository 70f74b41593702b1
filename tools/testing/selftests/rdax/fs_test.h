/* SPDX-License-Identifier: GPL-2.0 */
/* Beside dax_test.h: for tests that work in a directory of their own. */
#ifndef FS_TEST_H
#define FS_TEST_H

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "dax_test.h"

/* Passes if @expr is -1 and errno is @err. */
#define must_fail(expr, err)						\
	do {								\
		errno = 0;						\
		if ((expr) != -1)					\
			fail("%s:%d: %s: worked, want %s", __FILE__,	\
			     __LINE__, #expr, strerrorname_np(err));	\
		if (errno != (err))					\
			fail("%s:%d: %s: %m, want %s", __FILE__,	\
			     __LINE__, #expr, strerrorname_np(err));	\
	} while (0)

/* Everything after this is relative to @dir, which is new. */
static inline void enter(const char *dir)
{
	umask(022);
	if (mkdir(dir, 0755) || chdir(dir))
		fail("%s: %m", dir);
}

static inline int new_at(const char *path, mode_t mode)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode);

	if (fd < 0)
		fail("create %s: %m", path);
	return fd;
}

static inline void touch(const char *path)
{
	must(!close(new_at(path, 0644)));
}

static inline struct stat lstat_of(const char *path)
{
	struct stat st;

	if (lstat(path, &st))
		fail("lstat %s: %m", path);
	return st;
}

static inline void want_nlink(const char *path, nlink_t nlink)
{
	struct stat st = lstat_of(path);

	if (st.st_nlink != nlink)
		fail("%s: nlink is %lu, want %lu", path,
		     (unsigned long)st.st_nlink, (unsigned long)nlink);
}

static inline void want_size(const char *path, off_t size)
{
	struct stat st = lstat_of(path);

	if (st.st_size != size)
		fail("%s: size is %lld, want %lld", path,
		     (long long)st.st_size, (long long)size);
}

static inline void want_gone(const char *path)
{
	struct stat st;

	if (!lstat(path, &st))
		fail("%s is there", path);
	if (errno != ENOENT)
		fail("%s: %m, want ENOENT", path);
}

#define MS	1000000LL

/* CLOCK_MONOTONIC in nanoseconds. */
static inline long long now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 * MS + ts.tv_nsec;
}

static inline long long now_ms(void)
{
	return now() / MS;
}

/* Returns when the clock that file times come from has moved. */
static inline void next_tick(void)
{
	struct timespec begin, now;

	clock_gettime(CLOCK_REALTIME_COARSE, &begin);
	do {
		clock_gettime(CLOCK_REALTIME_COARSE, &now);
	} while (now.tv_sec == begin.tv_sec && now.tv_nsec == begin.tv_nsec);
}

/* Runs @fn as another user; what it fails, the caller fails. */
static inline void as_user(uid_t uid, gid_t gid, void (*fn)(void))
{
	pid_t pid = fork();
	int status;

	must(pid >= 0);
	if (!pid) {
		if (setresgid(gid, gid, gid) || setresuid(uid, uid, uid))
			fail("setresuid %u: %m", uid);
		fn();
		_exit(0);
	}
	must(waitpid(pid, &status, 0) == pid);
	if (status)
		fail("as user %u: wait status %#x", uid, status);
}

#endif
