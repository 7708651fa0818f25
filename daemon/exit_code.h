/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How fbfsd ends: the codes of mount(8), which runs it as a helper.
 */
#ifndef FBFSD_EXIT_CODE_H
#define FBFSD_EXIT_CODE_H

enum exit_code {
	EXIT_DONE = 0,    /* unmounted, or mounted in the background */
	EXIT_USAGE = 1,   /* a wrong option or argument */
	EXIT_SYSTEM = 2,  /* out of memory, no thread, no descriptor limit, … */
	EXIT_SERVING = 4, /* mounted, but the service ended with an error */
	EXIT_MOUNT = 32,  /* source, mountpoint or /dev/fuse: nothing was mounted */
};

#endif
