// SPDX-License-Identifier: Apache-2.0
// BlockRing: making, naming and attaching; anything that is not a ring is refused.
#include <pktverbs/ring/block_ring.hpp>

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <linux/memfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <initializer_list>
#include <latch>
#include <optional>
#include <system_error>
#include <thread>
#include <vector>

#include "base/file_descriptor.hpp"
#include "expect_error.hpp"
#include "ring/ring_mapping.hpp"
#include "ring_frames.hpp"

namespace pktverbs::testing {
namespace {

TEST(BlockRing, IsMadeOnceByAName) {
    const RingName name{"once"};
    const BlockRing ring = BlockRing::create(name, small_ring);
    expect_error(EEXIST, [&] { BlockRing::create(name, small_ring); });
    BlockRing::remove(name);
    BlockRing::remove(name);
    const BlockRing again = BlockRing::create(name, small_ring);
    EXPECT_NE(ring.fd(), again.fd());
}

TEST(BlockRing, IsAttachedToByAName) {
    const RingName name{"attach"};
    expect_words(expect_error(ENOENT, [&] { BlockRing::attach(name); }), {"/pktverbs-test-attach"});
    expect_error(EINVAL, [] { BlockRing::attach("/no/slashes"); });
    const BlockRing made = BlockRing::create(name, small_ring);
    EXPECT_EQ(BlockRing::attach(name).geometry(), small_ring.checked());
}

TEST(BlockRing, IsOpenedOrMade) {
    const RingName name{"open"};
    const BlockRing made = BlockRing::open(name, small_ring);
    const BlockRing same = BlockRing::open(name, small_ring);
    EXPECT_EQ(same.geometry(), made.geometry());
    RingGeometry other = small_ring;
    other.block_slots = 9;
    expect_words(expect_error(EEXIST, [&] { BlockRing::open(name, other); }), {"8 slots", "9 slots", "remove it"});
}

TEST(BlockRing, IsOpenedByManyAtOnce) {
    // The first one makes it, and all get the same ring.
    for (int turn = 0; turn < 20; ++turn) {
        const RingName name{"many"};
        std::latch go{4};
        std::vector<std::thread> threads;
        for (int i = 0; i < 4; ++i)
            threads.emplace_back([&] {
                go.arrive_and_wait();
                try {
                    EXPECT_EQ(BlockRing::open(name, small_ring).geometry(), small_ring.checked());
                } catch (const std::system_error& error) {
                    ADD_FAILURE() << error.what();
                }
            });
        for (std::thread& thread : threads) thread.join();
    }
}

TEST(BlockRing, LeavesNoNameWhenItsMakerIsKilled) {
    const RingName name{"killed"};
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        // The first byte that it gives the file kills it (setrlimit(2): SIGXFSZ).
        const rlimit none{0, 0};
        setrlimit(RLIMIT_FSIZE, &none);
        BlockRing::create(name, small_ring);
        _exit(1);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGXFSZ) << status;
    EXPECT_EQ(BlockRing::open(name, small_ring).geometry(), small_ring.checked());
}

TEST(BlockRing, IsAttachedToByADescriptor) {
    const BlockRing made{small_ring};
    const BlockRing attached = BlockRing::attach(made.fd());
    EXPECT_EQ(attached.geometry(), made.geometry());
    EXPECT_NE(attached.fd(), made.fd());
    expect_error(EBADF, [] { BlockRing::attach(-1); });
}

TEST(BlockRing, LeavesNoNameWhenItCannotBeMade) {
    const RingName name{"refused"};
    expect_error(EINVAL, [&] { BlockRing::create(name, {.blocks = 0}); });
    expect_error(ENOENT, [&] { BlockRing::attach(name); });
}

TEST(BlockRing, IsWholePagesOfMemory) {
    const BlockRing ring{small_ring};
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(ring.memory().data()) % 4096, 0U);
    EXPECT_GE(ring.memory().size(), RingLayout{small_ring.checked()}.total_bytes);
}

TEST(BlockRing, HasALayoutForPackets) {
    const Layout two = BlockRing{small_ring}.recv_layout();
    ASSERT_EQ(two.chunks().size(), 2U);
    EXPECT_EQ(two.chunks()[0].bytes, 8U);
    EXPECT_EQ(two.chunks()[1].bytes, 64U);
    const Layout one = BlockRing{RingGeometry{.payload_bytes = 100}}.recv_layout();
    ASSERT_EQ(one.chunks().size(), 1U);
    EXPECT_EQ(one.chunks()[0].bytes, 100U);
}

class AttachTo : public ::testing::Test {
protected:
    /// The error for a ring with this change to its header.
    template <class Change>
    std::string refusal(Change&& change, std::optional<std::uint64_t> magic = {}) {
        std::vector<std::uint64_t> copy(layout.total_bytes / 8);
        const std::span<std::uint8_t> bytes{reinterpret_cast<std::uint8_t*>(copy.data()), layout.total_bytes};
        write_ring(bytes, layout);
        auto& header = *reinterpret_cast<RingHeader*>(copy.data());
        RingDescription said = header.description.load();
        change(said);
        header.description = said;
        if (magic) header.magic.store(*magic, std::memory_order_relaxed);
        std::string text = expect_error(EPROTO, [&] { check_ring(bytes, "/bad"); });
        expect_words(text, {"cannot attach to ring /bad: "});
        return text;
    }
    const RingLayout layout{small_ring.checked()};
};

TEST_F(AttachTo, SomethingElseIsRefused) {
    expect_words(refusal([](RingDescription&) {}, 0), {"never finished", "remove it"});
    expect_words(refusal([](RingDescription&) {}, 1), {"no ring"});
    expect_words(refusal([](RingDescription& said) { said.version = 2; }), {"version 2", "knows 1"});
}

TEST_F(AttachTo, WrongSizesAreRefused) {
    expect_words(refusal([](RingDescription& said) { said.geometry.blocks = 0; }), {"blocks 0"});
    expect_words(refusal([](RingDescription& said) { said.geometry.blocks = ~0U; }), {"impossible"});
    expect_words(refusal([](RingDescription& said) { said.geometry.block_slots = 0; }), {"slots 0"});
    expect_words(refusal([](RingDescription& said) { said.geometry.payload_stride = 1; }), {"payload_stride 1"});
    // 0 means a default only when making a ring.
    expect_words(refusal([](RingDescription& said) { said.geometry.payload_stride = 0; }), {"offsets"});
    expect_words(refusal([](RingDescription& said) { said.geometry.block_slots = 1U << 20; }), {"offsets"});
}

TEST_F(AttachTo, WrongOffsetsAreRefused) {
    const auto refused = [&](auto field) {
        expect_words(refusal([&](RingDescription& said) { said.*field += 64; }), {"offsets"});
    };
    refused(&RingDescription::total_bytes);
    refused(&RingDescription::states_offset);
    refused(&RingDescription::blocks_offset);
    refused(&RingDescription::block_stride);
    refused(&RingDescription::bitmap_offset);
    refused(&RingDescription::slots_offset);
    refused(&RingDescription::headers_offset);
    refused(&RingDescription::payloads_offset);
    refused(&RingDescription::bytes);
}

TEST_F(AttachTo, AFileThatWasCutShortIsRefused) {
    const RingName name{"short"};
    const BlockRing ring = BlockRing::create(name, small_ring);
    ASSERT_EQ(ftruncate(ring.fd(), static_cast<off_t>(layout.total_bytes - 1)), 0);
    expect_words(expect_error(EPROTO, [&] { BlockRing::attach(name); }), {"cut short"});
    ASSERT_EQ(ftruncate(ring.fd(), 100), 0);
    expect_words(expect_error(EPROTO, [&] { BlockRing::attach(name); }), {"100 bytes"});
    ASSERT_EQ(ftruncate(ring.fd(), 0), 0);
    expect_error(ENODATA, [&] { BlockRing::attach(name); });
}

TEST_F(AttachTo, WhatOthersMayWriteToIsRefused) {
    const RingName name{"others"};
    const BlockRing ring = BlockRing::create(name, small_ring);
    for (const mode_t mode : std::initializer_list<mode_t>{0666, 0620, 0604}) {
        ASSERT_EQ(fchmod(ring.fd(), mode), 0);
        const std::string octal = fmt::format("mode is {:04o}", mode);
        expect_words(expect_error(EPERM, [&] { BlockRing::attach(name); }), {octal.c_str(), "chmod 600"});
        expect_words(expect_error(EPERM, [&] { BlockRing::open(name, small_ring); }), {octal.c_str()});
        expect_words(expect_error(EPERM, [&] { BlockRing::attach(ring.fd()); }), {octal.c_str()});
    }
    ASSERT_EQ(fchmod(ring.fd(), 0600), 0);
    EXPECT_EQ(BlockRing::attach(name).geometry(), ring.geometry());
    EXPECT_EQ(BlockRing::attach(ring.fd()).geometry(), ring.geometry());
    if (geteuid() != 0) return;  // only root can give files away
    ASSERT_EQ(fchown(ring.fd(), 65534, 65534), 0);
    expect_words(expect_error(EPERM, [&] { BlockRing::open(name, small_ring); }),
                 {"belongs to user 65534", "process is user 0", "descriptor"});
}

TEST_F(AttachTo, AMemfdThatCanBeCutShortIsRefused) {
    for (const unsigned flags : {0U, static_cast<unsigned>(MFD_ALLOW_SEALING)}) {
        const FileDescriptor memory{memfd_create("ring", MFD_CLOEXEC | flags)};
        ASSERT_EQ(ftruncate(memory.get(), static_cast<off_t>(layout.total_bytes)), 0);
        expect_words(expect_error(EPERM, [&] { BlockRing::attach(memory.get()); }),
                     {"can truncate it", "F_SEAL_SHRINK"});
        ASSERT_EQ(fcntl(memory.get(), F_ADD_SEALS, F_SEAL_SHRINK), flags == 0 ? -1 : 0);
        if (flags != 0) expect_error(EPROTO, [&] { BlockRing::attach(memory.get()); });
    }
}

TEST_F(AttachTo, AMemfdCannotBeCutShort) {
    const BlockRing ring{small_ring};
    EXPECT_EQ(ftruncate(ring.fd(), 4096), -1);
    EXPECT_EQ(errno, EPERM);
}

}  // namespace
}  // namespace pktverbs::testing
