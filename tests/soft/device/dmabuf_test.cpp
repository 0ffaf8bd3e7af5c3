// SPDX-License-Identifier: Apache-2.0
// Memory registered by a descriptor. A memfd stands in for a dmabuf: both are mapped.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <optional>
#include <string>

#include "base/file_descriptor.hpp"
#include "offload_end.hpp"

namespace pktverbs::testing {
namespace {

constexpr std::size_t size = 16 * 4096;
constexpr std::uint64_t offset = 4096 + 64;
constexpr std::uint64_t iova = 0x7700'0000'0040;  // nothing is mapped there
constexpr std::size_t length = 8192;

class Dmabuf : public ::testing::Test {
protected:
    VerbsEnd end;
    WireTap tap{"w"};
    std::optional<FileDescriptor> fd = FileDescriptor{memfd_create("dmabuf", MFD_CLOEXEC)};
    std::uint8_t* memory = nullptr;

    void SetUp() override {
        ASSERT_EQ(ftruncate(fd->get(), size), 0);
        void* const mapped = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd->get(), 0);
        ASSERT_NE(mapped, MAP_FAILED);
        memory = static_cast<std::uint8_t*>(mapped);
    }
    void TearDown() override { munmap(memory, size); }

    verbs::MrHandle add(int access = IBV_ACCESS_LOCAL_WRITE) {
        return {end.verbs.reg_dmabuf_mr(end.pd.get(), offset, length, iova, fd->get(), access), {&end.verbs}};
    }
    int errno_of(std::uint64_t from, std::size_t bytes, std::uint64_t at, int of, int access = IBV_ACCESS_LOCAL_WRITE) {
        errno = 0;
        EXPECT_EQ(end.verbs.reg_dmabuf_mr(end.pd.get(), from, bytes, at, of, access), nullptr);
        return errno;
    }
};

TEST_F(Dmabuf, IsWrittenByReceives) {
    const verbs::MrHandle mr = add();
    ASSERT_NE(mr, nullptr);
    EXPECT_EQ(mr->length, length);
    fd.reset();  // the registration keeps what it needs
    ASSERT_EQ(end.post_recv(1, {{iova + 10, 30, mr->lkey}, {iova + 8000, 192, mr->lkey}}), 0);
    const Frame frame = frame_to(1, 200);
    tap.send(frame);
    EXPECT_WC(poll_one(end.recv_cq), 1U, IBV_WC_SUCCESS);
    EXPECT_EQ(std::memcmp(memory + offset + 10, frame.data(), 30), 0);
    EXPECT_EQ(std::memcmp(memory + offset + 8000, frame.data() + 30, 170), 0);
}

TEST_F(Dmabuf, IsReadBySends) {
    const verbs::MrHandle mr = add(0);
    ASSERT_NE(mr, nullptr);
    const Frame frame = frame_to(1, 100);
    std::memcpy(memory + offset + 7, frame.data(), 60);
    const ibv_sge rest = end.put(0, Frame(frame.begin() + 60, frame.end()));
    ASSERT_EQ(end.post_send(1, {{iova + 7, 60, mr->lkey}, rest}), 0);
    ASSERT_EQ(end.post_send(2, {{iova + 7, 60, mr->lkey}}), 0);
    EXPECT_EQ(tap.receive(), (Frames{frame, Frame(frame.begin(), frame.begin() + 60)}));
    EXPECT_EQ(poll_all(end.send_cq).size(), 2U);
}

TEST_F(Dmabuf, IsReadByOffloadedSends) {
    const verbs::MrHandle mr = add();
    const IpFrame frame;
    const Frame bytes = frame.bytes();
    std::memcpy(memory + offset, bytes.data(), bytes.size());
    ASSERT_EQ(end.post_send(1, {{iova, static_cast<std::uint32_t>(bytes.size()), mr->lkey}},
                            IBV_SEND_SIGNALED | IBV_SEND_IP_CSUM),
              0);
    const Frames sent = tap.receive();
    ASSERT_EQ(sent.size(), 1U);
    expect_right(frame, sent[0]);
    EXPECT_EQ(std::memcmp(memory + offset, bytes.data(), bytes.size()), 0);
}

TEST_F(Dmabuf, IsLeftAloneOutsideOfWhatWasRegistered) {
    const verbs::MrHandle mr = add();
    for (const ibv_sge bad : {ibv_sge{iova - 1, 60, mr->lkey}, ibv_sge{iova + length - 59, 60, mr->lkey},
                              ibv_sge{reinterpret_cast<std::uint64_t>(memory) + offset, 60, mr->lkey}}) {
        const verbs::QpHandle qp = end.make_qp();
        ASSERT_EQ(end.post_send(1, {bad}, IBV_SEND_SIGNALED, qp.get()), 0);
        EXPECT_WC(poll_one(end.send_cq), 1U, IBV_WC_LOC_PROT_ERR);
    }
    EXPECT_TRUE(tap.receive().empty());
}

TEST_F(Dmabuf, IsNotWrittenWithoutTheRight) {
    const verbs::MrHandle mr = add(0);
    ASSERT_EQ(end.post_recv(1, {{iova, 200, mr->lkey}}), 0);
    tap.send(frame_to(1));
    EXPECT_WC(poll_one(end.recv_cq), 1U, IBV_WC_LOC_PROT_ERR);
}

TEST_F(Dmabuf, IsGoneWhenItIsDeregistered) {
    verbs::MrHandle mr = add();
    const std::uint32_t lkey = mr->lkey;
    mr.reset();
    ASSERT_EQ(end.post_send(1, {{iova, 60, lkey}}), 0);
    EXPECT_WC(poll_one(end.send_cq), 1U, IBV_WC_LOC_PROT_ERR);
}

TEST_F(Dmabuf, IsRefused) {
    EXPECT_EQ(errno_of(0, 4096, 0x1000, -1), EBADF);
    EXPECT_EQ(errno_of(0, 0, 0x1000, fd->get()), EINVAL);
    EXPECT_EQ(errno_of(4096, size, 0x1000, fd->get()), EINVAL);  // past the end
    EXPECT_EQ(errno_of(64, 4096, 0x1000, fd->get()), EINVAL);    // another place in the page
    EXPECT_EQ(errno_of(UINT64_MAX & ~4095ULL, 8192, 0x1000, fd->get()), EINVAL);
    EXPECT_EQ(errno_of(0, 8192, UINT64_MAX & ~4095ULL, fd->get()), EINVAL);
    EXPECT_EQ(errno_of(0, 4096, 0x1000, fd->get(), IBV_ACCESS_REMOTE_WRITE), EINVAL);
    EXPECT_EQ(errno_of(0, 4096, 0x1000, fd->get(), IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_ON_DEMAND), EOPNOTSUPP);
    const std::string path = "/proc/self/fd/" + std::to_string(fd->get());
    const FileDescriptor read_only{open(path.c_str(), O_RDONLY | O_CLOEXEC)};
    EXPECT_EQ(errno_of(0, 4096, 0x1000, read_only.get()), EACCES);
}

}  // namespace
}  // namespace pktverbs::testing
