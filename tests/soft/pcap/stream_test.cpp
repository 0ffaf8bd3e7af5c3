// SPDX-License-Identifier: Apache-2.0
// Captures that come through a pipe while they are replayed.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <thread>

#include <pktverbs/verbs/async_event.hpp>

#include "base/file_descriptor.hpp"
#include "capture_file.hpp"
#include "expect_error.hpp"

namespace pktverbs::testing {
namespace {

class PcapStream : public ::testing::TestWithParam<bool> {
protected:
    void SetUp() override {
        PKTVERBS_NEEDS_REPLAY();
        ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
    }

    const CaptureForm form{.is_pcapng = GetParam()};
    Folder folder;
    const std::string path = folder / "fifo";

    static void put(int fd, const Bytes& bytes) {
        ASSERT_EQ(::write(fd, bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
    }
    /// What a further frame adds to a file.
    Bytes next(std::uint32_t number) const {
        const std::size_t before = CaptureFile{form}.bytes.size();
        const Bytes all = CaptureFile{form}.add({first_time, frame(number)}).bytes;
        return {all.begin() + static_cast<std::ptrdiff_t>(before), all.end()};
    }
};

INSTANTIATE_TEST_SUITE_P(Forms, PcapStream, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "pcapng" : "pcap"; });

TEST_P(PcapStream, GivesFramesAsTheyCome) {
    FileDescriptor writer;
    std::thread opening{[&] {
        writer = FileDescriptor{::open(path.c_str(), O_WRONLY | O_CLOEXEC)};
        put(writer.get(), CaptureFile{form}.bytes);
    }};
    PcapEnd end{"pcap:in=" + path + "?speed=max"};
    opening.join();
    EXPECT_TRUE(end.ctx.recv(5ms).empty());
    for (std::uint32_t i = 0; i < 20; ++i) {
        put(writer.get(), next(i));
        const auto received = end.receive(1);
        ASSERT_EQ(received.size(), 1U);
        EXPECT_EQ(received[0].frame, frame(i));
        EXPECT_TRUE(end.ctx.recv(0ns).empty());
    }
    EXPECT_FALSE(report_of(end.ctx).ended);
    writer = FileDescriptor{};
    std::thread waiting{[&] { EXPECT_TRUE(end.ctx.recv(100ms).empty()); }};
    const auto event = end.ctx.wait_event(patience);
    waiting.join();
    ASSERT_TRUE(event);
    EXPECT_EQ(event->type, IBV_EVENT_PORT_ERR);
    EXPECT_EQ(report_of(end.ctx).in_error, "");
}

TEST_P(PcapStream, IsReadOnceOnly) {
    expect_words(expect_error(EINVAL, [&] { find_device("pcap:in=" + path + "?loop=2"); }), {"a pipe", "once only"});
}

TEST_P(PcapStream, ThatIsNoCaptureCannotBeOpened) {
    std::thread writing{[&] {
        const FileDescriptor writer{::open(path.c_str(), O_WRONLY | O_CLOEXEC)};
        put(writer.get(), Bytes(100, 'x'));
    }};
    expect_error(EINVAL, [&] { Context{"pcap:in=" + path}; });
    writing.join();
}

}  // namespace
}  // namespace pktverbs::testing
