// SPDX-License-Identifier: Apache-2.0
// Reliable messages over RDMA connections: all headers of the component pktverbs::messages.
#pragma once

#include <pktverbs/async/executor.hpp>
#include <pktverbs/async/task.hpp>
#include <pktverbs/messages/address.hpp>
#include <pktverbs/messages/connection_manager.hpp>
#include <pktverbs/messages/listener.hpp>
#include <pktverbs/messages/message.hpp>
#include <pktverbs/messages/messenger.hpp>
#include <pktverbs/messages/options.hpp>
#include <pktverbs/messages/request.hpp>
#include <pktverbs/messages/socket.hpp>
