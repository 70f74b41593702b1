// SPDX-License-Identifier: GPL-2.0
/*
 * Operations on names. File systems defer part of their work: these cases have
 * a total as well, with everything up to the end of a syncfs(2).
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench.h"

#define NR_FILES	1000
#define NR_OTHERS	200

/* Made beforehand: formatting is no part of the operation. */
static char from[NR_FILES][16], to[NR_FILES][16];

static void make_names(void)
{
	for (int i = 0; i < NR_FILES; i++) {
		snprintf(from[i], sizeof(from[i]), "file%04d", i);
		snprintf(to[i], sizeof(to[i]), "name%04d", i);
	}
}

static void make_files(int n)
{
	make_names();
	for (int i = 0; i < n; i++)
		close(create_file(from[i], 0));
	sync_all();
}

static void create(void)
{
	uint64_t begin;

	make_names();
	begin = ticks();
	for (int i = 0; i < NR_FILES; i++) {
		uint64_t start = ticks();
		int fd = open(from[i], O_CREAT | O_EXCL | O_RDWR, 0644);

		close(fd);
		sample(start);
		if (fd < 0)
			die("%s: %m", from[i]);
	}
	sync_all();
	report_total(begin, NR_FILES);
}

static void unlink_files(void)
{
	uint64_t begin;

	make_files(NR_FILES);
	begin = ticks();
	for (int i = 0; i < NR_FILES; i++) {
		uint64_t start = ticks();
		int error = unlink(from[i]);

		sample(start);
		if (error)
			die("%s: %m", from[i]);
	}
	sync_all();
	report_total(begin, NR_FILES);
}

static void rename_files(void)
{
	uint64_t begin;

	make_files(NR_OTHERS);
	begin = ticks();
	for (int i = 0; i < NR_OTHERS; i++) {
		uint64_t start = ticks();
		int error = rename(from[i], to[i]);

		sample(start);
		if (error)
			die("%s: %m", from[i]);
	}
	sync_all();
	report_total(begin, NR_OTHERS);
}

static void make_directories(void)
{
	uint64_t begin;

	make_names();
	begin = ticks();
	for (int i = 0; i < NR_OTHERS; i++) {
		uint64_t start = ticks();
		int error = mkdir(from[i], 0755);

		sample(start);
		if (error)
			die("%s: %m", from[i]);
	}
	sync_all();
	report_total(begin, NR_OTHERS);
}

static void stat_file(void)
{
	struct stat st;

	make_files(1);
	for (int i = 0; i < 1000; i++) {
		uint64_t start = ticks();
		int error = stat(from[0], &st);

		sample(start);
		if (error)
			die("%s: %m", from[0]);
	}
}

const struct bench_case name_cases[] = {
	{ .name = "create", .run = create },
	{ .name = "unlink", .run = unlink_files },
	{ .name = "rename", .run = rename_files },
	{ .name = "mkdir", .run = make_directories },
	{ .name = "stat", .run = stat_file },
	{ }
};
