/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The operations of the driver below a Passthrough, for its methods: super().read(…).
 */
#ifndef FBPY_SUPER_H
#define FBPY_SUPER_H

#include "fbpy.h"

/* lower_call(op, args): call an operation of the driver for the request that is being handled. */
PyObject *lower_call(const char *op, PyObject *args);

#endif
