// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/shared_memory.hpp>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "expect_error.hpp"

namespace pktverbs {
namespace {

using testing::expect_error;
using testing::expect_words;

const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));

std::string fresh_name() { return "/pktverbs-test-" + std::to_string(::getpid()); }

TEST(SharedMemory, IsSeenByAChild) {
    const SharedMemory memory = SharedMemory::anonymous(page + 1);
    EXPECT_EQ(memory.size(), 2 * page);
    const auto child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        memory.data()[page] = 42;
        ::_exit(0);
    }
    ASSERT_EQ(::waitpid(child, nullptr, 0), child);
    EXPECT_EQ(memory.data()[page], 42);
}

TEST(SharedMemory, IsMappedAgainByItsDescriptor) {
    const SharedMemory memory = SharedMemory::anonymous(1);
    const SharedMemory again = SharedMemory::adopt(::fcntl(memory.fd(), F_DUPFD_CLOEXEC, 0));
    EXPECT_NE(again.data(), memory.data());
    EXPECT_EQ(again.size(), page);
    memory.data()[7] = 1;
    EXPECT_EQ(again.data()[7], 1);
}

TEST(SharedMemory, CannotShrinkUnderWhoMappedIt) {
    const SharedMemory memory = SharedMemory::anonymous(2 * page);
    EXPECT_EQ(::ftruncate(memory.fd(), 0), -1);
    EXPECT_EQ(errno, EPERM);
}

TEST(SharedMemory, IsOpenedByNameUntilUnlinked) {
    const std::string name = fresh_name();
    const SharedMemory made = SharedMemory::create(name, 10);
    EXPECT_EQ(::fcntl(made.fd(), F_GETFD), FD_CLOEXEC);
    const SharedMemory opened = SharedMemory::open(name);
    made.data()[9] = 3;
    EXPECT_EQ(opened.data()[9], 3);
    expect_words(expect_error(EEXIST, [&] { SharedMemory::create(name, 10); }),
                 {"cannot create the shared memory /pktverbs-test-", "unlink it"});
    SharedMemory::unlink(name);
    SharedMemory::unlink(name);
    expect_words(expect_error(ENOENT, [&] { SharedMemory::open(name); }),
                 {"cannot open the shared memory /pktverbs-test-", "nobody has created it"});
    EXPECT_EQ(opened.data()[9], 3);
}

TEST(SharedMemory, LeavesNoNameWhenItCannotBeMade) {
    const std::string name = fresh_name();
    expect_error(EINVAL, [&] { SharedMemory::create(name, 0); });
    expect_error(ENOENT, [&] { SharedMemory::open(name); });
    expect_error(EINVAL, [] { SharedMemory::create("/no/such/folder", 1); });
}

TEST(SharedMemory, TellsWhenThereIsNotThatMuch) {
    expect_words(expect_error(ENOMEM, [] { SharedMemory::anonymous(std::size_t{1} << 50); }),
                 {"cannot make shared memory of 1125899906842624 bytes", "the machine has"});
    expect_error(ENOMEM, [] { SharedMemory::anonymous(~std::size_t{0}); });
    expect_error(ENOMEM, [] { SharedMemory::create(fresh_name(), ~std::size_t{0}); });
}

TEST(SharedMemory, RefusesADescriptorThatIsNone) {
    expect_error(EBADF, [] { SharedMemory::adopt(-1); });
    int fds[2];
    ASSERT_EQ(::pipe2(fds, O_CLOEXEC), 0);
    expect_words(expect_error(ENODATA, [&] { SharedMemory::adopt(fds[0]); }), {"it is empty"});
    ::close(fds[1]);
}

TEST(SharedMemory, MovesItsPagesAlong) {
    SharedMemory one = SharedMemory::anonymous(1);
    std::uint8_t* const data = one.data();
    SharedMemory two = std::move(one);
    EXPECT_EQ(two.data(), data);
    EXPECT_EQ(one.data(), nullptr);  // NOLINT: what is left of it is what is tested
    two = SharedMemory{};
    EXPECT_EQ(two.size(), 0U);
}

}  // namespace
}  // namespace pktverbs
