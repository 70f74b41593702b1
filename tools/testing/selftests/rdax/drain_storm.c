// SPDX-License-Identifier: GPL-2.0
/*
 * Many threads hold pages of a file, each of them again and again, while the
 * pages are taken away: see drain.sh, which says what is measured.
 *
 *   drain_storm DIR HOW PATTERN DISK THREADS:DRAINS...
 *
 * HOW is how a page is held: "vmsplice", "odirect" (a read from DISK),
 * "process_vm", "rdax_pin"; PATTERN "one" page, a "random" one, or the "whole"
 * range. There is a storm of each number of THREADS. A line in the file $DRAIN_SAMPLES for each drain has these three and:
 * nanoseconds it took; those of the longest hold; of the longest drain, in the
 * same storm, of pages that nobody holds; whether it ended in time. That it ended
 * is all that is asserted here; drain_table.py knows the bound.
 */
#include <sys/uio.h>

#include "drain_test.h"

/* Of a file whose pages are held one by one, and of one that is held as a whole. */
#define FILE_PAGES	32
#define WHOLE_PAGES	16
#define ONE		5
#define LONGEST_HOLD	(20 * MS)
/* Between two drains, for holds that no drain has to do with. */
#define GAP		(25 * MS)
#define MAX_THREADS	64
#define MAX_DRAINS	1000

struct thread {
	pthread_t thread;
	u64 seed;
	int pipe[2];
	int disk;
	char *buf;
	long long longest;
	unsigned long holds, refused;
	bool by_file;
};

static struct storm {
	const char *how, *pattern, *disk;
	int fd;
	char *map;
	size_t size;
	bool over;
	/* Odd while a drain takes pages away. */
	unsigned long drains;
} storm;

static void add(unsigned long *n)
{
	__atomic_fetch_add(n, 1, __ATOMIC_SEQ_CST);
}

static unsigned long get(unsigned long *n)
{
	return __atomic_load_n(n, __ATOMIC_SEQ_CST);
}

/* Some pages, and for how long, and by whom they are let go. */
struct held {
	off_t off;
	size_t len;
	int pin;
};

/* What is held when it returns; false if the page is not there. */
static bool take(struct thread *t, struct held *h)
{
	struct iovec iov = { storm.map + h->off, h->len };
	struct iovec local = { t->buf, h->len };
	ssize_t n;

	if (!strcmp(storm.how, "vmsplice")) {
		n = vmsplice(t->pipe[1], &iov, 1, 0);
	} else if (!strcmp(storm.how, "odirect")) {
		n = pread(t->disk, iov.iov_base, h->len, h->off);
	} else if (!strcmp(storm.how, "process_vm")) {
		n = process_vm_readv(getpid(), &local, 1, &iov, 1, 0);
	} else {
		u64 pinned = 0;

		h->pin = t->by_file ?
			 request(RDAX_PIN_WRITE | RDAX_PIN_FILE, storm.fd, h->off,
				 h->len, &pinned) :
			 request(RDAX_PIN_WRITE, 0, (uintptr_t)iov.iov_base,
				 h->len, &pinned);
		n = h->pin < 0 ? -1 : (ssize_t)pinned;
	}
	/* Beyond the end of the file, for the moment. */
	must(n > 0 || (n < 0 && (errno == EFAULT || errno == ENXIO ||
				 errno == EINVAL)));
	h->len = n > 0 ? n : 0;
	return n > 0;
}

/* The other two have let go when the call returned. */
static void let_them_go(struct thread *t, struct held *h)
{
	if (!strcmp(storm.how, "vmsplice"))
		must_eq(read(t->pipe[0], t->buf, h->len), (long)h->len);
	else if (!strcmp(storm.how, "rdax_pin"))
		must(!close(h->pin));
}

static bool holds_longer(void)
{
	return !strcmp(storm.how, "vmsplice") || !strcmp(storm.how, "rdax_pin");
}

static struct held choose(struct thread *t)
{
	struct held h = { .len = PAGE };

	if (!strcmp(storm.pattern, "whole"))
		h.len = storm.size;
	else if (!strcmp(storm.pattern, "one"))
		h.off = ONE * PAGE;
	else
		h.off = prng(&t->seed) % (storm.size / PAGE) * PAGE;
	return h;
}

static void *holder(void *arg)
{
	unsigned long drains, called;
	long long begun, took;
	struct thread *t = arg;
	struct held h;

	while (!__atomic_load_n(&storm.over, __ATOMIC_RELAXED)) {
		h = choose(t);
		drains = get(&storm.drains);
		begun = machine_now();
		if (!take(t, &h)) {
			t->refused++;
			pause_for(MS);
			continue;
		}
		called = get(&storm.drains);
		if (holds_longer())
			pause_for(prng(&t->seed) % LONGEST_HOLD);
		let_them_go(t, &h);
		took = machine_now() - begun;
		t->holds++;
		/* Else a drain may have kept it waiting. */
		if (drains == called && drains % 2 == 0 && took > t->longest)
			t->longest = took;
		/* Without a rest the CPUs would do nothing else. */
		if (!holds_longer())
			pause_for(prng(&t->seed) % LONGEST_HOLD);
	}
	return NULL;
}

/* A file all of whose pages are there, and mapped. */
static void fill_file(int fd, char *map)
{
	size_t off;

	must(!ftruncate(fd, storm.size));
	write_pattern(fd, storm.size, 1);
	for (off = 0; off < storm.size; off += PAGE)
		must(!try_store(map + off, 1));
}

static long long drain_unheld(int fd, char *map, bool truncate)
{
	struct drain d = { .fd = fd, .truncate = truncate, .len = storm.size };

	fill_file(fd, map);
	drain_start(&d);
	must(drain_ended(&d, now() + RESCUED));
	return d.ended - d.begun;
}

static void start_threads(struct thread *threads, int n)
{
	int i;

	for (i = 0; i < n; i++) {
		struct thread *t = &threads[i];

		t->seed = 1000 * n + i;
		t->buf = page_alloc(storm.size);
		t->by_file = !is_control() && i % 2;
		must(!pipe(t->pipe));
		t->disk = -1;
		if (!strcmp(storm.how, "odirect"))
			t->disk = open(storm.disk, O_RDONLY | O_DIRECT);
		must(t->disk >= 0 || strcmp(storm.how, "odirect"));
		must(!pthread_create(&t->thread, NULL, holder, t));
	}
}

static void sample(int threads, long long took, long long hold, long long unmap,
		   bool ended)
{
	FILE *f = fopen(getenv("DRAIN_SAMPLES"), "a");

	must(f);
	fprintf(f, "%s %s %d %lld %lld %lld %d\n", storm.how, storm.pattern,
		threads, took, hold, unmap, ended);
	must(!fclose(f));
}

static char *map_all(int fd)
{
	char *map = map_pte(fd, storm.size, RW);

	must(map != MAP_FAILED);
	return map;
}

/* The same pages of another file, which nobody holds. */
static struct {
	int fd;
	char *map;
} other;

static void take_away(struct drain *d, bool truncate)
{
	*d = (struct drain){ .fd = storm.fd, .len = storm.size,
			     .truncate = truncate };
	add(&storm.drains);
	drain_start(d);
}

/* Lets all threads end. */
static struct thread sum_of_threads(struct thread *threads, int n)
{
	struct thread sum = {};
	int i;

	__atomic_store_n(&storm.over, true, __ATOMIC_RELAXED);
	for (i = 0; i < n; i++) {
		struct thread *t = &threads[i];

		must(!pthread_join(t->thread, NULL));
		must(!munmap(t->buf, storm.size));
		close(t->pipe[0]);
		close(t->pipe[1]);
		if (t->disk >= 0)
			close(t->disk);
		sum.holds += t->holds;
		sum.refused += t->refused;
		if (t->longest > sum.longest)
			sum.longest = t->longest;
	}
	return sum;
}

static void one_storm(int n, int drains)
{
	struct thread threads[MAX_THREADS] = {}, sum;
	long long took[MAX_DRAINS], unmap = 0;
	struct drain d;
	int i, ended = 0;
	u64 seed = n;

	storm.over = false;
	storm.drains = 0;
	fill_file(storm.fd, storm.map);
	machine_now();
	start_threads(threads, n);
	while (ended < drains) {
		took[ended] = drain_unheld(other.fd, other.map, ended % 2);
		if (took[ended] > unmap)
			unmap = took[ended];
		pause_for(prng(&seed) % GAP);
		take_away(&d, ended % 2);
		if (!drain_ended(&d, now() + limit())) {
			not_ended();
			break;
		}
		add(&storm.drains);
		took[ended++] = d.ended - d.begun;
		fill_file(storm.fd, storm.map);
	}
	/* There may be none yet that counts. */
	pause_for(GAP);
	sum = sum_of_threads(threads, n);
	if (ended < drains)
		drain_rescue(&d, storm.map, storm.size);
	note("%s, %s, %d threads: %lu holds, %lu refused, the longest %lld us; unheld %lld us",
	     storm.how, storm.pattern, n, sum.holds, sum.refused,
	     sum.longest / 1000, unmap / 1000);
	for (i = 0; i < ended; i++) {
		note("  drain %lld us", took[i] / 1000);
		sample(n, took[i], sum.longest, unmap, true);
	}
	if (ended < drains)
		sample(n, limit(), sum.longest, unmap, false);
	must(sum.longest);
}

int main(int argc, char **argv)
{
	int i, n, drains;

	if (argc < 6)
		fail("usage: drain_storm DIR HOW PATTERN DISK THREADS:DRAINS...");
	storm.how = argv[2];
	storm.pattern = argv[3];
	storm.disk = argv[4];
	storm.size = (strcmp(storm.pattern, "whole") ? FILE_PAGES : WHOLE_PAGES) * PAGE;
	begin(argv[1]);
	catch_sigbus();
	storm.fd = create_file("f", storm.size);
	storm.map = map_all(storm.fd);
	other.fd = create_file("other", storm.size);
	other.map = map_all(other.fd);
	for (i = 5; i < argc; i++) {
		must(sscanf(argv[i], "%d:%d", &n, &drains) == 2);
		must(n > 0 && n <= MAX_THREADS);
		must(drains > 0 && drains <= MAX_DRAINS);
		one_storm(n, drains);
	}
	return 0;
}
