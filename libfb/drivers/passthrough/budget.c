/* SPDX-License-Identifier: BSD-3-Clause */
#include "budget.h"

#include "inode_clock.h"
#include "resolve.h"
#include "state.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

/* What a server may sensibly want (and what virtiofsd asks for). */
#define DESCRIPTORS_WANTED 1000000u

/* Kept back for short-lived descriptors of operations, for transports and for the program. */
#define DESCRIPTORS_RESERVE 640u

/* Descriptors closed in one go: over the watermark, and when the kernel has run out. */
#define EVICT_STEP 2u
#define EVICT_FLOOD 64u

#define RETRIES_MAX 3u

/* ---- limits --------------------------------------------------------------------------------------- */

static uint64_t read_nr_open(void)
{
	FILE *file = fopen("/proc/sys/fs/nr_open", "re");
	uint64_t value = 0;
	char line[32];

	if (!file)
		return DESCRIPTORS_WANTED;
	if (fgets(line, sizeof(line), file))
		value = strtoull(line, NULL, 10);
	fclose(file);
	return value ? value : DESCRIPTORS_WANTED;
}

/* Raise the soft limit, and the hard one where that is allowed; never lower either. */
static int raise_limit(const struct rlimit *old, uint64_t *ret_limit)
{
	uint64_t wanted = DESCRIPTORS_WANTED, nr_open = read_nr_open();
	struct rlimit new;

	if (nr_open < wanted)
		wanted = nr_open;
	*ret_limit = old->rlim_cur;
	if (old->rlim_cur >= wanted)
		return 0;
	new.rlim_cur = wanted;
	new.rlim_max = old->rlim_max > wanted ? old->rlim_max : wanted;
	if (setrlimit(RLIMIT_NOFILE, &new) < 0) {
		new.rlim_max = old->rlim_max;
		new.rlim_cur = old->rlim_max < wanted ? old->rlim_max : wanted;
		if (setrlimit(RLIMIT_NOFILE, &new) < 0)
			return fb_fail(errno, "can not raise the limit of open files: %s",
				       strerror(errno));
	}
	*ret_limit = new.rlim_cur;
	if (new.rlim_cur < wanted)
		fb_log(FB_LOG_WARNING,
		       "passthrough: only %ju files can be open at once, %ju were wanted: raise "
		       "the hard limit (RLIMIT_NOFILE)",
		       (uintmax_t) new.rlim_cur, (uintmax_t)wanted);
	return 0;
}

int fb_budget_init(struct fb_budget *budget, uint32_t max_descriptors)
{
	struct rlimit old;
	uint64_t limit;
	int result = 0;

	if (getrlimit(RLIMIT_NOFILE, &old) < 0)
		return fb_fail(errno, "can not read the limit of open files: %s", strerror(errno));
	limit = old.rlim_cur;
	/* Who says how many there may be has set the limit to go with it. */
	if (max_descriptors == 0)
		result = raise_limit(&old, &limit);
	if (result < 0)
		return result;
	if (limit > DESCRIPTORS_WANTED)
		limit = DESCRIPTORS_WANTED;
	/* With a small limit, half of it for each purpose. */
	limit = limit > 2 * DESCRIPTORS_RESERVE ? limit - DESCRIPTORS_RESERVE : limit / 2;
	if (max_descriptors > limit)
		fb_log(FB_LOG_WARNING,
		       "passthrough: %u descriptors are asked for, %u can be had: raise the limit "
		       "of open files (RLIMIT_NOFILE)",
		       max_descriptors, (unsigned)limit);
	if (max_descriptors > 0 && max_descriptors < limit)
		limit = max_descriptors;
	*budget = (struct fb_budget){
		.limit = (uint32_t)limit,
		.watermark = (uint32_t)(limit - limit / 8),
	};
	return 0;
}

/* ---- closing what is idle ----------------------------------------------------------------------------- */

/*
 * Close the descriptor of one idle node. An inode without a name left can not be opened by its
 * handle any more: that descriptor stays. Returns false when there was none to close.
 */
static bool evict_one(struct fb_passthrough *fs)
{
	struct fb_inode_table *table = &fs->inodes;

	/* Each node is passed over once for having been used, and may have none idle in a shard. */
	for (unsigned i = 0; i < 2 * FB_INODE_SHARDS && table->closable > 0; i++) {
		uint32_t shard =
			atomic_fetch_add_explicit(&fs->budget.hand, 1, memory_order_relaxed);
		struct fb_inode *inode = fb_inode_clock_pick(table, shard);
		struct statx statx;
		int fd = -1;

		if (!inode)
			continue;
		if (fb_resolve_stat(inode->fd, &statx) < 0 || statx.stx_nlink == 0)
			fb_inode_clock_keep_fd(table, inode);
		else
			fd = fb_inode_clock_take_fd(table, inode);
		fb_inode_put(fs, inode);
		if (fd < 0)
			continue;
		close(fd);
		fb_budget_give(fs);
		atomic_fetch_add_explicit(&fs->budget.evictions, 1, memory_order_relaxed);
		return true;
	}
	return false;
}

static unsigned evict(struct fb_passthrough *fs, unsigned count)
{
	unsigned done = 0;

	while (done < count && evict_one(fs))
		done++;
	return done;
}

/* ---- counting -------------------------------------------------------------------------------------------- */

int fb_budget_take(struct fb_passthrough *fs)
{
	struct fb_budget *budget = &fs->budget;
	uint32_t taken = atomic_fetch_add_explicit(&budget->taken, 1, memory_order_relaxed) + 1;

	if (taken <= budget->watermark)
		return 0;
	evict(fs, EVICT_STEP);
	while (budget->taken > budget->limit && evict_one(fs))
		;
	if (budget->taken <= budget->limit)
		return 0;
	fb_budget_give(fs);
	if (!atomic_exchange(&budget->warned, true))
		fb_log(FB_LOG_WARNING,
		       "passthrough: all %u descriptors for nodes and open files are in use: "
		       "requests fail with ENFILE",
		       budget->limit);
	return -ENFILE;
}

void fb_budget_give(struct fb_passthrough *fs)
{
	atomic_fetch_sub_explicit(&fs->budget.taken, 1, memory_order_relaxed);
}

bool fb_budget_retry(struct fb_passthrough *fs, int error, unsigned *tries)
{
	if ((error != EMFILE && error != ENFILE) || *tries >= RETRIES_MAX)
		return false;
	++*tries;
	return evict(fs, EVICT_FLOOD) > 0;
}
