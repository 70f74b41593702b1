// SPDX-License-Identifier: GPL-2.0
/*
 * Everything at once on few files: a round of it.
 *
 *   fs_torture run DIR STATE [-s SEED] [-n OPERATIONS] [-p PROCESSES] [-t THREADS] [-f NAMES]
 *              [-k KIND,...] [-x KIND,...] [-d DISK] [-w] [-u NAMESPACE]
 *   fs_torture verify DIR STATE [-u NAMESPACE]
 *   fs_torture kinds
 *
 * DIR is where the volume is mounted. Tasks, THREADS in each of PROCESSES, do OPERATIONS each, that
 * come from SEED, of all kinds or those that are named (-k), without some (-x). All of them judge
 * what they read (oracle.h). When they are done, all files are read and judged, and what is in
 * them goes to the file STATE with all that is known of them. After another mount "verify" expects
 * it to be the same.
 *
 * -w: drain=strict is in force. -u: half-way the driver is unbound from NAMESPACE, and anything may
 * fail from there on; then verify -u looks only whether it may be so.
 */
#include <getopt.h>
#include <linux/fs.h>
#include <signal.h>
#include <string.h>

#include "torture.h"

/* Seconds without any operation that ends. */
#define PATIENCE	60
/* Where the state is in memory: it has pointers into itself. */
#define STATE		((void *)(1UL << 45))

struct model *model;

static struct {
	u64 seed;
	unsigned long operations;
	unsigned int processes, threads, names;
	const char *kinds, *without, *disk, *namespace;
	bool strict;
	bool enabled[MAX_OPS];
	unsigned int weight;
} options = { .operations = 500, .processes = 2, .threads = 2, .names = 4 };

static bool is_named(const char *list, const char *kind)
{
	size_t len = strlen(kind);
	const char *at = list;

	for (; at && (at = strstr(at, kind)); at += len)
		if ((at == list || at[-1] == ',') && (!at[len] || at[len] == ','))
			return true;
	return false;
}

static void enable_kinds(void)
{
	unsigned int i;

	for (i = 0; i < noperations; i++) {
		const char *kind = operations[i].name;

		options.enabled[i] = (!options.kinds || is_named(options.kinds, kind)) &&
				     !is_named(options.without, kind);
		if (options.enabled[i])
			options.weight += operations[i].weight;
	}
	if (!options.weight)
		fail("no such kinds of operations: see %s", "fs_torture kinds");
}

static const struct operation *some_operation(struct task *t)
{
	unsigned int n = below(t, options.weight), i;

	for (i = 0; ; i++) {
		if (!options.enabled[i])
			continue;
		if (n < operations[i].weight)
			return &operations[i];
		n -= operations[i].weight;
	}
}

static const struct operation *operation_named(const char *name)
{
	unsigned int i;

	for (i = 0; strcmp(operations[i].name, name); i++)
		must(i + 1 < noperations);
	return &operations[i];
}

/* With @keep nothing that removes files or their ends. */
static void do_operation(struct task *t, bool keep)
{
	struct view *v = &t->view[below(t, MAX_VIEWS)];

	t->op = some_operation(t);
	if (keep && t->op->removes)
		return;
	if (!v->file && !t->op->alone)
		t->op = operation_named("open");
	let_holds_go(t, false);
	t->op->fn(t, v);
	model->done[t->op - operations]++;
}

static void begin_task(struct task *t, int number)
{
	memset(t, 0, sizeof(*t));
	t->number = number;
	t->rnd = (options.seed + 1) * 0x9e3779b97f4a7c15ULL + number;
	t->buf = page_alloc(CHUNK * PAGE);
	t->disk = options.disk ? open(options.disk, O_RDWR | O_DIRECT | O_CLOEXEC) : -1;
	must(t->disk >= 0 || !options.disk);
	t->pin = open("/dev/rdax_pin", O_RDWR | O_CLOEXEC);
}

static void end_task(struct task *t)
{
	int i;

	let_holds_go(t, true);
	for (i = 0; i < MAX_VIEWS; i++)
		close_view(&t->view[i]);
}

static void *run_task(void *arg)
{
	struct task *t = arg;
	unsigned long i;

	/* So that there is something in the end. */
	for (i = 0; i < options.operations && !model->over; i++)
		do_operation(t, i > options.operations / 8 * 7);
	end_task(t);
	return NULL;
}

static void run_process(int number)
{
	pthread_t thread[MAX_TASKS];
	struct task *task = calloc(options.threads, sizeof(*task));
	unsigned int i;

	must(task);
	catch_sigbus();
	for (i = 0; i < options.threads; i++) {
		begin_task(&task[i], number * options.threads + i);
		must(!pthread_create(&thread[i], NULL, run_task, &task[i]));
	}
	for (i = 0; i < options.threads; i++)
		must(!pthread_join(thread[i], NULL));
	exit(0);
}

static void *map_state(const char *path, int flags)
{
	size_t size = (sizeof(*model) + PAGE - 1) & ~(PAGE - 1);
	int fd = open(path, O_RDWR | O_CLOEXEC | flags, 0600);
	void *state;

	must(fd >= 0 && !ftruncate(fd, size));
	state = mmap(STATE, size, RW, MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0);
	must(state != MAP_FAILED && !close(fd));
	return state;
}

static unsigned long all_done(void)
{
	unsigned long n = 0;
	unsigned int i;

	for (i = 0; i < noperations; i++)
		n += model->done[i];
	return n;
}

/* Every name but the last one has a file. */
static void make_files(void)
{
	struct task t;
	unsigned int i;

	begin_task(&t, MAX_TASKS - 1);
	t.op = operation_named("create");
	for (i = 0; i < 4 * options.names; i++)
		t.op->fn(&t, &t.view[0]);
	end_task(&t);
}

static void take_device(void)
{
	int fd = open("/sys/bus/nd/drivers/rdax_pmem/unbind", O_WRONLY | O_CLOEXEC);
	ssize_t len = strlen(options.namespace);

	must(fd >= 0);
	model->dying = true;
	must(write(fd, options.namespace, len) == len);
	must(!close(fd));
	model->over = true;
}

static void show_stack(pid_t pid)
{
	char command[80];

	snprintf(command, sizeof(command), "head -n 12 /proc/%d/task/*/stack >&2", pid);
	if (system(command))
		note("no stacks");
}

static void end_processes(const pid_t *pids)
{
	unsigned int i;
	int fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	for (i = 0; i < options.processes; i++)
		if (pids[i])
			kill(pids[i], SIGKILL);
	/* Who had frozen it may be dead. */
	ioctl(fd, FITHAW, 0);
	fail("seed %llu failed", options.seed);
}

static void watch(pid_t *pids)
{
	unsigned long done = 0, half = options.operations * options.processes * options.threads / 2;
	unsigned int left = options.processes, i, idle = 0;
	int status;

	while (left) {
		pause_us(10000);
		for (i = 0; i < options.processes; i++) {
			if (!pids[i] || !waitpid(pids[i], &status, WNOHANG))
				continue;
			if (status)
				note("process %d: wait status %#x", pids[i], status);
			pids[i] = 0;
			left--;
			if (status)
				end_processes(pids);
		}
		if (options.namespace && !model->dying && all_done() > half)
			take_device();
		idle = all_done() == done ? idle + 1 : 0;
		done = all_done();
		if (idle < PATIENCE * 100 * (unsigned int)time_factor())
			continue;
		note("nothing goes on any more");
		for (i = 0; i < options.processes; i++)
			if (pids[i])
				show_stack(pids[i]);
		if (!fork())
			wrong(NULL, 0, MAX_PAGES, "hangs");
		pause_us(1000000);
		end_processes(pids);
	}
}

static void show_counts(void)
{
	unsigned int i;

	note("%lu words judged, %lu torn; %u files, %u stores", oracle->judged, oracle->torn,
	     oracle->incs - first_inc(), oracle->stores);
	for (i = 0; i < noperations; i++)
		if (model->done[i])
			note("  %-12s %6lu, %lu refused", operations[i].name, model->done[i],
			     model->refused[i]);
}

static void run(void)
{
	pid_t pids[MAX_TASKS] = {};
	unsigned int i;

	if (options.processes * options.threads >= MAX_TASKS || options.names > MAX_NAMES ||
	    !options.processes || !options.threads || !options.names || !options.operations)
		fail("1 to %d tasks and 1 to %d names", MAX_TASKS - 1, MAX_NAMES);
	enable_kinds();
	model->seed = options.seed;
	model->strict = options.strict;
	init_files(options.names);
	note("seed %llu", options.seed);
	make_files();
	for (i = 0; i < options.processes; i++) {
		pids[i] = fork();
		must(pids[i] >= 0);
		if (!pids[i])
			run_process(i);
	}
	watch(pids);
	show_counts();
	must(oracle->judged > 0);
	if (!options.namespace)
		check_files(false);
}

static void parse(int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "s:n:p:t:f:k:x:d:wu:")) != -1) {
		switch (c) {
		case 's':
			options.seed = strtoull(optarg, NULL, 0);
			break;
		case 'n':
			options.operations = strtoul(optarg, NULL, 0);
			break;
		case 'p':
			options.processes = strtoul(optarg, NULL, 0);
			break;
		case 't':
			options.threads = strtoul(optarg, NULL, 0);
			break;
		case 'f':
			options.names = strtoul(optarg, NULL, 0);
			break;
		case 'k':
			options.kinds = optarg;
			break;
		case 'x':
			options.without = optarg;
			break;
		case 'd':
			options.disk = optarg;
			break;
		case 'w':
			options.strict = true;
			break;
		case 'u':
			options.namespace = optarg;
			break;
		default:
			fail("no such option: see the head of the source");
		}
	}
}

int main(int argc, char **argv)
{
	unsigned int i;
	bool verify;

	if (argc == 2 && !strcmp(argv[1], "kinds")) {
		for (i = 0; i < noperations; i++)
			puts(operations[i].name);
		return 0;
	}
	if (argc < 4)
		fail("usage: %s run|verify DIR STATE [options]", argv[0]);
	verify = !strcmp(argv[1], "verify");
	parse(argc - 3, argv + 3);
	model = map_state(argv[3], verify ? 0 : O_CREAT | O_EXCL);
	oracle = &model->oracle;
	if (chdir(argv[2]))
		fail("%s: %m", argv[2]);
	catch_sigbus();
	if (verify)
		check_files(!options.namespace);
	else
		run();
	return 0;
}
