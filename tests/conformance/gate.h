/* SPDX-License-Identifier: BSD-3-Clause */
/* A gate makes processes of one check wait for each other. */
#ifndef CONFORMANCE_GATE_H
#define CONFORMANCE_GATE_H

struct gate {
	int ends[2];
};

/* Make a closed gate; call before fork. */
void gate_init(struct gate *gate);

/* Let this many waiters pass, now or later. */
void gate_open(const struct gate *gate, unsigned waiters);

/* Wait until the gate lets the caller pass. */
void gate_wait(const struct gate *gate);

/* Give its descriptors back, for checks that make many. */
void gate_close(const struct gate *gate);

#endif
