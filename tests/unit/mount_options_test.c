/* SPDX-License-Identifier: BSD-3-Clause */
/* The text after mount -o. */
#include "cmocka_setup.h"

#include <errno.h>
#include <libfb/log.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "transport/mount_options.h"

#define ALWAYS (MS_NOSUID | MS_NODEV)

static int set_up(void **state)
{
	struct fb_mount_plan *plan = calloc(1, sizeof(*plan));

	assert_non_null(plan);
	fb_mount_plan_init(plan);
	*state = plan;
	return 0;
}

static int tear_down(void **state)
{
	fb_mount_plan_fini(*state);
	free(*state);
	return 0;
}

static void test_nothing(void **state)
{
	struct fb_mount_plan *plan = *state;

	assert_int_equal(fb_mount_plan_parse(plan, NULL), 0);
	assert_int_equal(fb_mount_plan_parse(plan, ""), 0);
	assert_int_equal(fb_mount_plan_parse(plan, ",,"), 0);
	assert_int_equal(plan->flags, ALWAYS);
	for (size_t i = 0; i < FB_MOUNT_DATA_COUNT; i++)
		assert_null(plan->values[i]);
}

static void test_every_flag_and_its_opposite(void **state)
{
	struct fb_mount_plan *plan = *state;
	const struct fb_mount_flag *row;

	for (size_t i = 0; (row = fb_mount_flag_at(i)); i++) {
		assert_int_equal(fb_mount_plan_parse(plan, row->name), 0);
		assert_int_equal(plan->flags & row->ms_flag, row->ms_flag);
		assert_int_equal(fb_mount_plan_attr(plan) & row->attr, row->attr);
		assert_int_equal(fb_mount_plan_parse(plan, row->opposite), 0);
		assert_int_equal(plan->flags & row->ms_flag, 0);
	}
	assert_int_equal(plan->flags, 0);
	assert_int_equal(fb_mount_plan_attr(plan), 0);
}

static void test_last_one_counts(void **state)
{
	struct fb_mount_plan *plan = *state;

	assert_int_equal(fb_mount_plan_parse(plan, "ro,rw,suid,nosuid,dev"), 0);
	assert_int_equal(plan->flags, MS_NOSUID);
	assert_int_equal(fb_mount_plan_parse(plan, "max_read=4096,max_read=8192"), 0);
	assert_string_equal(plan->values[FB_MOUNT_DATA_max_read], "8192");
}

static void test_access_times_exclude_each_other(void **state)
{
	struct fb_mount_plan *plan = *state;

	assert_int_equal(fb_mount_plan_parse(plan, "noatime,strictatime"), 0);
	assert_int_equal(plan->flags, ALWAYS | MS_STRICTATIME);
	assert_int_equal(fb_mount_plan_attr(plan) & MOUNT_ATTR__ATIME, MOUNT_ATTR_STRICTATIME);
	assert_int_equal(fb_mount_plan_parse(plan, "noatime"), 0);
	assert_int_equal(fb_mount_plan_attr(plan) & MOUNT_ATTR__ATIME, MOUNT_ATTR_NOATIME);
	assert_int_equal(fb_mount_plan_parse(plan, "nodiratime,relatime"), 0);
	assert_int_equal(plan->flags, ALWAYS | MS_NODIRATIME | MS_RELATIME);
}

static void test_data(void **state)
{
	struct fb_mount_plan *plan = *state;

	assert_int_equal(fb_mount_plan_parse(plan, "allow_other,default_permissions,"
						   "max_read=131072,fsname=a=b,subtype=x"),
			 0);
	assert_string_equal(plan->values[FB_MOUNT_DATA_allow_other], "");
	assert_string_equal(plan->values[FB_MOUNT_DATA_default_permissions], "");
	assert_string_equal(plan->values[FB_MOUNT_DATA_max_read], "131072");
	assert_string_equal(plan->values[FB_MOUNT_DATA_fsname], "a=b");
	assert_string_equal(plan->values[FB_MOUNT_DATA_subtype], "x");
	assert_null(plan->values[FB_MOUNT_DATA_auto_unmount]);
	assert_string_equal(fb_mount_data_name(FB_MOUNT_DATA_auto_unmount), "auto_unmount");
}

static void test_escapes(void **state)
{
	struct fb_mount_plan *plan = *state;

	assert_int_equal(fb_mount_plan_parse(plan, "fsname=a\\,b\\\\,ro"), 0);
	assert_string_equal(plan->values[FB_MOUNT_DATA_fsname], "a,b\\");
	assert_int_equal(plan->flags, ALWAYS | MS_RDONLY);
	/* A backslash before anything else, or at the end, is one. */
	assert_int_equal(fb_mount_plan_parse(plan, "fsname=\\x\\"), 0);
	assert_string_equal(plan->values[FB_MOUNT_DATA_fsname], "\\x\\");
	assert_int_equal(fb_mount_plan_parse(plan, "context=u:object_r:t:s0:c1\\,c2"), 0);
	assert_string_equal(plan->values[FB_MOUNT_DATA_context], "u:object_r:t:s0:c1,c2");
}

static void test_fstab_options_are_ignored(void **state)
{
	struct fb_mount_plan *plan = *state;

	assert_int_equal(fb_mount_plan_parse(plan, "defaults,auto,noauto,user,users,nouser,owner,"
						   "group,_netdev,nofail,x-systemd.automount,"
						   "x-gvfs-hide,comment=a b,user=me"),
			 0);
	assert_int_equal(plan->flags, ALWAYS);
}

static void test_unknown_is_named(void **state)
{
	static const char *const wrong[] = {
		"foo",        "allow_root", "blksize=512", "remount",     "ROS",  "allow_otherx",
		"allow_othe", "=",          "=x",          "max_readx=1", "fd=3", "rootmode=100000",
		"user_id=0",  "group_id=0", "ro=1",        " ro",         "x",    "commentx",
		"nonempty",   "large_read",
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		char list[64];

		snprintf(list, sizeof(list), "noexec,%s,ro", wrong[i]);
		assert_int_equal(fb_mount_plan_parse(*state, list), -EINVAL);
		assert_non_null(strstr(fb_last_error(), wrong[i]));
	}
}

static void test_wrong_values(void **state)
{
	static const char *const wrong[] = {
		"max_read",      "max_read=",    "max_read=-1",
		"max_read=1k",   "max_read= 1",  "max_read=99999999999",
		"allow_other=1", "allow_other=", "fsname",
		"fsname=",       "subtype=",     "auto_unmount=yes",
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(fb_mount_plan_parse(*state, wrong[i]), -EINVAL);
		assert_non_null(strstr(fb_last_error(), wrong[i]));
	}
}

static void test_defaults_do_not_override(void **state)
{
	struct fb_mount_plan *plan = *state;

	assert_int_equal(fb_mount_plan_parse(plan, "fsname=given"), 0);
	assert_int_equal(fb_mount_plan_default(plan, FB_MOUNT_DATA_fsname, "default"), 0);
	assert_string_equal(plan->values[FB_MOUNT_DATA_fsname], "given");
	assert_int_equal(fb_mount_plan_default(plan, FB_MOUNT_DATA_subtype, NULL), 0);
	assert_null(plan->values[FB_MOUNT_DATA_subtype]);
	assert_int_equal(fb_mount_plan_default(plan, FB_MOUNT_DATA_subtype, "s"), 0);
	assert_string_equal(plan->values[FB_MOUNT_DATA_subtype], "s");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_every_flag_and_its_opposite, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_last_one_counts, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_access_times_exclude_each_other, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_data, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_escapes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_fstab_options_are_ignored, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_unknown_is_named, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_wrong_values, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_defaults_do_not_override, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
