// SPDX-License-Identifier: Apache-2.0
// The programs' checks: a failing one prints what failed and why, and exits with status 1. Also the longest wait.
#pragma once

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/// The errno is the last one, which need not belong to this check.
#define CHECK(condition)                                                                                    \
    do {                                                                                                    \
        if (!(condition)) {                                                                                 \
            fprintf(stderr, "%s:%d: not true: %s (%s)\n", __FILE__, __LINE__, #condition, strerror(errno)); \
            exit(1);                                                                                        \
        }                                                                                                   \
    } while (0)

/// For the verbs that return their errno.
#define CHECK_ZERO(call)                                                                           \
    do {                                                                                           \
        const int result_ = (call);                                                                \
        if (result_ != 0) {                                                                        \
            fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #call, strerror(abs(result_))); \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

/// Both must be unsigned.
#define CHECK_EQUAL(left, right)                                                                        \
    do {                                                                                                \
        const unsigned long long left_ = (left), right_ = (right);                                      \
        if (left_ != right_) {                                                                          \
            fprintf(stderr, "%s:%d: %s is %llu, not %llu\n", __FILE__, __LINE__, #left, left_, right_); \
            exit(1);                                                                                    \
        }                                                                                               \
    } while (0)

/// Nothing here takes a second; under valgrind on a busy machine it may take many.
static inline double deadline_in_seconds(double seconds) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec + seconds;
}
static inline bool has_passed(double deadline) { return deadline_in_seconds(0) > deadline; }

enum { patience_seconds = 60 };
