// SPDX-License-Identifier: Apache-2.0
// The memif link: two Contexts of one process, server and client, and frames between them.
#include "ends.hpp"

namespace pktverbs::testing {
namespace {

TEST(MemifLink, CarriesFramesBothWays) {
    Ends ends{socket_name()};
    ends.client.send(0, 100);
    ends.server.expect(0, 100);
    ends.server.send(500, 100);
    ends.client.expect(500, 100);
}

TEST(MemifLink, CarriesLongFramesOverSeveralBuffers) {
    Ends ends{socket_name()};
    for (const std::size_t bytes : {2047U, 2048U, 2049U, 4096U, 4097U, 9014U}) {
        ends.client.send(0, 20, bytes);
        ends.server.expect(0, 20, bytes);
        ends.server.send(500, 20, bytes);
        ends.client.expect(500, 20, bytes);
    }
}

/// 70,000 frames: the indexes wrap at 65,536.
TEST(MemifLink, GoesOnWhereIndexesWrap) {
    Ends ends{socket_name(), "&ring=5"};
    for (std::uint32_t round = 0; round < 7000; ++round) {
        ends.client.send(round * 10, 10);
        ASSERT_NO_FATAL_FAILURE(ends.server.expect(round * 10, 10));
        ends.server.send(round * 10, 10);
        ASSERT_NO_FATAL_FAILURE(ends.client.expect(round * 10, 10));
    }
}

}  // namespace
}  // namespace pktverbs::testing
