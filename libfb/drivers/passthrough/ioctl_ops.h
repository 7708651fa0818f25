/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The operation ioctl: a short list of commands, no other number reaches a file of the host.
 * fb_ioctl_ops_fill() is declared in state.h.
 */
#ifndef LIBFB_PASSTHROUGH_IOCTL_OPS_H
#define LIBFB_PASSTHROUGH_IOCTL_OPS_H

#include "state.h"

#endif
