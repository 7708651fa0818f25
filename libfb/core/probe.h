/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two static probes for tracers such as bpftrace and SystemTap: they cost a no-op until used.
 *
 *   libfb:request_begin(unique, opcode, node)
 *   libfb:request_end(unique, opcode, error, latency_ns)
 */
#ifndef FB_CORE_PROBE_H
#define FB_CORE_PROBE_H

#ifdef FB_HAVE_SDT
#include <sys/sdt.h>
#define FB_PROBE_BEGIN(unique, opcode, node)                                                       \
	DTRACE_PROBE3(libfb, request_begin, unique, opcode, node)
#define FB_PROBE_END(unique, opcode, error, latency_ns)                                            \
	DTRACE_PROBE4(libfb, request_end, unique, opcode, error, latency_ns)
#else
#define FB_PROBE_BEGIN(unique, opcode, node) ((void)0)
#define FB_PROBE_END(unique, opcode, error, latency_ns) ((void)0)
#endif

#endif
