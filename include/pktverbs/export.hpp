// SPDX-License-Identifier: Apache-2.0
// Export: marks what a shared library shows; everything else is hidden.
#pragma once

#define PKTVERBS_EXPORT __attribute__((visibility("default")))
