/* SPDX-License-Identifier: BSD-3-Clause */
#include "statistics.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libfb/log.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "messages.h"
#include "scope.h"

#define NS_PER_US 1000u

static sigset_t wanted_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	return set;
}

void statistics_block_signal(void)
{
	sigset_t set = wanted_signals();

	pthread_sigmask(SIG_BLOCK, &set, NULL);
}

/*
 * The upper bound of the bucket in which a share of the requests have ended, in microseconds; 0 when
 * that is the last bucket, which has none.
 */
static uint64_t percentile(const struct fb_stats *stats, unsigned percent)
{
	uint64_t total = 0, sum = 0;

	for (size_t i = 0; i < FB_STATS_BUCKETS; i++)
		total += stats->buckets[i];
	for (size_t i = 0; i + 1 < FB_STATS_BUCKETS; i++) {
		sum += stats->buckets[i];
		if (sum * 100 >= total * percent)
			return UINT64_C(1) << i;
	}
	return 0;
}

static void print_duration(FILE *to, uint64_t us)
{
	if (us == 0)
		fprintf(to, " %9s", ">8s");
	else if (us < 10000)
		fprintf(to, " %7" PRIu64 "us", us);
	else
		fprintf(to, " %7" PRIu64 "ms", us / 1000);
}

static void print_opcode(FILE *to, const struct fb_stats *stats)
{
	fprintf(to, "%-16s %12" PRIu64 " %10" PRIu64 " %14" PRIu64 " %14" PRIu64, stats->name,
		stats->requests, stats->errors, stats->bytes_in, stats->bytes_out);
	fprintf(to, " %7" PRIu64 "us", stats->latency_ns / stats->requests / NS_PER_US);
	print_duration(to, percentile(stats, 50));
	print_duration(to, percentile(stats, 99));
	fputs("\n", to);
}

/* The histogram: each bucket that is not empty, by its upper bound. */
static void print_histogram(FILE *to, const struct fb_stats *stats)
{
	fprintf(to, "%-16s", stats->name);
	for (size_t i = 0; i < FB_STATS_BUCKETS; i++) {
		if (!stats->buckets[i])
			continue;
		if (i + 1 < FB_STATS_BUCKETS)
			fprintf(to, " <=%" PRIu64 "us:%" PRIu64, UINT64_C(1) << i,
				stats->buckets[i]);
		else
			fprintf(to, " more:%" PRIu64, stats->buckets[i]);
	}
	fputs("\n", to);
}

static void print_session(FILE *to, struct fb_session *session)
{
	struct fb_session_stats stats = { .size = sizeof(stats) };

	fb_session_stats_all(session, &stats);
	fprintf(to,
		"statistics: %s, %u threads (at most %u so far), %u requests pending, "
		"%" PRIu64 " interrupts\n",
		stats.transport, stats.workers, stats.workers_peak, stats.pending,
		stats.interrupts);
	fprintf(to,
		"%" PRIu64 " malformed requests, %" PRIu64 " answers not delivered, "
		"%" PRIu64 " notifications, %" PRIu64 " of them failed\n",
		stats.malformed, stats.undelivered, stats.notifications, stats.notification_errors);
}

static void for_each_opcode(struct fb_session *session, FILE *to,
			    void (*print)(FILE *to, const struct fb_stats *stats))
{
	struct fb_stats stats;

	for (size_t i = 0; fb_session_stats_op(session, i, &stats); i++) {
		if (stats.requests)
			print(to, &stats);
	}
}

void statistics_print(struct fb_session *session, FILE *to)
{
	print_session(to, session);
	fprintf(to, "%-16s %12s %10s %14s %14s %9s %9s %9s\n", "opcode", "requests", "errors",
		"bytes in", "bytes out", "mean", "50% in", "99% in");
	for_each_opcode(session, to, print_opcode);
	fputs("time from request to answer:\n", to);
	for_each_opcode(session, to, print_histogram);
}

static void print_to_messages(struct fb_session *session)
{
	SCOPED_FREE char *text = NULL;
	size_t size;
	FILE *memory = open_memstream(&text, &size);

	if (!memory)
		return;
	statistics_print(session, memory);
	fclose(memory);
	for (char *rest = text, *line; text && (line = strsep(&rest, "\n"));) {
		if (*line)
			messages_line(FB_LOG_INFO, line);
	}
}

static void print_to_file(struct fb_session *session, const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	SCOPED_FILE file = fd < 0 ? NULL : fdopen(fd, "w");

	if (!file) {
		fb_log(FB_LOG_ERR, "--stats-file=%s: %s", path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return;
	}
	statistics_print(session, file);
}

static void *wait_for_signals(void *arg)
{
	struct statistics *statistics = arg;
	struct pollfd wait[] = {
		{ .fd = statistics->signal_fd, .events = POLLIN },
		{ .fd = statistics->stop_fd, .events = POLLIN },
	};
	struct signalfd_siginfo info;

	while (!(wait[1].revents & POLLIN)) {
		if (poll(wait, 2, -1) < 0 || !(wait[0].revents & POLLIN))
			continue;
		if (read(statistics->signal_fd, &info, sizeof(info)) < 0)
			continue;
		if (statistics->file)
			print_to_file(statistics->session, statistics->file);
		else
			print_to_messages(statistics->session);
	}
	return NULL;
}

int statistics_start(struct statistics *statistics, struct fb_session *session, const char *file)
{
	sigset_t set = wanted_signals();

	*statistics = (struct statistics){
		.session = session,
		.file = file,
		.signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK),
		.stop_fd = eventfd(0, EFD_CLOEXEC),
	};
	if (statistics->signal_fd < 0 || statistics->stop_fd < 0)
		return fb_fail(errno, "can not wait for SIGUSR1: %s", strerror(errno));
	statistics->running =
		pthread_create(&statistics->thread, NULL, wait_for_signals, statistics) == 0;
	return statistics->running ? 0 : fb_fail(EAGAIN, "can not start a thread");
}

void statistics_stop(struct statistics *statistics)
{
	if (statistics->running) {
		eventfd_write(statistics->stop_fd, 1);
		pthread_join(statistics->thread, NULL);
	}
	scope_close(&statistics->signal_fd);
	scope_close(&statistics->stop_fd);
	statistics->running = false;
}
