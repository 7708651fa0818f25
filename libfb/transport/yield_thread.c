/* SPDX-License-Identifier: BSD-3-Clause */
#include <libfb/log.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "transport/yield.h"
#include "transport/yield_policy.h"

/* The fields of /proc/PID/stat behind the name, of which the 37th is the processor: proc(5), field 39. */
#define PROCESSOR_BEHIND_NAME 37

void fb_yield_thread_begin(struct fb_yield_thread *thread)
{
	*thread = (struct fb_yield_thread){ .cpu = FB_YIELD_ANY };
	if (fb_yield_policy_is_usual(0))
		thread->tid = (pid_t)syscall(SYS_gettid);
}

static void go_to(struct fb_yield_thread *thread, int cpu)
{
	cpu_set_t there = thread->before;

	if (cpu != FB_YIELD_ANY) {
		if (!CPU_ISSET((unsigned)cpu, &thread->before))
			return;
		CPU_ZERO(&there);
		CPU_SET((unsigned)cpu, &there);
	}
	if (sched_setaffinity(thread->tid, sizeof(there), &there) == 0)
		thread->cpu = cpu;
}

static void stop(struct fb_yield_thread *thread)
{
	int r = fb_yield_policy_end(thread->tid);

	if (thread->cpu != FB_YIELD_ANY)
		go_to(thread, FB_YIELD_ANY);
	thread->yields = false;
	if (r == 0)
		return;
	thread->tid = 0;
	fb_log(FB_LOG_WARNING, "a worker stays with the scheduling policy SCHED_IDLE: %s",
	       strerror(-r));
}

void fb_yield_thread_end(struct fb_yield_thread *thread)
{
	if (thread->yields)
		stop(thread);
	*thread = (struct fb_yield_thread){ .cpu = FB_YIELD_ANY };
}

static bool may_run_on(struct fb_yield_thread *thread, int cpu)
{
	return sched_getaffinity(thread->tid, sizeof(thread->before), &thread->before) == 0 &&
	       CPU_ISSET((unsigned)cpu, &thread->before);
}

static void start(struct fb_yield_thread *thread, int cpu)
{
	if (cpu != FB_YIELD_ANY && !may_run_on(thread, cpu))
		return;
	thread->yields = fb_yield_policy_begin(thread->tid) == 0;
}

void fb_yield_thread_set(struct fb_yield_thread *thread, bool yields, int cpu)
{
	if (thread->tid == 0)
		return;
	if (yields && !thread->yields)
		start(thread, cpu);
	else if (!yields && thread->yields)
		stop(thread);
	if (thread->yields && thread->cpu != cpu)
		go_to(thread, cpu);
}

void fb_yield_keeper_avoid(struct fb_yield_keeper *keeper, int cpu)
{
	cpu_set_t others;

	if (keeper->avoids ? cpu == keeper->cpu : cpu == FB_YIELD_ANY)
		return;
	if (!keeper->avoids && sched_getaffinity(0, sizeof(keeper->before), &keeper->before) < 0)
		return;
	others = keeper->before;
	if (cpu != FB_YIELD_ANY)
		CPU_CLR((unsigned)cpu, &others);
	/* Without any other this fails, and nothing changes. */
	if (sched_setaffinity(0, sizeof(others), &others) < 0)
		return;
	keeper->avoids = cpu != FB_YIELD_ANY;
	keeper->cpu = cpu;
}

void fb_yield_keeper_disinherit(const struct fb_yield_keeper *keeper)
{
	if (CPU_COUNT(&keeper->before) > 0)
		sched_setaffinity(0, sizeof(keeper->before), &keeper->before);
}

int fb_yield_cpu_of(pid_t tid)
{
	char path[32], line[1024];
	const char *at;
	size_t size;
	FILE *file;
	int cpu;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)tid);
	file = fopen(path, "re");
	if (!file)
		return FB_YIELD_ANY;
	/* The name stands in brackets, and may hold anything. */
	size = fread(line, 1, sizeof(line) - 1, file);
	line[size] = 0;
	at = strrchr(line, ')');
	fclose(file);
	for (int i = 0; at && i < PROCESSOR_BEHIND_NAME; i++)
		at = strchr(at + 1, ' ');
	return at && sscanf(at, "%d", &cpu) == 1 && cpu >= 0 && cpu < CPU_SETSIZE ? cpu :
										    FB_YIELD_ANY;
}
