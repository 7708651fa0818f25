/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/thread_caps.h"

#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool set(const struct __user_cap_data_struct sets[2])
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };

	return syscall(SYS_capset, &header, sets) == 0;
}

void fb_thread_caps_drop(struct fb_thread_caps *ret_before, unsigned capability)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct without[2];

	ret_before->changed = false;
	if (syscall(SYS_capget, &header, ret_before->sets) < 0)
		return;
	memcpy(without, ret_before->sets, sizeof(without));
	if (!(without[CAP_TO_INDEX(capability)].effective & CAP_TO_MASK(capability)))
		return;
	without[CAP_TO_INDEX(capability)].effective &= ~CAP_TO_MASK(capability);
	ret_before->changed = set(without);
}

void fb_thread_caps_restore(const struct fb_thread_caps *before)
{
	if (before->changed)
		set(before->sets);
}
