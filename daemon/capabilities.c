/* SPDX-License-Identifier: BSD-3-Clause */
#include "capabilities.h"

#include <errno.h>
#include <libfb/log.h>
#include <linux/capability.h>
#include <string.h>

#ifdef FB_HAVE_SANDBOX

#include <cap-ng.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BIT(capability) (UINT64_C(1) << (capability))
#define CAPABILITIES 64u

static const unsigned kept[] = {
	CAP_CHOWN,  CAP_DAC_OVERRIDE, CAP_FOWNER, CAP_FSETID,
	CAP_SETGID, CAP_SETUID,       CAP_MKNOD,  CAP_SETFCAP,
};

void capabilities_init(struct capabilities *capabilities, bool handles)
{
	*capabilities = (struct capabilities){ .handles = handles };
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		capabilities->kept |= BIT(kept[i]);
	if (handles)
		capabilities->kept |= BIT(CAP_DAC_READ_SEARCH);
}

static int fail_word(const char *word, size_t length)
{
	return fb_fail(EINVAL,
		       "--modcaps: '%.*s' is not a capability with + or - in front, such as "
		       "+sys_admin",
		       (int)length, word);
}

static int find(const char *word, size_t length, unsigned *ret_capability)
{
	char name[32];
	int capability;

	if (length > 4 && strncasecmp(word, "cap_", 4) == 0) {
		word += 4;
		length -= 4;
	}
	if (length == 0 || length >= sizeof(name))
		return -EINVAL;
	memcpy(name, word, length);
	name[length] = '\0';
	capability = capng_name_to_capability(name);
	if (capability < 0)
		return -EINVAL;
	*ret_capability = (unsigned)capability;
	return 0;
}

static int change(struct capabilities *capabilities, const char *word, size_t length)
{
	unsigned capability;

	if (length == 0 || (*word != '+' && *word != '-') ||
	    find(word + 1, length - 1, &capability) < 0)
		return fail_word(word, length);
	if (*word == '+') {
		capabilities->kept |= BIT(capability);
		capabilities->demanded |= BIT(capability);
		return 0;
	}
	if (capability == CAP_DAC_READ_SEARCH && capabilities->handles)
		return fb_fail(EINVAL, "--modcaps=-dac_read_search: opening files by their handles "
				       "takes it: use --inode-file-handles=never");
	capabilities->kept &= ~BIT(capability);
	capabilities->demanded &= ~BIT(capability);
	return 0;
}

int capabilities_change(struct capabilities *capabilities, const char *list)
{
	int result = 0;

	while (result == 0) {
		size_t length = strcspn(list, ":");

		result = change(capabilities, list, length);
		list += length;
		if (!*list++)
			break;
	}
	return result;
}

/* ---- this process ------------------------------------------------------------------------------ */

static uint64_t permitted(void)
{
	uint64_t set = 0;

	for (unsigned i = 0; i < CAPABILITIES; i++)
		if (capng_have_capability(CAPNG_PERMITTED, i) > 0)
			set |= BIT(i);
	return set;
}

static int fail_missing(uint64_t missing)
{
	const char *name = capng_capability_to_name((unsigned)__builtin_ctzll(missing));

	return fb_fail(EPERM,
		       "--modcaps=+%s: fbfsd does not have this capability, and can not get it",
		       name ? name : "?");
}

static int apply(uint64_t set)
{
	/* Only who has this may empty the bounding set. */
	bool bounds = capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP) > 0;
	capng_select_t which = CAPNG_SELECT_CAPS | CAPNG_SELECT_AMBIENT;

	capng_clear(CAPNG_SELECT_ALL);
	for (unsigned i = 0; i < CAPABILITIES; i++)
		if (set & BIT(i))
			capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, i);
	if (bounds)
		which |= CAPNG_SELECT_BOUNDS;
	else
		fb_log(FB_LOG_DEBUG, "without CAP_SETPCAP the bounding set stays as it is");
	if (capng_apply(which) < 0)
		return fb_fail(EPERM, "capabilities can not be given up");
	return 0;
}

int capabilities_apply(const struct capabilities *capabilities)
{
	uint64_t has;

	capng_clear(CAPNG_SELECT_ALL);
	if (capng_get_caps_process() < 0)
		return fb_fail(EIO, "the process's own capabilities can not be read");
	has = permitted();
	if (capabilities->demanded & ~has)
		return fail_missing(capabilities->demanded & ~has);
	return apply(capabilities->kept & has);
}

int capabilities_drop_all(void)
{
	return capabilities_apply(&(struct capabilities){ 0 });
}

#else

#include <unistd.h>

void capabilities_init(struct capabilities *capabilities, bool handles)
{
	*capabilities = (struct capabilities){ .handles = handles };
}

int capabilities_change(struct capabilities *capabilities, const char *list)
{
	(void)capabilities;
	return fb_fail(EOPNOTSUPP, "--modcaps=%s: this fbfsd was built without libcap-ng", list);
}

int capabilities_apply(const struct capabilities *capabilities)
{
	(void)capabilities;
	if (geteuid() == 0)
		fb_log(FB_LOG_WARNING, "fbfsd keeps all of root's capabilities: it was built "
				       "without libcap-ng");
	return 0;
}

int capabilities_drop_all(void)
{
	return fb_fail(EOPNOTSUPP, "this fbfsd was built without libcap-ng");
}

#endif
