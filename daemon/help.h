/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The text of --help, made from the option table.
 */
#ifndef FBFSD_HELP_H
#define FBFSD_HELP_H

#include <stdio.h>

void help_print(FILE *to);

#endif
