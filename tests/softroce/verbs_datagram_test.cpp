// SPDX-License-Identifier: Apache-2.0
// Datagram queue pairs: address handles, the GRH before each message, keys, multicast groups.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

#include <pktverbs/verbs/address_handle.hpp>
#include <pktverbs/verbs/endpoint.hpp>

#include "base/file_descriptor.hpp"
#include "expect_error.hpp"
#include "node.hpp"

namespace pktverbs::testing {
namespace {

using verbs::AddressHandle;
using verbs::RecvRequest;
using verbs::SendRequest;

constexpr std::size_t grh_bytes = 40;
constexpr std::uint32_t key = 0x11111111;
constexpr std::uint32_t multicast_queue_pair = 0xffffff;

class DatagramTest : public ::testing::Test {
protected:
    static verbs::QueuePair make(const Node& node, std::optional<std::uint32_t> qkey = {}) {
        auto builder = node.builder(IBV_QPT_UD);
        if (qkey) builder.options().qkey = *qkey;
        auto qp = builder.create();
        qp.activate();
        return qp;
    }
    SendRequest to_b(const Bytes& message) {
        return SendRequest::send().with(a_.put(0, message)).to(to_b_, b_qp_.number(), key);
    }

    Node a_{"rxe0"};
    Node b_{"rxe1"};
    verbs::QueuePair a_qp_ = make(a_);
    verbs::QueuePair b_qp_ = make(b_);
    AddressHandle to_b_{a_.pd, b_qp_.endpoint()};
};

TEST_F(DatagramTest, SendsAMessageBehindAGrh) {
    expect_posted(b_qp_.post_recv(RecvRequest{1}.into(b_.slice(0, 1000))));
    expect_posted(a_qp_.post_send(to_b(pattern(100))));
    EXPECT_EQ(a_.wait_ok().opcode(), IBV_WC_SEND);
    const auto received = b_.wait_ok();
    EXPECT_EQ(received.id(), 1U);
    EXPECT_TRUE(received.is_receive());
    EXPECT_TRUE(received.has_grh());
    EXPECT_EQ(received.length(), grh_bytes + 100);
    EXPECT_EQ(received.source_queue_pair(), a_qp_.number());
    EXPECT_EQ(received.queue_pair(), b_qp_.number());
    EXPECT_EQ(b_.copy(grh_bytes, 100), pattern(100));
    // RoCE v2 puts the IPv4 header into the last 20 of the 40 bytes (InfiniBand Annex A17, A17.4.5.2).
    EXPECT_EQ(b_.copy(20 + 12, 8), (Bytes{10, 198, 52, 1, 10, 198, 52, 2}));
}

TEST_F(DatagramTest, SendsAnImmediate) {
    expect_posted(b_qp_.post_recv(RecvRequest{1}.into(b_.slice(0, 1000))));
    expect_posted(a_qp_.post_send(SendRequest::send_with_immediate(99).to(to_b_, b_qp_.number(), key)));
    a_.wait_ok();
    const auto received = b_.wait_ok();
    EXPECT_EQ(received.immediate(), 99U);
    EXPECT_EQ(received.length(), grh_bytes);
}

TEST_F(DatagramTest, AnswersTheQueuePairThatSent) {
    expect_posted(a_qp_.post_recv(RecvRequest{}.into(a_.slice(1000, 1000))));
    expect_posted(b_qp_.post_recv(RecvRequest{}.into(b_.slice(0, 1000))));
    expect_posted(a_qp_.post_send(to_b(pattern(10)).unsignaled()));
    const auto received = b_.wait_ok();
    const AddressHandle back{b_.pd, a_qp_.endpoint()};
    expect_posted(b_qp_.post_send(
        SendRequest::send().with(b_.put(2000, pattern(20))).to(back, received.source_queue_pair(), key).unsignaled()));
    EXPECT_EQ(a_.wait_ok().length(), grh_bytes + 20);
}

TEST_F(DatagramTest, SendsToSeveralFromOneBatch) {
    auto other = make(b_);
    auto own = make(a_);
    const AddressHandle to_a{a_.pd, own.endpoint()};
    expect_posted(b_qp_.post_recv(RecvRequest{1}.into(b_.slice(0, 1000))));
    expect_posted(other.post_recv(RecvRequest{2}.into(b_.slice(1000, 1000))));
    expect_posted(own.post_recv(RecvRequest{3}.into(a_.slice(1000, 1000))));
    const auto message = a_.put(0, pattern(10));
    std::array batch{SendRequest::send().with(message).to(to_b_, b_qp_.number(), key).unsignaled(),
                     SendRequest::send().with(message).to(to_b_, other.number(), key).unsignaled(),
                     SendRequest::send().with(message).to(to_a, own.number(), key).unsignaled()};
    expect_posted(a_qp_.post_send(batch), batch.size());
    EXPECT_EQ(b_.wait_ok().queue_pair(), b_qp_.number());
    EXPECT_EQ(b_.wait_ok().queue_pair(), other.number());
    EXPECT_EQ(a_.wait_ok().queue_pair(), own.number());
}

TEST_F(DatagramTest, DropsWhatHasAnotherKey) {
    auto picky = make(b_, 0x22222222);
    expect_posted(picky.post_recv(RecvRequest{}.into(b_.slice(0, 1000))));
    const auto message = a_.put(0, pattern(10));
    std::array batch{SendRequest::send().with(message).to(to_b_, picky.number(), key),
                     SendRequest::send_with_immediate(2).with(message).to(to_b_, picky.number(), 0x22222222)};
    expect_posted(a_qp_.post_send(batch), batch.size());
    a_.wait_ok();
    a_.wait_ok();
    EXPECT_EQ(b_.wait_ok().immediate(), 2U);
}

TEST_F(DatagramTest, DropsWhatNoReceiveWaitsFor) {
    expect_posted(a_qp_.post_send(to_b(pattern(10))));
    a_.wait_ok();
    EXPECT_TRUE(b_.idle());
}

TEST_F(DatagramTest, SpeaksIpv6) {
    verbs::AddressOptions address;
    address.gid = Ipv6Address::parse("fd52::2").value();
    for (const auto& entry : a_.device.gids())
        if (entry.gid == Ipv6Address::parse("fd52::1")) address.gid_index = entry.index;
    const AddressHandle handle{a_.pd, address};
    expect_posted(b_qp_.post_recv(RecvRequest{}.into(b_.slice(0, 1000))));
    expect_posted(
        a_qp_.post_send(SendRequest::send().with(a_.put(0, pattern(10))).to(handle, b_qp_.number(), key).unsignaled()));
    EXPECT_EQ(b_.wait_ok().length(), grh_bytes + 10);
    const auto source = Ipv6Address::parse("fd52::1").value().bytes();
    EXPECT_EQ(b_.copy(8, 16), Bytes(source.begin(), source.end()));
}

TEST_F(DatagramTest, RefusesAnAddressWithoutAWay) {
    verbs::AddressOptions address;
    address.gid = verbs::to_mapped(Ipv4Address::parse("192.0.2.1").value());
    address.gid_index = a_.device.default_gid().index;
    try {
        const AddressHandle handle{a_.pd, address};
        FAIL() << "it was made";
    } catch (const std::system_error& error) {
        expect_words(error.what(),
                     {"cannot create an address handle to ::ffff:192.0.2.1 on rxe0/1: ", "no way leads there"});
    }
}

TEST_F(DatagramTest, RefusesAGidIndexThatDoesNotExist) {
    verbs::AddressOptions address;
    address.gid = b_qp_.endpoint().gid;
    address.gid_index = 200;
    expect_words(expect_error(ENODATA, [&] { AddressHandle(a_.pd, address); }),
                 {"cannot create an address handle to", "nothing is at that GID index"});
    address.gid_index = 300;
    expect_words(expect_error(EINVAL, [&] { AddressHandle(a_.pd, address); }), {"cannot send from GID index 300"});
}

/// Makes the kernel let the group's packets in, which a driver's group does not.
class KernelGroup {
public:
    KernelGroup(const char* group, const char* interface) : socket_{socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)} {
        ip_mreqn request{};
        request.imr_multiaddr.s_addr = inet_addr(group);
        request.imr_ifindex = static_cast<int>(if_nametoindex(interface));
        EXPECT_EQ(setsockopt(socket_.get(), IPPROTO_IP, IP_ADD_MEMBERSHIP, &request, sizeof request), 0)
            << strerror(errno);
    }

private:
    FileDescriptor socket_;
};

class GroupTest : public DatagramTest {
protected:
    SendRequest to_group(std::uint32_t immediate) {
        return SendRequest::send_with_immediate(immediate)
            .with(a_.put(0, pattern(10)))
            .to(handle_, multicast_queue_pair, key)
            .unsignaled();
    }
    SendRequest directly(std::uint32_t immediate) {
        return SendRequest::send_with_immediate(immediate).to(to_b_, b_qp_.number(), key).unsignaled();
    }

    Ipv6Address group_ = verbs::to_mapped(Ipv4Address::parse("239.52.0.1").value());
    KernelGroup in_kernel_{"239.52.0.1", "veth1"};
    AddressHandle handle_{a_.pd, verbs::AddressOptions{.gid = group_, .gid_index = a_.device.default_gid().index}};
};

TEST_F(GroupTest, GivesEachMemberACopy) {
    auto other = make(b_);
    b_qp_.join(group_);
    other.join(group_);
    expect_posted(b_qp_.post_recv(RecvRequest{1}.into(b_.slice(0, 1000))));
    expect_posted(other.post_recv(RecvRequest{2}.into(b_.slice(1000, 1000))));
    expect_posted(a_qp_.post_send(to_group(7)));
    for (int i = 0; i < 2; ++i) {
        const auto received = b_.wait_ok();
        EXPECT_EQ(received.immediate(), 7U);
        EXPECT_EQ(received.source_queue_pair(), a_qp_.number());
    }
    EXPECT_EQ(b_.copy(grh_bytes, 10), pattern(10));
    EXPECT_EQ(b_.copy(1000 + grh_bytes, 10), pattern(10));
}

TEST_F(GroupTest, GivesNoneBeforeJoiningAndAfterLeaving) {
    for (std::uint64_t id = 0; id < 3; ++id)
        expect_posted(b_qp_.post_recv(RecvRequest{id}.into(b_.slice(1000 * id, 1000))));
    expect_posted(a_qp_.post_send(to_group(1)));
    expect_posted(a_qp_.post_send(directly(2)));
    EXPECT_EQ(b_.wait_ok().immediate(), 2U);
    b_qp_.join(group_);
    expect_posted(a_qp_.post_send(to_group(3)));
    EXPECT_EQ(b_.wait_ok().immediate(), 3U);
    b_qp_.leave(group_);
    expect_posted(a_qp_.post_send(to_group(4)));
    expect_posted(a_qp_.post_send(directly(5)));
    EXPECT_EQ(b_.wait_ok().immediate(), 5U);
}

TEST_F(GroupTest, EndsWithItsGroupsJoined) {
    for (int i = 0; i < 10; ++i) {
        auto qp = make(b_);
        qp.join(group_);
        qp.join(verbs::to_mapped(Ipv4Address::parse("239.52.0.2").value()));
    }
    EXPECT_EQ(run("rdma resource show qp | grep -c 'link rxe1/1 .*type UD' || true"), "1\n");  // this test's own
}

TEST_F(GroupTest, RefusesWhatIsNoGroup) {
    const std::string text = expect_error(EINVAL, [&] { b_qp_.join(Ipv6Address::parse("fd52::1").value()); });
    expect_words(text, {"cannot join the group fd52::1 on rxe1/1: Invalid argument (not a multicast address"});
    expect_words(expect_error(EINVAL, [&] { b_qp_.leave(group_); }),
                 {"cannot leave the group ::ffff:239.52.0.1 on rxe1/1", "it has not joined that group"});
    auto reliable = b_.builder(IBV_QPT_RC).create();
    expect_words(expect_error(EINVAL, [&] { reliable.join(group_); }), {"not a datagram queue pair"});
}

}  // namespace
}  // namespace pktverbs::testing
