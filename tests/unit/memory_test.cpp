// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/memory/memory.hpp>

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <limits>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>

#include "expect_error.hpp"

namespace pktverbs {
namespace {

using testing::expect_error;
using testing::expect_words;

const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
constexpr std::size_t huge_page = 2U << 20;

std::size_t free_huge_pages() {
    std::size_t count = 0;
    std::ifstream{"/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages"} >> count;
    return count;
}

bool is_mapped(const void* address) {
    unsigned char resident;
    return ::mincore(const_cast<void*>(address), 1, &resident) == 0;
}

TEST(Memory, IsEmptyWhenMadeWithoutSize) {
    const Memory memory;
    EXPECT_EQ(memory.data(), nullptr);
    EXPECT_EQ(memory.size(), 0U);
}

TEST(Memory, IsEmptyForZeroBytes) {
    const Memory memory{0};
    EXPECT_EQ(memory.data(), nullptr);
    EXPECT_EQ(memory.size(), 0U);
    EXPECT_EQ(Memory(0, {.pages = PageSize::huge_2m, .numa_node = 0}).data(), nullptr);
}

TEST(Memory, RoundsUpToWholePages) {
    EXPECT_EQ(Memory{1}.size(), page);
    EXPECT_EQ(Memory{page}.size(), page);
    EXPECT_EQ(Memory{page + 1}.size(), 2 * page);
}

TEST(Memory, IsAlignedZeroedAndWritable) {
    const Memory memory{3 * page};
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(memory.data()) % page, 0U);
    EXPECT_EQ(std::count(memory.data(), memory.data() + memory.size(), 0), static_cast<std::ptrdiff_t>(memory.size()));
    std::fill(memory.data(), memory.data() + memory.size(), std::uint8_t{0xa5});
    EXPECT_EQ(memory.data()[memory.size() - 1], 0xa5);
}

TEST(Memory, UnmapsWhenItEnds) {
    const void* was = nullptr;
    {
        const Memory memory{page};
        was = memory.data();
        EXPECT_TRUE(is_mapped(was));
    }
    EXPECT_FALSE(is_mapped(was));
}

TEST(Memory, IsEmptyWhenMovedFrom) {
    Memory from{page};
    auto* data = from.data();
    const Memory to{std::move(from)};
    EXPECT_EQ(from.data(), nullptr);
    EXPECT_EQ(from.size(), 0U);
    EXPECT_EQ(to.data(), data);
    EXPECT_EQ(to.size(), page);
}

TEST(Memory, KeepsTheNewPagesWhenAssigned) {
    Memory to{page};
    Memory from{2 * page};
    auto* data = from.data();
    to = std::move(from);
    EXPECT_EQ(to.data(), data);
    EXPECT_EQ(to.size(), 2 * page);
}

TEST(Memory, IsNotInAForkedChild) {
    const Memory memory{page};
    const auto child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) ::_exit(is_mapped(memory.data()) ? 1 : 0);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
}

TEST(Memory, ThrowsWhenThereIsNotThatMuch) {
    const auto text = expect_error(ENOMEM, [] { Memory{std::size_t{1} << 60}; });
    expect_words(text, {"cannot map 1152921504606846976 bytes: Cannot allocate memory"});
}

TEST(Memory, ThrowsWhenRoundingUpWouldOverflow) {
    constexpr auto most = std::numeric_limits<std::size_t>::max();
    expect_error(ENOMEM, [] { Memory{most}; });
    expect_error(ENOMEM, [] { Memory{most - 4094}; });
    expect_words(expect_error(ENOMEM, [] { Memory(most - (1U << 20), {.pages = PageSize::huge_2m}); }),
                 {"of huge pages"});
}

TEST(Memory, SaysWhatToDoWhenThereAreNoHugePages) {
    const auto text =
        expect_error(ENOMEM, [] { Memory((free_huge_pages() + 1) * huge_page, {.pages = PageSize::huge_2m}); });
    expect_words(text, {"cannot map ", " bytes of huge pages: Cannot allocate memory (raise vm.nr_hugepages)"});
}

TEST(Memory, UsesHugePagesWhenThereAreSome) {
    if (free_huge_pages() == 0) GTEST_SKIP() << "no free huge pages: sysctl vm.nr_hugepages=1";
    const Memory memory{1, {.pages = PageSize::huge_2m}};
    EXPECT_EQ(memory.size(), huge_page);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(memory.data()) % huge_page, 0U);
    memory.data()[huge_page - 1] = 1;
}

TEST(Memory, GoesToANodeThatIsThere) {
    const Memory memory{page, {.pages = PageSize::normal, .numa_node = 0}};
    memory.data()[0] = 1;
    EXPECT_EQ(memory.data()[0], 1);
}

TEST(Memory, RefusesANodeThatIsAbsent) {
    if (!std::filesystem::exists("/sys/devices/system/node/node0")) GTEST_SKIP() << "this kernel has no NUMA";
    for (const int node : {1023, std::numeric_limits<int>::max()}) {
        const auto text = expect_error(EINVAL, [&] { Memory(page, {.pages = PageSize::normal, .numa_node = node}); });
        expect_words(text, {"cannot place ", ("on NUMA node " + std::to_string(node)).c_str(), "no such node"});
    }
}

TEST(MemoryStride, IsAnOddNumberOfCacheLinesThatHoldsTheBytes) {
    for (const std::size_t bytes : {1U, 64U, 65U, 128U, 1514U, 2048U, 9216U}) {
        EXPECT_GE(Memory::stride(bytes), bytes);
        EXPECT_LT(Memory::stride(bytes), bytes + 128);
        EXPECT_EQ(Memory::stride(bytes) / 64 % 2, 1U);
        EXPECT_EQ(Memory::stride(bytes) % 64, 0U);
    }
}

static_assert(!std::is_copy_constructible_v<Memory> && !std::is_copy_assignable_v<Memory>);
static_assert(std::is_nothrow_move_constructible_v<Memory> && std::is_nothrow_move_assignable_v<Memory>);

}  // namespace
}  // namespace pktverbs
