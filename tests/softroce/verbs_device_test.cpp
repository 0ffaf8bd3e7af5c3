// SPDX-License-Identifier: Apache-2.0
// What a SoftRoCE device reports and refuses.
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>

#include "base/file_descriptor.hpp"
#include "expect_error.hpp"
#include "node.hpp"
#include "verbs/rdma_core.hpp"

namespace pktverbs::testing {
namespace {

class SoftRoceTest : public ::testing::Test {
protected:
    verbs::OpenDevice device_{verbs::hardware_device("rxe0")};
};

TEST_F(SoftRoceTest, IsListed) {
    const auto devices = verbs::list_hardware_devices();
    for (const auto* name : {"rxe0/1", "rxe1/1"}) {
        const auto at =
            std::find_if(devices.begin(), devices.end(), [&](const Device& device) { return device.name == name; });
        ASSERT_NE(at, devices.end()) << name;
        EXPECT_EQ(at->port, 1);
    }
}

TEST_F(SoftRoceTest, IsFoundByItsInterface) {
    const Device device = verbs::find_hardware_device("veth0");
    ASSERT_TRUE(device.handle);
    EXPECT_EQ(device.name, "rxe0/1");
    EXPECT_EQ(device.interface, "veth0");
}

TEST_F(SoftRoceTest, ReportsItsAttributes) {
    const auto attr = device_.attributes();
    EXPECT_EQ(attr.phys_port_cnt, 1);
    EXPECT_EQ(attr.atomic_cap, IBV_ATOMIC_HCA);
    EXPECT_GT(attr.max_srq, 0);
    EXPECT_EQ(device_.extended_attributes().orig_attr.max_qp, attr.max_qp);
    const auto port = device_.port();
    EXPECT_EQ(port.state, IBV_PORT_ACTIVE);
    EXPECT_EQ(port.link_layer, IBV_LINK_LAYER_ETHERNET);
    expect_words(expect_error(EINVAL, [&] { device_.port(2); }), {"cannot query the port of rxe0/1"});
}

TEST_F(SoftRoceTest, HasRoceV2Gids) {
    const auto gids = device_.gids();
    EXPECT_EQ(gids.size(), 3U);
    for (const auto& entry : gids) {
        EXPECT_EQ(entry.type, verbs::GidType::roce_v2);
        EXPECT_NE(entry.interface_index, 0U);
    }
    EXPECT_EQ(gids[0].to_string(), "0: fe80::ff:fe00:5201, RoCE v2");
}

TEST_F(SoftRoceTest, SendsFromItsIpv4AddressByDefault) {
    const auto gid = device_.default_gid();
    EXPECT_EQ(verbs::from_mapped(gid.gid), Ipv4Address::parse("10.198.52.1"));
    EXPECT_EQ(gid.type, verbs::GidType::roce_v2);
}

TEST_F(SoftRoceTest, GivesAClassicQueueWhereAnExtendedOneDoesNotWork) {
    EXPECT_EQ(device_.extended_polling_works(), verbs::rdma_core_release().value_or(0) >= 55);
    Pair pair;
    verbs::CompletionQueue cq{pair.a.device, {.channel = pair.a.channel, .extended = true}};
    EXPECT_EQ(cq.is_extended(), device_.extended_polling_works());
    auto one = pair.a.builder(IBV_QPT_RC).completes_on(cq).create();
    auto other = pair.b.builder(IBV_QPT_RC).create();
    introduce(one, other);
    EXPECT_FALSE(cq.poll_one());
    for (std::uint64_t id = 0; id < 5; ++id) {
        expect_posted(other.post_recv(verbs::RecvRequest{}));
        expect_posted(one.post_send(verbs::SendRequest::send().id(id)));
        pair.b.wait_ok();
    }
    std::uint64_t seen = 0;
    while (seen < 5) {
        cq.arm();
        const auto got = cq.poll(100, [&](const verbs::Completion& completion) {
            EXPECT_TRUE(completion.ok());
            EXPECT_EQ(completion.id(), seen++);
        });
        if (got != 0) continue;
        ASSERT_TRUE(pair.a.channel.wait_event(patience));
    }
    for (int i = 0; i < 10; ++i) EXPECT_EQ(cq.poll(100, [](const verbs::Completion&) {}), 0U);
    EXPECT_EQ(cq.error(), 0);
}

TEST_F(SoftRoceTest, ResizesACompletionQueue) {
    verbs::CompletionQueue cq{device_, {.entries = 16}};
    cq.resize(1000);
    EXPECT_GE(cq.capacity(), 1000U);
    expect_words(expect_error(EINVAL, [&] { cq.resize(1U << 20); }), {"cannot resize a completion queue on rxe0/1"});
}

TEST_F(SoftRoceTest, RefusesAQueueOfTooManyEntries) {
    expect_words(expect_error(EINVAL, [&] { verbs::CompletionQueue(device_, {.entries = 1U << 20}); }),
                 {"cannot create a completion queue on rxe0/1: Invalid argument (more completions"});
}

TEST_F(SoftRoceTest, HasNoRawPacketQueuePairs) {
    const verbs::ProtectionDomain pd{device_};
    const verbs::CompletionQueue cq{device_};
    const auto create = [&] { verbs::QueuePairBuilder{pd, IBV_QPT_RAW_PACKET}.completes_on(cq).create(); };
    EXPECT_EQ(expect_error(EOPNOTSUPP, create),
              "cannot create a raw packet queue pair on rxe0/1: Operation not supported "
              "(this device has no raw packet queue pairs: open the soft device packet:veth0)");
}

TEST_F(SoftRoceTest, RefusesQueuePairsThatAreTooLarge) {
    const verbs::ProtectionDomain pd{device_};
    const verbs::CompletionQueue cq{device_};
    for (const auto& text : {
             expect_error(EINVAL,
                          [&] {
                              verbs::QueuePairBuilder{pd, IBV_QPT_RC}.completes_on(cq).depth(1U << 30, 1).create();
                          }),
             expect_error(EINVAL,
                          [&] {
                              verbs::QueuePairBuilder{pd, IBV_QPT_UD}.completes_on(cq).slices(1000, 1).create();
                          }),
         })
        expect_words(text, {" queue pair on rxe0/1: Invalid argument (more work requests, slices or bytes inline"});
}

TEST_F(SoftRoceTest, RegistersNoDmabufs) {
    const verbs::ProtectionDomain pd{device_};
    const FileDescriptor memory{memfd_create("memory", MFD_CLOEXEC)};
    expect_words(
        expect_error(EOPNOTSUPP, [&] { verbs::MemoryRegion::from_dmabuf(pd, memory.get(), 0, 4096, 0x10000); }),
        {"cannot register a dmabuf on rxe0/1: Operation not supported (", "map the memory"});
}

TEST_F(SoftRoceTest, RefusesMemoryThatIsNotMapped) {
    const verbs::ProtectionDomain pd{device_};
    void* const gone = mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(gone, 8192);
    EXPECT_THROW(verbs::MemoryRegion(pd, {static_cast<std::uint8_t*>(gone), 8192}), std::system_error);
    Bytes memory(100);
    expect_words(expect_error(EINVAL, [&] { verbs::MemoryRegion(pd, memory, IBV_ACCESS_REMOTE_WRITE); }),
                 {"cannot register memory on rxe0/1", "IBV_ACCESS_LOCAL_WRITE"});
}

TEST_F(SoftRoceTest, RefusesToConnectToNowhere) {
    const Node node{"rxe0"};
    auto qp = node.builder(IBV_QPT_RC).create();
    auto nowhere = qp.endpoint();
    nowhere.gid = verbs::to_mapped(Ipv4Address::parse("192.0.2.1").value());
    try {
        qp.connect(nowhere);
        FAIL() << "it connected";
    } catch (const std::system_error& error) {
        expect_words(error.what(), {"cannot bring a reliable connected queue pair to RTR on rxe0/1: ", "no way leads"});
    }
    EXPECT_EQ(qp.state(), IBV_QPS_INIT);
    qp.connect(qp.endpoint());
}

TEST_F(SoftRoceTest, SaysWhichAttributesAreWrong) {
    const Node node{"rxe0"};
    auto qp = node.builder(IBV_QPT_RC).create();
    ibv_qp_attr attr{};
    attr.qp_state = IBV_QPS_RTR;
    EXPECT_EQ(
        expect_error(EINVAL, [&] { qp.modify(attr, IBV_QP_STATE | IBV_QP_QKEY); }),
        "cannot bring a reliable connected queue pair to RTR on rxe0/1: Invalid argument (going from INIT to RTR, a "
        "reliable connected queue pair needs ah_attr, path_mtu, rq_psn, min_rnr_timer, max_dest_rd_atomic, "
        "dest_qp_num and doesn't take qkey)");
    attr.qp_state = IBV_QPS_RTS;
    expect_words(expect_error(EINVAL, [&] { qp.modify(attr, IBV_QP_STATE); }), {"can't go from INIT to RTS"});
    auto datagram = node.builder(IBV_QPT_UD).create();
    expect_words(expect_error(EINVAL, [&] { datagram.connect(qp.endpoint()); }), {"it has no peer: activate() it"});
    expect_words(expect_error(EINVAL, [&] { qp.activate(); }), {"it needs a peer: connect() it"});
}

TEST_F(SoftRoceTest, CanBeLentByItsOwner) {
    const auto owner = verbs::hardware_device("rxe0");
    ibv_context* const context = ibv_open_device(owner.handle.get());
    ASSERT_TRUE(context);
    {
        auto device = verbs::OpenDevice::lent(context);
        const verbs::ProtectionDomain pd{device};
        const verbs::CompletionQueue cq{device};
        auto qp = verbs::QueuePairBuilder{pd, IBV_QPT_RC}.completes_on(cq).create();
        qp.connect(qp.endpoint());
        EXPECT_EQ(device.device().name, "rxe0/1");
        EXPECT_FALSE(device.extended_polling_works() && verbs::rdma_core_release().value_or(0) < 55);
        EXPECT_FALSE(device.next_event());  // its descriptor blocks
    }
    ibv_device_attr attr{};
    EXPECT_EQ(ibv_query_device(context, &attr), 0);
    EXPECT_EQ(ibv_close_device(context), 0);
}

}  // namespace
}  // namespace pktverbs::testing
