// Loops over floats, compiled once for every width of vector unit; the widest that the CPU has is chosen when the
// program starts. Only for loops whose elements do not depend on each other: with contraction off, all copies then give
// the same bits.
#pragma once

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)
#define PSCTL_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define PSCTL_CLONES
#endif
