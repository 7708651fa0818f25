/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/thread_caps.h"

#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

/* 64 capabilities, as two words of each set. */
struct sets {
	struct __user_cap_header_struct header;
	struct __user_cap_data_struct data[2];
};

static bool get(struct sets *sets)
{
	sets->header = (struct __user_cap_header_struct){ .version = _LINUX_CAPABILITY_VERSION_3 };
	return syscall(SYS_capget, &sets->header, sets->data) == 0;
}

static bool set(struct sets *sets)
{
	return syscall(SYS_capset, &sets->header, sets->data) == 0;
}

void fb_thread_caps_drop(struct fb_thread_caps *ret_before, unsigned capability)
{
	struct sets sets;

	ret_before->changed = false;
	if (!get(&sets))
		return;
	ret_before->effective[0] = sets.data[0].effective;
	ret_before->effective[1] = sets.data[1].effective;
	sets.data[CAP_TO_INDEX(capability)].effective &= ~CAP_TO_MASK(capability);
	ret_before->changed = set(&sets);
}

void fb_thread_caps_restore(const struct fb_thread_caps *before)
{
	struct sets sets;

	if (!before->changed || !get(&sets))
		return;
	sets.data[0].effective = before->effective[0];
	sets.data[1].effective = before->effective[1];
	set(&sets);
}
