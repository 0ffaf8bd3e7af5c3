// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/verbs/error.hpp>

#include <gtest/gtest.h>

#include "expect_error.hpp"

namespace pktverbs::verbs {
namespace {

using testing::expect_error;
using testing::expect_words;

constexpr Action create_qp{"create_qp", "create a raw packet queue pair", "mlx5_0"};

TEST(Error, SaysWhatFailedWhyAndWhatToDo) {
    EXPECT_EQ(expect_error(EPERM, [] { throw_error(EPERM, create_qp); }),
              "cannot create a raw packet queue pair on mlx5_0: Operation not permitted "
              "(CAP_NET_RAW is missing: run as root, or setcap cap_net_raw+ep on the program; if it needs "
              "LD_LIBRARY_PATH or LD_PRELOAD, which are ignored then, give it the capability by setpriv --ambient-caps "
              "instead)");
}

TEST(Error, EndsWithTheCauseWhenThereIsNoHint) {
    EXPECT_EQ(expect_error(EDOM,
                           [] {
                               throw_error(EDOM, {"alloc_pd", "allocate a protection domain", "mlx5_0"});
                           }),
              "cannot allocate a protection domain on mlx5_0: Numerical argument out of domain");
}

TEST(Error, PutsTheObjectRightBehindAOneWordVerb) {
    expect_words(expect_error(ENODEV,
                              [] {
                                  throw_error(ENODEV, {"open_device", "open", "mlx5_0"});
                              }),
                 {"cannot open mlx5_0: No such device (", "removed"});
}

TEST(Error, PutsTheObjectRightBehindAPreposition) {
    expect_words(expect_error(EIO,
                              [] {
                                  throw_error(EIO, {"query_port", "query the port of", "mlx5_0"});
                              }),
                 {"cannot query the port of mlx5_0: Input/output error"});
    expect_words(expect_error(EIO,
                              [] {
                                  throw_error(EIO, {"eventfd", "make an eventfd for", "wire:x"});
                              }),
                 {"cannot make an eventfd for wire:x: Input/output error"});
}

TEST(Error, NeedsNoObject) {
    EXPECT_EQ(expect_error(EDOM,
                           [] {
                               throw_error(EDOM, {"get_cq_event", "wait for packets", ""});
                           }),
              "cannot wait for packets: Numerical argument out of domain");
}

TEST(Error, TakesAHintOfTheCallers) {
    EXPECT_EQ(expect_error(ENOMEM, [] { throw_error(ENOMEM, "map memory", "buy more"); }),
              "cannot map memory: Cannot allocate memory (buy more)");
    EXPECT_EQ(expect_error(ENOMEM, [] { throw_error(ENOMEM, "map memory", ""); }),
              "cannot map memory: Cannot allocate memory");
}

TEST(Error, SaysAMessageWordForWord) {
    EXPECT_EQ(expect_error(ENODEV, [] { throw_message(ENODEV, "no such wire"); }), "no such wire");
}

TEST(Error, IsAStandardExceptionThatComparesWithErrc) {
    try {
        throw_error(EPERM, create_qp);
    } catch (const std::exception& thrown) {
        const auto* error = dynamic_cast<const std::system_error*>(&thrown);
        ASSERT_NE(error, nullptr);
        EXPECT_EQ(error->code(), std::errc::operation_not_permitted);
    }
}

TEST(Error, KeepsItsTextWhenCopied) {
    std::exception_ptr kept;
    try {
        throw_error(EPERM, create_qp);
    } catch (...) {
        kept = std::current_exception();
    }
    expect_words(expect_error(EPERM, [&] { std::rethrow_exception(kept); }), {"cannot create", "CAP_NET_RAW"});
}

TEST(ErrorHint, KnowsTheLikelyCauses) {
    struct Case {
        const char* verb;
        int error;
        const char* word;
    };
    for (const auto& [verb, error, word] : {
             Case{"open_device", EPERM, "CAP_NET_RAW"},
             Case{"open_device", EACCES, "/dev/infiniband/uverbs"},
             Case{"open_device", ENODEV, "no such interface or device any more"},
             Case{"create_qp", EPERM, "cap_net_raw+ep"},
             Case{"create_qp", EOPNOTSUPP, "packet:INTERFACE"},
             Case{"create_qp", EINVAL, "fewer packets"},
             Case{"create_qp", ENOMEM, "fewer packets"},
             Case{"create_cq", EINVAL, "fewer packets"},
             Case{"create_cq_ex", ENOMEM, "fewer packets"},
             Case{"create_comp_channel", EMFILE, "ulimit -n"},
             Case{"open_device", EMFILE, "ulimit -n"},
             Case{"eventfd", EMFILE, "ulimit -n"},
             Case{"epoll_create1", ENFILE, "fs.file-max"},
             Case{"reg_mr", ENOMEM, "ulimit -l unlimited"},
             Case{"reg_mr", EAGAIN, "CAP_IPC_LOCK"},
             Case{"reg_mr", EFAULT, "not mapped"},
             Case{"modify_qp", EINVAL, "down or not Ethernet"},
             Case{"modify_qp", ETIMEDOUT, "no way leads there"},
             Case{"modify_qp", EHOSTUNREACH, "no way leads there"},
             Case{"modify_qp", ENETUNREACH, "no way leads there"},
             Case{"modify_qp", ENODATA, "nothing is at that GID index"},
             Case{"reg_mr", EINVAL, "IBV_ACCESS_LOCAL_WRITE"},
             Case{"reg_mr", EOPNOTSUPP, "access flags"},
             Case{"reg_dmabuf_mr", EOPNOTSUPP, "map the memory"},
             Case{"reg_dmabuf_mr", ENOSYS, "map the memory"},
             Case{"reg_dmabuf_mr", EBADF, "not a dmabuf's"},
             Case{"reg_dmabuf_mr", EINVAL, "fewer bytes"},
             Case{"resize_cq", EINVAL, "are waiting"},
             Case{"resize_cq", EOPNOTSUPP, "ever need to be"},
             Case{"resize_cq", ENOSYS, "ever need to be"},
             Case{"create_ah", EINVAL, "no way leads there"},
             Case{"create_ah", ETIMEDOUT, "ip neighbour"},
             Case{"create_ah", EHOSTUNREACH, "ip route"},
             Case{"create_ah", ENETUNREACH, "GID index"},
             Case{"create_ah", ENODATA, "nothing is at that GID index"},
             Case{"create_ah", EOPNOTSUPP, "no datagram queue pairs"},
             Case{"create_srq", EINVAL, "more receives"},
             Case{"create_srq", ENOMEM, "more receives"},
             Case{"create_srq", EOPNOTSUPP, "to each queue pair"},
             Case{"create_srq", ENOSYS, "to each queue pair"},
             Case{"modify_srq", EINVAL, "below"},
             Case{"attach_mcast", EINVAL, "not a multicast address"},
             Case{"attach_mcast", ENOMEM, "leave some"},
             Case{"attach_mcast", EOPNOTSUPP, "no datagram queue pairs"},
             Case{"detach_mcast", EINVAL, "has not joined"},
             Case{"get_async_event", EIO, "the device is gone"},
             Case{"get_cq_event", EIO, "the device is gone"},
             Case{"create_flow", EINVAL, "match on these fields"},
             Case{"create_flow", ENOMEM, "table is full"},
             Case{"create_flow", EEXIST, "already there"},
             Case{"create_flow", EBUSY, "another priority"},
             Case{"create_flow", EPERM, "CAP_NET_RAW"},
             Case{"create_flow", EOPNOTSUPP, "log_num_mgm_entry_size=-1"},
             Case{"create_flow", ENXIO, "log_num_mgm_entry_size=-1"},
             Case{"query_device", ENODEV, "removed"},
             Case{"query_device_ex", ENODEV, "removed"},
             Case{"query_port", ENODEV, "removed"},
             Case{"query_gid", ENODEV, "removed"},
         })
        EXPECT_NE(error_hint(verb, error).find(word), std::string_view::npos)
            << verb << ' ' << error << ": " << error_hint(verb, error);
}

TEST(ErrorHint, IsEmptyWhereItKnowsNone) {
    EXPECT_EQ(error_hint("create_qp", EIO), "");
    EXPECT_EQ(error_hint("", EPERM), "");
    EXPECT_EQ(error_hint("create", EPERM), "");
}

TEST(CheckPointer, GivesWhatTheVerbGave) {
    int thing = 0;
    EXPECT_EQ(check_pointer(create_qp, [&] { return &thing; }), &thing);
}

TEST(CheckPointer, ThrowsErrnoForNull) {
    expect_error(EPERM, [] {
        check_pointer(create_qp, []() -> int* {
            errno = EPERM;
            return nullptr;
        });
    });
}

TEST(CheckPointer, SaysEioWhenTheVerbForgotErrno) {
    errno = EPERM;  // left by an earlier call
    expect_error(EIO, [] { check_pointer(create_qp, []() -> int* { return nullptr; }); });
}

TEST(CheckResult, PassesZeroWithAnyErrno) {
    EXPECT_NO_THROW(check_result(create_qp, [] {
        errno = EPERM;
        return 0;
    }));
}

TEST(CheckResult, ReadsAllThreeConventions) {
    expect_error(EINVAL, [] { check_result(create_qp, [] { return EINVAL; }); });
    expect_error(EINVAL, [] { check_result(create_qp, [] { return -EINVAL; }); });
    expect_error(EINVAL, [] {
        check_result(create_qp, [] {
            errno = EINVAL;
            return -1;
        });
    });
}

TEST(CheckResult, TrustsANegativeErrnoMoreThanErrno) {
    expect_error(EINVAL, [] {
        check_result(create_qp, [] {
            errno = ENOENT;  // from a file that the driver looked for
            return -EINVAL;
        });
    });
}

TEST(CheckResult, SaysEioWhenMinusOneForgotErrno) {
    errno = EPERM;
    expect_error(EIO, [] { check_result(create_qp, [] { return -1; }); });
}

}  // namespace
}  // namespace pktverbs::verbs
