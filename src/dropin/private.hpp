// SPDX-License-Identifier: Apache-2.0
// Functions that libpktverbs-verbs exports for libpktverbs-rdmacm alone.
#pragma once

#include <infiniband/verbs.h>
#include <sys/socket.h>

/// The soft device whose interface has this address; null if there is none.
extern "C" ibv_device* pktverbs_find_device(const sockaddr* address);
extern "C" bool pktverbs_has_devices();
