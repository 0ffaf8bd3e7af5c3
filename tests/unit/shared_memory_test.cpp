// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/memory/shared_memory.hpp>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <initializer_list>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>

#include "expect_error.hpp"
#include "memory/memory_file.hpp"

namespace pktverbs {
namespace {

using testing::expect_error;
using testing::expect_words;

const auto page_bytes = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));

std::string fresh_name() { return "/pktverbs-test-" + std::to_string(::getpid()); }

TEST(SharedMemory, IsSeenByAChild) {
    const SharedMemory memory = SharedMemory::anonymous(page_bytes + 1);
    EXPECT_EQ(memory.size(), 2 * page_bytes);
    const auto child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        memory.data()[page_bytes] = 42;
        ::_exit(0);
    }
    ASSERT_EQ(::waitpid(child, nullptr, 0), child);
    EXPECT_EQ(memory.data()[page_bytes], 42);
}

TEST(SharedMemory, IsMappedAgainByItsDescriptor) {
    const SharedMemory memory = SharedMemory::anonymous(1);
    const SharedMemory again = SharedMemory::adopt(::fcntl(memory.fd(), F_DUPFD_CLOEXEC, 0));
    EXPECT_NE(again.data(), memory.data());
    EXPECT_EQ(again.size(), page_bytes);
    memory.data()[7] = 1;
    EXPECT_EQ(again.data()[7], 1);
}

TEST(SharedMemory, CannotShrinkWhileItIsMapped) {
    const SharedMemory memory = SharedMemory::anonymous(2 * page_bytes);
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
                 {"cannot open the shared memory /pktverbs-test-", "it has not been created"});
    EXPECT_EQ(opened.data()[9], 3);
}

TEST(SharedMemory, LeavesNoNameWhenItCannotBeMade) {
    const std::string name = fresh_name();
    expect_error(EINVAL, [&] { SharedMemory::create(name, 0); });
    expect_error(ENOENT, [&] { SharedMemory::open(name); });
    expect_error(EINVAL, [] { SharedMemory::create("/no/such/folder", 1); });
}

TEST(SharedMemory, ReportsThatThereIsNotThatMuch) {
    expect_words(expect_error(ENOMEM, [] { SharedMemory::anonymous(std::size_t{1} << 50); }),
                 {"cannot make shared memory of 1125899906842624 bytes", "the machine has"});
    expect_error(ENOMEM, [] { SharedMemory::anonymous(~std::size_t{0}); });
    expect_error(ENOMEM, [] { SharedMemory::create(fresh_name(), ~std::size_t{0}); });
}

TEST(SharedMemory, RefusesADescriptorThatIsNone) {
    expect_error(EBADF, [] { SharedMemory::adopt(-1); });
    int fds[2];
    ASSERT_EQ(::pipe2(fds, O_CLOEXEC), 0);
    expect_words(expect_error(EINVAL, [&] { SharedMemory::adopt(fds[0]); }), {"it is a pipe"});
    ::close(fds[1]);
    expect_words(expect_error(EINVAL, [] { SharedMemory::adopt(::open("/dev/null", O_RDWR)); }), {"it is a device"});
    expect_words(expect_error(EINVAL, [] { SharedMemory::adopt(::open("/", O_RDONLY)); }), {"it is a folder"});
    const SharedMemory memory = SharedMemory::anonymous(1);
    const std::string path = "/proc/self/fd/" + std::to_string(memory.fd());
    expect_words(expect_error(EACCES, [&] { SharedMemory::adopt(::open(path.c_str(), O_RDONLY)); }),
                 {"for reading and writing"});
}

TEST(SharedMemory, TakesNoOtherSeals) {
    const SharedMemory memory = SharedMemory::anonymous(1);
    // A seal against writable mappings would lock out all later users.
    EXPECT_EQ(::fcntl(memory.fd(), F_ADD_SEALS, F_SEAL_FUTURE_WRITE), -1);
    EXPECT_EQ(errno, EPERM);
}

TEST(SharedMemory, IsWholeWhenItGetsItsName) {
    const std::string name = fresh_name();
    const SharedMemory made = SharedMemory::create(name, 1, [&](std::span<std::uint8_t> bytes) {
        expect_error(ENOENT, [&] { SharedMemory::open(name); });
        bytes[0] = 7;
    });
    EXPECT_EQ(SharedMemory::open(name).data()[0], 7);
    SharedMemory::unlink(name);
    EXPECT_THROW(SharedMemory::create(name, 1, [](auto) { throw std::runtime_error{"not now"}; }), std::runtime_error);
    expect_error(ENOENT, [&] { SharedMemory::open(name); });
    // Another process was faster.
    std::optional<SharedMemory> other;
    expect_words(
        expect_error(EEXIST,
                     [&] { SharedMemory::create(name, 1, [&](auto) { other = SharedMemory::create(name, 1); }); }),
        {"unlink it"});
    SharedMemory::unlink(name);
}

class MemoryFile : public ::testing::Test {
protected:
    static constexpr uid_t user = 1000;
    struct stat file {};
    MemoryFile() {
        file.st_mode = S_IFREG | 0600;
        file.st_uid = user;
        file.st_nlink = 1;
    }
    void refused(int error, int seals, std::initializer_list<const char*> words) {
        const std::string text = expect_error(error, [&] { check_memory_file(file, seals, user, "open it"); });
        expect_words(text, {"cannot open it: "});
        expect_words(text, words);
    }
};

TEST_F(MemoryFile, MayBeMappedIfItCannotBeCutShortOrIsOnesOwn) {
    check_memory_file(file, -1, user, "");
    check_memory_file(file, F_SEAL_SEAL, user, "");
    file.st_uid = 7;
    file.st_mode = S_IFREG | 0777;
    check_memory_file(file, F_SEAL_SHRINK, user, "");
}

TEST_F(MemoryFile, IsRefusedIfItBelongsToAnotherUser) {
    file.st_uid = 1001;
    refused(EPERM, -1, {"user 1001", "user 1000", "descriptor of sealed memory"});
    file.st_uid = 0;
    refused(EPERM, F_SEAL_SEAL, {"user 0"});
}

TEST_F(MemoryFile, IsRefusedIfOthersMayOpenIt) {
    for (const mode_t mode : std::initializer_list<mode_t>{0666, 0640, 0601, 0620}) {
        file.st_mode = S_IFREG | mode;
        refused(EPERM, -1, {"chmod 600"});
    }
}

TEST_F(MemoryFile, IsRefusedIfItIsNotSealedThoughItCouldBe) {
    refused(EPERM, 0, {"can truncate it", "F_SEAL_SHRINK"});
    file.st_nlink = 0;
    file.st_mode = S_IFREG | 0777;
    refused(EPERM, F_SEAL_SEAL, {"can truncate it"});
}

TEST_F(MemoryFile, IsRefusedIfItIsNone) {
    for (const mode_t type : std::initializer_list<mode_t>{S_IFIFO, S_IFCHR, S_IFBLK, S_IFDIR, S_IFSOCK}) {
        file.st_mode = type | 0600;
        refused(EINVAL, -1, {"shared memory is a file"});
    }
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
