// SPDX-License-Identifier: Apache-2.0
// Steady state: once set up, the data path allocates nothing and makes no system call. Not under sanitizers, which do
// both.
#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <new>

#include <pktverbs/pktverbs.hpp>

namespace {
std::atomic<long> heap_calls{0};
}

// Defined in the program, these replace the C library's for every library; operator new calls malloc.
extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);
void __libc_free(void*);

void* malloc(std::size_t bytes) {
    ++heap_calls;
    return __libc_malloc(bytes);
}
void* calloc(std::size_t count, std::size_t bytes) {
    ++heap_calls;
    return __libc_calloc(count, bytes);
}
void* realloc(void* data, std::size_t bytes) {
    ++heap_calls;
    return __libc_realloc(data, bytes);
}
void* aligned_alloc(std::size_t alignment, std::size_t bytes) {
    ++heap_calls;
    return __libc_memalign(alignment, bytes);
}
int posix_memalign(void** data, std::size_t alignment, std::size_t bytes) {
    ++heap_calls;
    *data = __libc_memalign(alignment, bytes);
    return *data ? 0 : ENOMEM;
}
void free(void* data) {
    if (data) ++heap_calls;
    __libc_free(data);
}
}

namespace pktverbs::testing {
namespace {

using namespace std::chrono_literals;

constexpr int turns = 5000;

struct Way {
    const char* name;
    std::uint32_t queues;
    WaitMode wait;
    std::chrono::nanoseconds timeout;
    std::uint32_t max_inline = 0;
    bool timestamps = false;
};

/// Two contexts on a wire, and one turn of everything that a program does per batch.
class Bench {
public:
    explicit Bench(const Way& way)
        : way_{way},
          sender_{"wire:steady", options(way)},
          receiver_{"wire:steady", options(way)},
          flow_{receiver_.install(FlowRule{}, way.queues - 1)} {}

    static Options options(const Way& way) {
        return {.send_packets = 64,
                .recv_packets = 128,
                .max_packet_size = 256,
                .queues = way.queues,
                .max_inline = way.max_inline,
                .timestamps = way.timestamps,
                .wait = way.wait};
    }

    /// Returns how many packets came.
    std::size_t turn() {
        SendList list = sender_.acquire(20);
        for (SendPkt& pkt : list) {
            std::memset(pkt.buffer().data(), 0xff, 14);
            pkt.set_length(60 + sent_++ % 100);
        }
        SendList unsent = list.pop_front();
        if (!sender_.send(std::move(list)).empty()) return 0;
        std::size_t received = 0, bytes = 0;
        RecvList kept;
        while (received < 19) {
            RecvList arrived = receiver_.recv(way_.timeout);
            if (arrived.empty()) return 0;
            received += arrived.size();
            for (const RecvPkt& pkt : arrived) bytes += pkt.bytes().size();
            kept.append(arrived.pop_front());
            arrived.release();
        }
        return sender_.flush(way_.timeout) && receiver_.queue(0).stats().recv_packets <= sent_ && bytes != 0 ? received
                                                                                                             : 0;
    }

private:
    const Way way_;
    std::uint32_t sent_ = 0;
    Context sender_, receiver_;
    Flow flow_;
};

enum class Sin { none, allocation, system_call };

void commit(Sin sin) {
    static char* volatile escaped;  // or the pair is optimised away
    if (sin == Sin::allocation) {
        escaped = new char[10];
        delete[] escaped;
    }
    if (sin == Sin::system_call) syscall(SYS_getpid);
}

/// Calls of the heap's functions in many turns.
long heap_calls_of(const Way& way, Sin sin = Sin::none) {
    Bench bench{way};
    bench.turn();
    const long before = heap_calls;
    std::size_t received = 0;
    for (int i = 0; i < turns; ++i) received += bench.turn();
    commit(sin);
    const long made = heap_calls - before;
    EXPECT_EQ(received, 19u * turns);
    return made;
}

/// Any system call but the exit ends the process from now on.
bool forbid_system_calls() {
    std::array filter{
        sock_filter BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 0, 1),
        sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    };
    const sock_fprog program{static_cast<unsigned short>(filter.size()), filter.data()};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

constexpr int no_seccomp = 77;

/// The exit status, by waitpid, of a child that may make no system call in many turns.
int status_without_system_calls(const Way& way, Sin sin = Sin::none) {
    const pid_t child = fork();
    if (child == 0) {
        Bench bench{way};  // here, because packets are kept from forked children
        bench.turn();
        if (!forbid_system_calls()) _exit(no_seccomp);
        for (int i = 0; i < turns; ++i)
            if (bench.turn() != 19) _exit(1);
        commit(sin);
        _exit(0);
    }
    int status = -1;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    return status;
}

class SteadyState : public ::testing::TestWithParam<Way> {};
INSTANTIATE_TEST_SUITE_P(
    Ways, SteadyState,
    ::testing::Values(Way{"no_wait", 1, WaitMode::block, 0ns}, Way{"no_timeout", 1, WaitMode::block, no_timeout},
                      Way{"busy", 1, WaitMode::busy_poll, no_timeout}, Way{"queues", 3, WaitMode::block, 0ns},
                      Way{"inlined", 1, WaitMode::block, 0ns, 100}, Way{"extended", 1, WaitMode::block, 0ns, 0, true}),
    [](const auto& param) { return param.param.name; });

TEST_P(SteadyState, AllocatesNothing) { EXPECT_EQ(heap_calls_of(GetParam()), 0); }

TEST_P(SteadyState, MakesNoSystemCall) {
    const int status = status_without_system_calls(GetParam());
    if (WIFEXITED(status) && WEXITSTATUS(status) == no_seccomp) GTEST_SKIP() << "no seccomp filters here";
    EXPECT_FALSE(WIFSIGNALED(status)) << "killed by " << strsignal(WTERMSIG(status));
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
}

TEST(SteadyStateTest, CatchesAnAllocation) {
    EXPECT_GT(heap_calls_of({"", 1, WaitMode::block, 0ns}, Sin::allocation), 0);
}

TEST(SteadyStateTest, CatchesASystemCall) {
    const int status = status_without_system_calls({"", 1, WaitMode::block, 0ns}, Sin::system_call);
    if (WIFEXITED(status) && WEXITSTATUS(status) == no_seccomp) GTEST_SKIP() << "no seccomp filters here";
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS) << status;
}

}  // namespace
}  // namespace pktverbs::testing
