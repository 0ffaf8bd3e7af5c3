// SPDX-License-Identifier: Apache-2.0
// The headers that a program needs to move raw Ethernet frames between a NIC and its memory. Everything else has a
// header of its own to include: counters, rings, pacing and clocks, datagrams, the doctor, shared memory, verbs
// objects.
#pragma once

#include <pktverbs/address/ipv4_address.hpp>
#include <pktverbs/address/ipv6_address.hpp>
#include <pktverbs/address/mac_address.hpp>
#include <pktverbs/context.hpp>
#include <pktverbs/counters/stats.hpp>
#include <pktverbs/device.hpp>
#include <pktverbs/flow.hpp>
#include <pktverbs/flow_rule.hpp>
#include <pktverbs/offloads.hpp>
#include <pktverbs/options.hpp>
#include <pktverbs/queue.hpp>
#include <pktverbs/recv_list.hpp>
#include <pktverbs/recv_pkt.hpp>
#include <pktverbs/rss.hpp>
#include <pktverbs/send_list.hpp>
#include <pktverbs/send_pkt.hpp>
#include <pktverbs/version.hpp>
