/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ends QEMU from inside: usage: vmexit STATUS. QEMU's isa-debug-exit turns what is written to its
 * port into its own exit status 2n + 1; 16 is added so that QEMU's own failures look different.
 */
#include <stdlib.h>
#include <sys/io.h>

#define PORT 0xf4
#define OFFSET 16

int main(int argc, char **argv)
{
	if (ioperm(PORT, 1, 1) < 0)
		return 1;
	outb((unsigned char)(OFFSET + (argc > 1 ? atoi(argv[1]) : 0)), PORT);
	return 1;
}
