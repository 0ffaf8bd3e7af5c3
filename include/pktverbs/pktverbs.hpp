// SPDX-License-Identifier: Apache-2.0
// Everything a program needs: raw Ethernet frames between a NIC's queues and your memory.
#pragma once

#include <pktverbs/check.hpp>
#include <pktverbs/clock_line.hpp>
#include <pktverbs/context.hpp>
#include <pktverbs/counters.hpp>
#include <pktverbs/device_clock.hpp>
#include <pktverbs/find_device.hpp>
#include <pktverbs/flow.hpp>
#include <pktverbs/flow_rule.hpp>
#include <pktverbs/ipv4_address.hpp>
#include <pktverbs/ipv6_address.hpp>
#include <pktverbs/layout.hpp>
#include <pktverbs/mac_address.hpp>
#include <pktverbs/memory.hpp>
#include <pktverbs/offloads.hpp>
#include <pktverbs/options.hpp>
#include <pktverbs/pacer.hpp>
#include <pktverbs/peer.hpp>
#include <pktverbs/queue.hpp>
#include <pktverbs/rate.hpp>
#include <pktverbs/rate_limit.hpp>
#include <pktverbs/recv_list.hpp>
#include <pktverbs/recv_pkt.hpp>
#include <pktverbs/region.hpp>
#include <pktverbs/ring/block_ring.hpp>
#include <pktverbs/ring/ring_reader.hpp>
#include <pktverbs/ring/ring_receiver.hpp>
#include <pktverbs/ring/ring_writer.hpp>
#include <pktverbs/send_list.hpp>
#include <pktverbs/send_pkt.hpp>
#include <pktverbs/shared_memory.hpp>
#include <pktverbs/stats.hpp>
#include <pktverbs/timestamp_clock.hpp>
#include <pktverbs/verbs/device.hpp>
#include <pktverbs/verbs/endpoint.hpp>
