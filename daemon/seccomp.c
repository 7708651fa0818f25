/* SPDX-License-Identifier: BSD-3-Clause */
#include "seccomp.h"

#include <errno.h>
#include <libfb/log.h>
#include <string.h>

#ifdef FB_HAVE_SANDBOX

#include <fcntl.h>
#include <linux/fs.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "seccomp_table.h"

enum limit {
	LIMIT_NONE,
	LIMIT_MASKED,
	LIMIT_FAIL,
};

struct call {
	const char *name;
	int number; /* if libseccomp does not know the name; 0: it must */
	enum limit limit;
	unsigned argument;
	uint64_t mask, value;
};

#define ALLOW(call) { #call, 0, LIMIT_NONE, 0, 0, 0 },
#define NEWER(call, number) { #call, number, LIMIT_NONE, 0, 0, 0 },
/* The kernel looks at the lower half only, and C libraries differ in what they put into the other. */
#define EQUAL(call, index, value) { #call, 0, LIMIT_MASKED, index, UINT32_MAX, (uint32_t)(value) },
#define MASKED(call, index, mask, value) { #call, 0, LIMIT_MASKED, index, mask, value },
#define FAIL(call, error) { #call, 0, LIMIT_FAIL, 0, 0, error },

static const struct call calls_always[] = {
	/* clang-format off */
	SECCOMP_FILES(ALLOW, NEWER, EQUAL, MASKED, FAIL)
	SECCOMP_STDIO(ALLOW, NEWER, EQUAL, MASKED, FAIL)
	SECCOMP_CALLERS(ALLOW, NEWER, EQUAL, MASKED, FAIL)
	SECCOMP_GUEST(ALLOW, NEWER, EQUAL, MASKED, FAIL)
	SECCOMP_RUNTIME(ALLOW, NEWER, EQUAL, MASKED, FAIL)
#ifndef __GLIBC__
	SECCOMP_NOT_GLIBC(ALLOW, NEWER, EQUAL, MASKED, FAIL)
#endif
	/* clang-format on */
};
static const struct call calls_handles[] = { SECCOMP_HANDLES(ALLOW, NEWER, EQUAL, MASKED, FAIL) };
static const struct call calls_syslog[] = { SECCOMP_SYSLOG(ALLOW, NEWER, EQUAL, MASKED, FAIL) };
static const struct call calls_no_syslog[] = { SECCOMP_NO_SYSLOG(ALLOW, NEWER, EQUAL, MASKED,
								 FAIL) };

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static int find(const struct call *call, int *ret_number)
{
	*ret_number = seccomp_syscall_resolve_name(call->name);
	if (*ret_number == __NR_SCMP_ERROR && call->number)
		*ret_number = call->number;
	return *ret_number == __NR_SCMP_ERROR ? -ENOSYS : 0;
}

static int add(scmp_filter_ctx filter, const struct call *call)
{
	struct scmp_arg_cmp compare = {
		.arg = call->argument,
		.op = SCMP_CMP_MASKED_EQ,
		.datum_a = call->mask,
		.datum_b = call->value == SECCOMP_OWN_PID ? (uint64_t)getpid() : call->value,
	};
	int number, result = find(call, &number);

	if (result < 0)
		return result;
	switch (call->limit) {
	case LIMIT_FAIL:
		return seccomp_rule_add(filter, SCMP_ACT_ERRNO((uint16_t)call->value), number, 0);
	case LIMIT_MASKED:
		return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, number, 1, &compare);
	default:
		return seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 0);
	}
}

static int add_all(scmp_filter_ctx filter, const struct call *calls, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int result = add(filter, &calls[i]);

		if (result < 0)
			return fb_fail(-result, "system call %s can not be allowed: %s",
				       calls[i].name, strerror(-result));
	}
	return 0;
}

static int fill(scmp_filter_ctx filter, const struct seccomp_options *options)
{
	int result = add_all(filter, calls_always, COUNT(calls_always));

	if (result == 0 && options->handles)
		result = add_all(filter, calls_handles, COUNT(calls_handles));
	if (result == 0 && options->syslog)
		result = add_all(filter, calls_syslog, COUNT(calls_syslog));
	else if (result == 0)
		result = add_all(filter, calls_no_syslog, COUNT(calls_no_syslog));
	return result;
}

static int load(scmp_filter_ctx filter)
{
	int result = seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, 1);

	if (result == 0)
		result = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
	if (result == 0)
		result = seccomp_load(filter);
	if (result < 0)
		return fb_fail(
			-result,
			"the filter of system calls can not be installed: %s; --seccomp=none "
			"serves without it",
			strerror(-result));
	return 0;
}

int seccomp_restrict(const struct seccomp_options *options)
{
	static const uint32_t actions[] = {
		[SECCOMP_KILL] = SCMP_ACT_KILL_PROCESS,
		[SECCOMP_LOG] = SCMP_ACT_LOG,
		[SECCOMP_TRAP] = SCMP_ACT_TRAP,
	};
	scmp_filter_ctx filter;
	int result;

	if (options->action == SECCOMP_NONE)
		return 0;
	filter = seccomp_init(actions[options->action]);
	if (!filter)
		return fb_fail(ENOMEM, "no memory for the filter of system calls");
	result = fill(filter, options);
	/* Sorted in a tree, so that no call waits for two hundred comparisons. libseccomp 2.5 can. */
	if (result == 0)
		(void)seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (result == 0)
		result = load(filter);
	seccomp_release(filter);
	return result;
}

#else

int seccomp_restrict(const struct seccomp_options *options)
{
	if (options->action == SECCOMP_NONE)
		return 0;
	return fb_fail(EOPNOTSUPP, "this fbfsd was built without libseccomp: use --seccomp=none");
}

#endif
