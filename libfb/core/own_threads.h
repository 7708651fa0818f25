/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threads of the program that serve a session (options.own_threads): those that stay with it, and
 * one that comes by from an event loop. Everything of it is public: <libfb/session.h>.
 */
#ifndef FB_CORE_OWN_THREADS_H
#define FB_CORE_OWN_THREADS_H

#include <libfb/session.h>

#endif
