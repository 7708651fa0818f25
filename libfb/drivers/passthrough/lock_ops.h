/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The operations getlk and setlk: locks shared with the programs of the host. Which kinds are
 * shared the options say; the client's kernel handles the others by itself and sends nothing.
 * fb_lock_ops_fill() is declared in state.h.
 */
#ifndef LIBFB_PASSTHROUGH_LOCK_OPS_H
#define LIBFB_PASSTHROUGH_LOCK_OPS_H

#include "state.h"

#endif
