/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What every refusal of the API has: an error, and a sentence that says why.
 */
#ifndef TESTS_REFUSED_H
#define TESTS_REFUSED_H

#include "cmocka_setup.h"

#include <errno.h>
#include <libfb/fb.h>
#include <stdlib.h>
#include <string.h>

/* Clear the sentence, so that an old one is not taken for a new one. */
static inline void forget_error(void)
{
	(void)fb_fail(0, "%s", "");
}

/* Call, and fail the test unless it returns -error with a new sentence. */
#define REFUSED(error, call)                                                                       \
	do {                                                                                       \
		forget_error();                                                                    \
		assert_int_equal(call, -(error));                                                  \
		assert_string_not_equal(fb_last_error(), "");                                      \
	} while (0)

#endif
