/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/yield.h"

#include <stdio.h>
#include <unistd.h>

#include "transport/yield_policy.h"

/* Requests answered in a tick: so many are one after the other without a pause; so few are not, any more. */
#define MANY 80u
#define FEW 40u
/* Ticks. Who stood in line before so many have passed waits twice as long for the next time. */
#define LONG 100u
#define PENALTY_MIN 8u
#define PENALTY_MAX 1024u

static void punish(struct fb_yield *yield)
{
	bool soon = yield->lasted < LONG;

	yield->penalty = soon && yield->penalty > 0 ? yield->penalty * 2 : PENALTY_MIN;
	if (yield->penalty > PENALTY_MAX)
		yield->penalty = PENALTY_MAX;
	yield->pause = yield->penalty;
}

static bool goes_on(struct fb_yield *yield, const struct fb_yield_look *look)
{
	yield->lasted++;
	if (look->answered >= FEW)
		return look->one_by_one;
	if (look->waiting || look->crowded)
		punish(yield);
	return false;
}

static bool begins(struct fb_yield *yield, const struct fb_yield_look *look)
{
	if (yield->pause > 0) {
		yield->pause--;
		return false;
	}
	yield->lasted = 0;
	return look->one_by_one && look->answered >= MANY && !look->crowded;
}

bool fb_yield_decide(struct fb_yield *yield, const struct fb_yield_look *look)
{
	yield->yields = yield->yields ? goes_on(yield, look) : begins(yield, look);
	return yield->yields;
}

/* Processors that are not idle keep clients where they are, and whoever yields there stands in line. */
static bool is_crowded(void)
{
	FILE *file = fopen("/proc/loadavg", "re");
	unsigned running;
	bool known;

	if (!file)
		return true;
	known = fscanf(file, "%*s %*s %*s %u/", &running) == 1;
	fclose(file);
	return !known || running > (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
}

static bool crowd_matters(const struct fb_yield *yield, const struct fb_yield_look *look)
{
	if (yield->yields)
		return look->answered < FEW;
	return look->one_by_one && look->answered >= MANY && yield->pause == 0;
}

bool fb_yield_tick(struct fb_yield *yield, struct fb_yield_look *look)
{
	bool before = yield->yields;

	look->crowded = crowd_matters(yield, look) && is_crowded();
	if (!fb_yield_decide(yield, look) || before || fb_yield_policy_can_end())
		return yield->yields;
	yield->yields = false;
	yield->pause = PENALTY_MAX;
	return false;
}
