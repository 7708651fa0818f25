/* SPDX-License-Identifier: BSD-3-Clause */
#include "protocol/init_flags.h"

#include <assert.h>
#include <stddef.h>

static const struct fb_init_flag flags[] = {
#define FB_X(bit, name_, since_, party_, needs_, beats_, meaning_)                                 \
	[bit] = {                                                                                  \
		.name = #name_,                                                                    \
		.meaning = (meaning_),                                                             \
		.needs = (needs_),                                                                 \
		.beats = (beats_),                                                                 \
		.party = FB_INIT_##party_,                                                         \
		.since = (since_),                                                                 \
	},
	FB_INIT_FLAG_TABLE(FB_X)
#undef FB_X
};

#define FB_X(bit, name, ...) static_assert(FB_INIT_##name == FB_INIT_BIT(bit), #name);
FB_INIT_FLAG_TABLE(FB_X)
#undef FB_X

static_assert(sizeof(flags) / sizeof(flags[0]) == FB_INIT_FLAG_COUNT, "bits have no gaps");

const struct fb_init_flag *fb_init_flag_find(unsigned bit)
{
	return bit < FB_INIT_FLAG_COUNT ? &flags[bit] : NULL;
}

uint64_t fb_init_flags_of(enum fb_init_party party)
{
	uint64_t mask = 0;

	for (unsigned bit = 0; bit < FB_INIT_FLAG_COUNT; bit++)
		if (flags[bit].party == party)
			mask |= FB_INIT_BIT(bit);
	return mask;
}

/* What may be granted at all to a client of this version. */
static uint64_t grantable(uint64_t offered, uint32_t minor)
{
	uint64_t mask = 0;

	for (unsigned bit = 0; bit < FB_INIT_FLAG_COUNT; bit++)
		if (flags[bit].party != FB_INIT_NEVER && flags[bit].since <= minor)
			mask |= offered & FB_INIT_BIT(bit);
	return mask;
}

/* Keep what can have all that it needs, and add that. Chains of needs are one link long. */
static uint64_t with_needs(uint64_t granted, uint64_t possible)
{
	uint64_t result = 0;

	for (unsigned bit = 0; bit < FB_INIT_FLAG_COUNT; bit++)
		if ((granted & FB_INIT_BIT(bit)) && !(flags[bit].needs & ~possible))
			result |= FB_INIT_BIT(bit) | flags[bit].needs;
	return result;
}

static uint64_t without_beaten(uint64_t granted)
{
	for (unsigned bit = 0; bit < FB_INIT_FLAG_COUNT; bit++)
		if (granted & FB_INIT_BIT(bit))
			granted &= ~flags[bit].beats;
	return granted;
}

uint64_t fb_init_flags_settle(uint64_t offered, uint64_t wanted, uint32_t minor,
			      bool default_permissions)
{
	uint64_t possible = grantable(offered, minor);
	uint64_t granted = wanted & possible & ~FB_INIT_INIT_EXT;

	granted = without_beaten(with_needs(granted, possible));
	/* ACLs switch default_permissions on. Without it the kernel refuses the connection. */
	if (!default_permissions && !(granted & FB_INIT_POSIX_ACL))
		granted &= ~FB_INIT_ALLOW_IDMAP;
	if (granted >> 32 == 0)
		granted &= ~FB_INIT_INIT_EXT;
	assert(!(granted & ~offered));
	return granted;
}
