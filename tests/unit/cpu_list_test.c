/* SPDX-License-Identifier: BSD-3-Clause */
/* Lists of processors, as the kernel writes them. */
#include "cmocka_setup.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "transport/cpu_list.h"

static struct fb_cpu_list list;

static void expect(const char *text, unsigned count, unsigned first, unsigned last)
{
	assert_int_equal(fb_cpu_list_parse(text, &list), 0);
	assert_int_equal(list.count, count);
	assert_int_equal(list.cpu[0], first);
	assert_int_equal(list.cpu[count - 1], last);
}

static void test_lists(void **state)
{
	(void)state;
	expect("0", 1, 0, 0);
	expect("0\n", 1, 0, 0);
	expect("0-1\n", 2, 0, 1);
	expect("0-3,8\n", 5, 0, 8);
	expect("1,3,5-6", 4, 1, 6);
	expect("0-8191\n", 8192, 0, 8191);
	assert_int_equal(fb_cpu_list_parse("0-3,8", &list), 0);
	assert_true(fb_cpu_list_has(&list, 3) && fb_cpu_list_has(&list, 8));
	assert_false(fb_cpu_list_has(&list, 4) || fb_cpu_list_has(&list, 9));
}

static void test_no_lists(void **state)
{
	static const char *const texts[] = {
		"",     "\n",  "a",     "-1",  "0-",   "0-\n", "3-1",    "0,",
		"0,,1", "1,0", "0-2,2", "0 1", "0-1x", "8192", "0-8192", "99999999999999999999",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		print_message("\"%s\"\n", texts[i]);
		assert_int_equal(fb_cpu_list_parse(texts[i], &list), -EINVAL);
	}
}

static void test_this_machine(void **state)
{
	(void)state;
	assert_int_equal(fb_cpu_list_read("online", &list), 0);
	assert_int_equal(list.count, sysconf(_SC_NPROCESSORS_ONLN));
	assert_int_equal(fb_cpu_list_read("no-such-list", &list), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_no_lists),
		cmocka_unit_test(test_this_machine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
