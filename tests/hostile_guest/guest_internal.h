/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Between guest.c and guest_request.c.
 */
#ifndef TESTS_GUEST_INTERNAL_H
#define TESTS_GUEST_INTERNAL_H

#include "guest.h"

/* End all requests of a queue whose ring the device does not touch any more. */
void guest_forget_requests(struct guest *guest, unsigned queue);

#endif
