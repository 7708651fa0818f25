/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cmocka with the headers that it wants before itself, and a skip that says why: script/test
 * prints the reasons.
 */
#ifndef TESTS_CMOCKA_SETUP_H
#define TESTS_CMOCKA_SETUP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define SKIP_BECAUSE(...)                                                                          \
	do {                                                                                       \
		print_message("SKIP: " __VA_ARGS__);                                               \
		print_message("\n");                                                               \
		skip();                                                                            \
	} while (0)

#endif
