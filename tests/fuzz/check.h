/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a fuzzer demands.
 */
#ifndef TESTS_FUZZ_CHECK_H
#define TESTS_FUZZ_CHECK_H

#include <stdlib.h>

/* Not assert(): this holds in every build. */
#define CHECK(good)                                                                                \
	do {                                                                                       \
		if (!(good))                                                                       \
			abort();                                                                   \
	} while (0)

#endif
