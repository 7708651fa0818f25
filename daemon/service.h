/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What systemd wants to know of a service. Nothing happens elsewhere.
 */
#ifndef FBFSD_SERVICE_H
#define FBFSD_SERVICE_H

/* The mount answers. status is one line for systemctl status. */
void service_ready(const char *status);

/* The service is about to end. */
void service_stopping(void);

#endif
