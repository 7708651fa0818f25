/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The sandbox of namespaces: see sandbox.h.
 */
#ifndef FBFSD_SANDBOX_NAMESPACE_H
#define FBFSD_SANDBOX_NAMESPACE_H

#include "sandbox.h"

/* As sandbox_enter(); the options have been checked. */
int sandbox_namespace_enter(const struct sandbox_options *options, const char *source,
			    struct sandbox *ret_sandbox) FB_MUST_CHECK;

#endif
