/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The transport in memory. Everything of it is public: <libfb/loopback.h>.
 */
#ifndef FB_TRANSPORT_LOOPBACK_H
#define FB_TRANSPORT_LOOPBACK_H

#include <libfb/loopback.h>

#endif
