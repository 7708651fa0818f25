/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The smallest user of the library: calls into it, and gets the answer that misuse gets. The
 * argument is the version that was installed, for the output.
 */
#include <libfb/fb.h>

#include <errno.h>
#include <stdio.h>

int main(int argc, char **argv)
{
	struct fb_session *session = NULL;
	int result = fb_session_new(NULL, NULL, NULL, &session);

	printf("libfb %s: %s\n", argc > 1 ? argv[1] : "?", fb_last_error());
	return result == -EINVAL && session == NULL ? 0 : 1;
}
