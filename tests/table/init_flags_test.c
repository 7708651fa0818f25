/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Settling features: properties that hold for every feature and every pair of them.
 */
#include "cmocka_setup.h"
#include "protocol/init_flags.h"
#include "protocol/wire.h"

#define FOR_EACH_BIT(bit) for (unsigned bit = 0; bit < FB_INIT_FLAG_COUNT; bit++)

#define NEWEST FB_KERNEL_MINOR
#define ALL UINT64_MAX

static uint64_t settle(uint64_t offered, uint64_t wanted)
{
	return fb_init_flags_settle(offered, wanted, NEWEST, true);
}

static const struct fb_init_flag *find(unsigned bit)
{
	return fb_init_flag_find(bit);
}

/* What has to be true of any outcome. */
static void assert_sound(uint64_t offered, uint64_t wanted, uint32_t minor, bool permissions)
{
	uint64_t granted = fb_init_flags_settle(offered, wanted, minor, permissions);
	uint64_t taken_along = FB_INIT_INIT_EXT;

	assert_true((granted & ~offered) == 0);
	assert_true((granted & fb_init_flags_of(FB_INIT_NEVER)) == 0);
	assert_true((granted >> 32 != 0) == ((granted & FB_INIT_INIT_EXT) != 0));
	assert_true((granted & FB_INIT_ALLOW_IDMAP) == 0 || permissions ||
		    (granted & FB_INIT_POSIX_ACL));
	FOR_EACH_BIT(bit)
	{
		if (!(granted & FB_INIT_BIT(bit)))
			continue;
		assert_true((find(bit)->needs & ~granted) == 0);
		assert_true((find(bit)->beats & granted) == 0);
		assert_true(find(bit)->since <= minor);
		taken_along |= find(bit)->needs;
	}
	/* nothing that nobody wanted, except what something else needs */
	assert_true((granted & ~wanted & ~taken_along) == 0);
	/* settling what has been settled changes nothing */
	assert_true(fb_init_flags_settle(offered, granted, minor, permissions) == granted);
}

static void the_table_is_sound(void **state)
{
	(void)state;
	assert_null(find(FB_INIT_FLAG_COUNT));
	assert_null(find(64));
	FOR_EACH_BIT(bit)
	{
		assert_non_null(find(bit)->name);
		assert_non_null(find(bit)->meaning);
		assert_in_range(find(bit)->since, 0, NEWEST);
		/* nobody needs or beats himself, or needs what he beats */
		assert_true((find(bit)->needs & FB_INIT_BIT(bit)) == 0);
		assert_true((find(bit)->beats & FB_INIT_BIT(bit)) == 0);
		assert_true((find(bit)->needs & find(bit)->beats) == 0);
		assert_true((bit >= 32) == ((find(bit)->needs & FB_INIT_INIT_EXT) != 0));
		/* needs are one link long, and not newer than who has them */
		FOR_EACH_BIT(other)
		{
			if (!(find(bit)->needs & FB_INIT_BIT(other)))
				continue;
			assert_int_equal(find(other)->needs, 0);
			assert_int_not_equal(find(other)->party, FB_INIT_NEVER);
		}
	}
	assert_string_equal(find(0)->name, "ASYNC_READ");
	assert_string_equal(find(42)->name, "REQUEST_TIMEOUT");
}

static void parties_share_out_all_features(void **state)
{
	uint64_t all = 0;

	(void)state;
	for (int party = FB_INIT_CORE; party <= FB_INIT_NEVER; party++) {
		uint64_t mask = fb_init_flags_of((enum fb_init_party)party);

		assert_true((all & mask) == 0);
		all |= mask;
	}
	assert_true(all == FB_INIT_BIT(FB_INIT_FLAG_COUNT) - 1);
}

static void single_features_are_granted(void **state)
{
	(void)state;
	FOR_EACH_BIT(bit)
	{
		bool never = find(bit)->party == FB_INIT_NEVER || bit == 30;
		uint64_t expected = never ? 0 : FB_INIT_BIT(bit) | find(bit)->needs;

		assert_true(settle(ALL, FB_INIT_BIT(bit)) == expected);
		assert_true(settle(~FB_INIT_BIT(bit), FB_INIT_BIT(bit)) == 0);
		assert_sound(ALL, FB_INIT_BIT(bit), NEWEST, true);
		assert_sound(ALL, FB_INIT_BIT(bit), NEWEST, false);
	}
}

static void pairs_are_sound(void **state)
{
	(void)state;
	FOR_EACH_BIT(a)
	{
		FOR_EACH_BIT(b)
		{
			uint64_t pair = FB_INIT_BIT(a) | FB_INIT_BIT(b);

			assert_sound(ALL, pair, NEWEST, true);
			assert_sound(ALL, pair, NEWEST, false);
			assert_sound(~pair, ALL, NEWEST, true);
			assert_sound(~pair, ALL, NEWEST, false);
			assert_sound(~FB_INIT_BIT(a), pair, NEWEST, true);
			assert_sound(pair, ALL, NEWEST, false);
		}
	}
}

static void random_sets_are_sound(void **state)
{
	uint64_t x = 88172645463325252u, y;

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		y = x * 0x9e3779b97f4a7c15u;
		assert_sound(x, y, FB_KERNEL_MINOR_MIN + i % 19, i & 1);
	}
}

static void everything_wanted_is_sound_in_every_version(void **state)
{
	(void)state;
	for (uint32_t minor = FB_KERNEL_MINOR_MIN; minor <= NEWEST; minor++) {
		assert_sound(ALL, ALL, minor, true);
		assert_sound(ALL, ALL, minor, false);
	}
}

static void exclusions_have_their_winner(void **state)
{
	(void)state;
	assert_true(settle(ALL, FB_INIT_AUTO_INVAL_DATA | FB_INIT_EXPLICIT_INVAL_DATA) ==
		    FB_INIT_AUTO_INVAL_DATA);
	assert_true(settle(ALL, FB_INIT_WRITEBACK_CACHE | FB_INIT_PASSTHROUGH) ==
		    FB_INIT_WRITEBACK_CACHE);
	assert_true(settle(ALL, FB_INIT_EXPORT_SUPPORT | FB_INIT_NO_EXPORT_SUPPORT) ==
		    FB_INIT_EXPORT_SUPPORT);
	assert_true(settle(ALL, FB_INIT_HANDLE_KILLPRIV | FB_INIT_HANDLE_KILLPRIV_V2) ==
		    FB_INIT_HANDLE_KILLPRIV_V2);
	/* a winner that is not offered beats nobody */
	assert_true(
		settle(~FB_INIT_WRITEBACK_CACHE, FB_INIT_WRITEBACK_CACHE | FB_INIT_PASSTHROUGH) ==
		(FB_INIT_PASSTHROUGH | FB_INIT_INIT_EXT));
}

static void needs_are_taken_along_or_deny(void **state)
{
	uint64_t acl = FB_INIT_POSIX_ACL | FB_INIT_DONT_MASK | FB_INIT_SETXATTR_EXT;

	(void)state;
	assert_true(settle(ALL, FB_INIT_POSIX_ACL) == acl);
	assert_true(settle(~FB_INIT_DONT_MASK, FB_INIT_POSIX_ACL) == 0);
	assert_true(settle(~FB_INIT_SETXATTR_EXT, FB_INIT_POSIX_ACL) == 0);
	assert_true(settle(~FB_INIT_INIT_EXT, FB_INIT_PASSTHROUGH | FB_INIT_ASYNC_READ) ==
		    FB_INIT_ASYNC_READ);
	assert_true(settle(~FB_INIT_DO_READDIRPLUS, FB_INIT_READDIRPLUS_AUTO) == 0);
}

static void idmaps_need_permissions(void **state)
{
	uint64_t idmap = FB_INIT_ALLOW_IDMAP, acl = FB_INIT_POSIX_ACL;

	(void)state;
	assert_true(fb_init_flags_settle(ALL, idmap, NEWEST, true) == (idmap | FB_INIT_INIT_EXT));
	assert_true(fb_init_flags_settle(ALL, idmap, NEWEST, false) == 0);
	assert_true(fb_init_flags_settle(ALL, idmap | acl, NEWEST, false) & idmap);
	/* wanted is not enough: the ACLs have to be granted */
	assert_true(fb_init_flags_settle(~acl, idmap | acl, NEWEST, false) == 0);
}

static void versions_gate_features(void **state)
{
	(void)state;
	assert_true(fb_init_flags_settle(ALL, FB_INIT_SECURITY_CTX, 37, true) == 0);
	assert_true(fb_init_flags_settle(ALL, FB_INIT_SECURITY_CTX, 38, true) != 0);
	assert_true(fb_init_flags_settle(ALL, FB_INIT_OVER_IO_URING, 41, true) == 0);
	assert_true(fb_init_flags_settle(ALL, FB_INIT_MAX_PAGES, 27, true) == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_table_is_sound),
		cmocka_unit_test(parties_share_out_all_features),
		cmocka_unit_test(single_features_are_granted),
		cmocka_unit_test(pairs_are_sound),
		cmocka_unit_test(random_sets_are_sound),
		cmocka_unit_test(everything_wanted_is_sound_in_every_version),
		cmocka_unit_test(exclusions_have_their_winner),
		cmocka_unit_test(needs_are_taken_along_or_deny),
		cmocka_unit_test(idmaps_need_permissions),
		cmocka_unit_test(versions_gate_features),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
