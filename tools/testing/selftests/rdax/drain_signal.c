// SPDX-License-Identifier: GPL-2.0
/*
 * Signals to those who drain, who wait at a gate, and who hold pages. Each test
 * works in a directory of its own, on a mount with drain=strict.
 */
#include <linux/fiemap.h>
#include <linux/fs.h>

#include "drain_life.h"

#define EXTENTS	16

/* What an operation that did not happen must not have changed. */
struct state {
	off_t size;
	blkcnt_t blocks;
	struct timespec mtime, ctime;
	unsigned int nr;
	struct fiemap_extent extents[EXTENTS];
};

static struct state state_of(int fd)
{
	struct {
		struct fiemap head;
		struct fiemap_extent extents[EXTENTS];
	} map = {
		.head.fm_length = FIEMAP_MAX_OFFSET,
		.head.fm_extent_count = EXTENTS,
	};
	struct state s = {};
	struct stat st;

	must(!fstat(fd, &st) && !ioctl(fd, FS_IOC_FIEMAP, &map));
	s.size = st.st_size;
	s.blocks = st.st_blocks;
	s.mtime = st.st_mtim;
	s.ctime = st.st_ctim;
	s.nr = map.head.fm_mapped_extents;
	must(s.nr > 0 && s.nr < EXTENTS);
	memcpy(s.extents, map.extents, s.nr * sizeof(s.extents[0]));
	return s;
}

/* How often faults have waited at gates of this mount. */
static unsigned long gate_waits(void)
{
	const char *drains = getenv("DRAINS_FILE");
	unsigned long sum = 0, n;
	char line[256];
	FILE *f;

	if (is_control())
		return 0;
	snprintf(line, sizeof(line), "%.*s/gate_wait_us",
		 (int)(strrchr(drains, '/') - drains), drains);
	f = fopen(line, "r");
	must(f);
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "%*s %lu", &n) == 1)
			sum += n;
	fclose(f);
	return sum;
}

/* Nobody drains: neither a fault nor a pin waits. */
static void want_open(int fd, char *map)
{
	unsigned long waits = gate_waits();
	long long begun = machine_ms();
	int pin;

	verify(map + FIRST, LAST + PAGE - FIRST, 1, FIRST);
	want_within("faults", begun, SOON);
	must_eq(gate_waits(), waits);
	if (is_control())
		return;
	pin = pin_file(RDAX_PIN_WRITE | RDAX_PIN_NOWAIT, fd, LAST, PAGE);
	must(pin >= 0);
	let_go(pin);
}

/* @attempt of an operation, on a file of which a page is held, changes nothing. */
static void leave_alone(const char *op, void (*attempt)(int fd, const char *op))
{
	struct state before, after;
	int fd, pin;
	char *map;

	fd = pattern_file(op, "pte", &map);
	verify(map, SIZE, 1, 0);
	pin = pin_by(is_control() ? "plain" : "file", RDAX_PIN_WRITE, fd, map,
		     FIRST);
	must(pin >= 0);
	before = state_of(fd);
	next_tick();
	attempt(fd, op);
	must(is_control() || polled(pin, 0) & POLLPRI);
	after = state_of(fd);
	must(!memcmp(&before, &after, sizeof(before)));
	want_open(fd, map);
	verify(map, SIZE, 1, 0);
	verify_file(fd, SIZE, 1);
	/* Once nobody holds the page, it works. */
	let_go(pin);
	must(!drain_by(fd, op));
	must(!munmap(map, SIZE) && !close(fd) && !unlink(op));
}

static int fatal;

static void attempt_killed(int fd, const char *op)
{
	struct drain d = drain_start(fd, op);
	long long begun = machine_ms();
	int status;

	must(!kill(d.pid, fatal));
	status = end_of(d.pid, LIMIT);
	want_within("death", begun, SOON);
	must(status != -1 && WIFSIGNALED(status) && WTERMSIG(status) == fatal);
	must(is_control() || !drain_is_shown(&d));
}

/* Each operation, killed by a signal. */
static void cmd_drain_killed(char **argv)
{
	unsigned int i;

	fatal = !strcmp(argv[1], "KILL") ? SIGKILL : SIGTERM;
	begin(argv[0]);
	for (i = 0; i < nr_drain_ops(); i++)
		leave_alone(drain_ops[i], attempt_killed);
}

static void attempt_once(int fd, const char *op)
{
	long long begun = machine_ms();

	must_fail(drain_by(fd, op), EAGAIN);
	want_within(op, begun, SOON);
}

/* Each operation, on a mount with drain=nowait. */
static void cmd_nowait(char **argv)
{
	unsigned int i;

	begin(argv[0]);
	for (i = 0; i < nr_drain_ops(); i++)
		leave_alone(drain_ops[i], attempt_once);
}

static int *handled;

static void on_signal(int sig)
{
	__atomic_fetch_add(handled, 1, __ATOMIC_RELAXED);
}

/* Without SA_RESTART: a system call that can be interrupted would be. */
static void handle_signals(void)
{
	struct sigaction sa = { .sa_handler = on_signal };

	handled = mmap(NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(handled != MAP_FAILED && !sigaction(SIGUSR1, &sa, NULL));
}

static int nr_handled(void)
{
	return __atomic_load_n(handled, __ATOMIC_RELAXED);
}

static void handle_in_drain(const char *op)
{
	long long end = now_ms() + LIMIT, released;
	struct drain d;
	int fd, pin, before = nr_handled();
	long age;
	char *map;

	fd = pattern_file(op, "pte", &map);
	verify(map, SIZE, 1, 0);
	pin = pin_by("plain", RDAX_PIN_WRITE, fd, map, FIRST);
	must(pin >= 0);
	d = drain_start(fd, op);
	if (is_control()) {
		must(!kill(d.pid, SIGUSR1));
		note("%s: wait status %#x", op, end_of(d.pid, SOON));
		let_go(pin);
	} else {
		age = drain_age(&d);
		must(!kill(d.pid, SIGUSR1));
		/* It has looked at the page several times since. */
		while (drain_age(&d) < age + 5 * PATIENCE_FIRST)
			look_again(end, "an older drain");
		must_eq(nr_handled(), before);
		released = machine_ms();
		let_go(pin);
		want_drained(&d, released);
		must_eq(nr_handled(), before + 1);
	}
	must(!munmap(map, SIZE) && !close(fd) && !unlink(op));
}

/* A signal that is handled waits until the drain is over, which goes on. */
static void cmd_drain_handled(char **argv)
{
	unsigned int i;

	begin(argv[0]);
	handle_signals();
	for (i = 0; i < nr_drain_ops(); i++)
		handle_in_drain(drain_ops[i]);
}

/* A task that wants a page which a drain has. */
struct want {
	const char *how;
	int fd;
	char *map;
	off_t off;
};

static void wanter(struct task *t, void *arg)
{
	struct want *w = arg;
	int pin;

	if (!strcmp(w->how, "load")) {
		verify(w->map + w->off, PAGE, 1, w->off);
		return;
	}
	pin = pin_by(w->how, RDAX_PIN_WRITE, w->fd, w->map, w->off);
	must(pin >= 0);
	/* Only once the drain was over. */
	must_eq(dma_sum(pin, 0, PAGE), 0);
}

/* The page before: a ticket that was left to a successor is void there. */
static void next_page(struct want *w)
{
	w->off -= PAGE;
	must(w->off >= (off_t)FIRST);
}

/* Until the longest interval of patience is in force. */
static void wear_out(struct want *w)
{
	struct want load = { "load", w->fd, w->map, w->off };
	struct task t;
	int i;

	for (i = PATIENCE_FIRST; i < PATIENCE_LAST; i *= 2) {
		start(&t, wanter, &load);
		want_done(&t, LIMIT);
		next_page(&load);
	}
	w->off = load.off;
}

/* Starts a task that waits: at the gate, without a ticket, or for its end. */
static bool start_waiter(struct task *t, struct want *w)
{
	start(t, wanter, w);
	if (strcmp(w->how, "load")) {
		want_sleeping(t->pid, SYS_ioctl);
		return true;
	}
	want_waiting(w->fd, t->pid, '?');
	return is_waiting(w->fd, t->pid, '0');
}

static const char * const wants[] = { "load", "memory", "file" };

static struct drain drained_file(struct want *w, int *pin)
{
	w->fd = pattern_file(w->how, "pte", &w->map);
	verify(w->map, SIZE, 1, 0);
	w->off = LAST - PAGE;
	*pin = pin_file(RDAX_PIN_WRITE, w->fd, LAST, PAGE);
	must(*pin >= 0);
	return drain_start(w->fd, "punch");
}

/*
 * A fatal signal ends a wait, a ticket is not needed for it. Should the ticket
 * come first, it is left behind: then it is tried again.
 */
static void kill_waiter(const char *how)
{
	struct want w = { .how = how };
	int pin, tries, status;
	bool waited = false;
	long long released;
	struct drain d;
	struct task t;

	d = drained_file(&w, &pin);
	wear_out(&w);
	for (tries = 0; tries < 8 && !waited; tries++) {
		waited = start_waiter(&t, &w);
		must(!kill(t.pid, SIGKILL));
		status = reap(&t, LIMIT);
		must(status != -1);
		waited = waited && WIFSIGNALED(status) &&
			 (strcmp(w.how, "load") || !is_waiting(w.fd, t.pid, '?'));
		next_page(&w);
	}
	must(waited && drain_is_shown(&d));
	released = machine_ms();
	let_go(pin);
	want_drained(&d, released);
}

static void cmd_waiter_killed(char **argv)
{
	unsigned int i;

	begin(argv[0]);
	for (i = 0; i < ARRAY_SIZE(wants); i++)
		kill_waiter(wants[i]);
}

static void handle_in_waiter(const char *how)
{
	struct want w = { .how = how };
	bool load = !strcmp(how, "load");
	int pin, before = nr_handled();
	long long begun, released;
	struct drain d;
	struct task t;

	d = drained_file(&w, &pin);
	wear_out(&w);
	start_waiter(&t, &w);
	begun = machine_ms();
	must(!kill(t.pid, SIGUSR1));
	if (load) {
		want_done(&t, LIMIT);
		want_within("fault", begun, 2 * PATIENCE_LAST + SOON);
	} else {
		must_eq(end_of(t.pid, 10 * PATIENCE_FIRST), -1);
		must_eq(nr_handled(), before);
	}
	must(drain_is_shown(&d));
	released = machine_ms();
	let_go(pin);
	want_drained(&d, released);
	if (!load)
		want_done(&t, LIMIT);
	must_eq(nr_handled(), before + 1);
}

/* A signal that is handled changes nothing: a fault waits for a ticket at most. */
static void cmd_waiter_handled(char **argv)
{
	unsigned int i;

	begin(argv[0]);
	handle_signals();
	for (i = 0; i < ARRAY_SIZE(wants); i++)
		handle_in_waiter(wants[i]);
}

static const struct cmd cmds[] = {
	{ "drain-killed", 2, cmd_drain_killed },
	{ "nowait", 1, cmd_nowait },
	{ "drain-handled", 1, cmd_drain_handled },
	{ "waiter-killed", 1, cmd_waiter_killed },
	{ "waiter-handled", 1, cmd_waiter_handled },
	{ NULL, 0, NULL },
};

int main(int argc, char **argv)
{
	return run_cmd(cmds, argc, argv);
}
