// SPDX-License-Identifier: Apache-2.0
// All headers of packets: views, checksums, templates.
#pragma once

#include <pktverbs/net/arp.hpp>
#include <pktverbs/net/bytes.hpp>
#include <pktverbs/net/checksum.hpp>
#include <pktverbs/net/ethernet.hpp>
#include <pktverbs/net/frame_template.hpp>
#include <pktverbs/net/header_positions.hpp>
#include <pktverbs/net/headers.hpp>
#include <pktverbs/net/icmp.hpp>
#include <pktverbs/net/ipv4.hpp>
#include <pktverbs/net/ipv6.hpp>
#include <pktverbs/net/tcp.hpp>
#include <pktverbs/net/udp.hpp>
