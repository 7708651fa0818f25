/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What systemd wants to know of a service. Nothing happens elsewhere.
 */
#ifndef FBFSD_SERVICE_H
#define FBFSD_SERVICE_H

/* The mount answers. status is one line for systemctl status. */
void service_ready(const char *status);

/* How many sockets systemd handed over (LISTEN_FDS). */
int service_sockets(void);

/* The one that listens at path, or with NULL the first. Returns its descriptor, or -1. */
int service_socket(const char *path);

/* The service is about to end. */
void service_stopping(void);

#endif
