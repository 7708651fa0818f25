/* SPDX-License-Identifier: BSD-3-Clause */
#include "gate.h"

#include "expect.h"

#include <fcntl.h>
#include <unistd.h>

void gate_init(struct gate *gate)
{
	EXPECT_OK(pipe2(gate->ends, O_CLOEXEC));
}

void gate_open(const struct gate *gate, unsigned waiters)
{
	while (waiters-- > 0)
		EXPECT_EQ(EXPECT_OK(write(gate->ends[1], "", 1)), 1);
}

void gate_wait(const struct gate *gate)
{
	char byte;

	EXPECT_EQ(EXPECT_OK(read(gate->ends[0], &byte, 1)), 1);
}

void gate_close(const struct gate *gate)
{
	EXPECT_OK(close(gate->ends[0]));
	EXPECT_OK(close(gate->ends[1]));
}
