// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/verbs/provider.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstdint>

namespace pktverbs::verbs {
namespace {

// The table consists of function pointers only, so it can be read as an array of them.
using Slots = std::array<std::uintptr_t, sizeof(Provider) / sizeof(std::uintptr_t)>;
static_assert(sizeof(Slots) == sizeof(Provider));

TEST(HardwareProvider, HasEverySlotFilled) {
    const auto slots = std::bit_cast<Slots>(hardware_provider());
    EXPECT_EQ(std::count(slots.begin(), slots.end(), 0U), 0);
}

TEST(HardwareProvider, HasNoFunctionTwice) {
    auto slots = std::bit_cast<Slots>(hardware_provider());
    std::sort(slots.begin(), slots.end());
    EXPECT_EQ(std::adjacent_find(slots.begin(), slots.end()), slots.end());
}

TEST(HardwareProvider, IsTheSameEveryTime) { EXPECT_EQ(&hardware_provider(), &hardware_provider()); }

TEST(HardwareProvider, UsesLibibverbsOwnFunctions) {
    EXPECT_EQ(hardware_provider().open_device, &ibv_open_device);
    EXPECT_EQ(hardware_provider().create_qp, &ibv_create_qp);
    EXPECT_EQ(hardware_provider().get_cq_event, &ibv_get_cq_event);
    EXPECT_EQ(hardware_provider().reg_dmabuf_mr, &ibv_reg_dmabuf_mr);
    EXPECT_EQ(hardware_provider().create_ah, &ibv_create_ah);
    EXPECT_EQ(hardware_provider().create_srq, &ibv_create_srq);
    EXPECT_EQ(hardware_provider().resize_cq, &ibv_resize_cq);
    EXPECT_EQ(hardware_provider().attach_mcast, &ibv_attach_mcast);
    EXPECT_EQ(hardware_provider().detach_mcast, &ibv_detach_mcast);
}

/// A driver with only the verbs of 2005: its context is not a verbs_context.
class OldDriver : public ::testing::Test {
protected:
    OldDriver() { context_.abi_compat = nullptr; }

    ibv_context context_{};
};

TEST_F(OldDriver, CannotCreateAFlow) {
    ibv_qp qp{};
    qp.context = &context_;
    ibv_flow_attr attr{};
    errno = 0;
    EXPECT_EQ(hardware_provider().create_flow(&qp, &attr), nullptr);
    EXPECT_EQ(errno, EOPNOTSUPP);
}

TEST_F(OldDriver, CannotDestroyAFlow) {
    ibv_flow flow{};
    flow.context = &context_;
    EXPECT_EQ(hardware_provider().destroy_flow(&flow), EOPNOTSUPP);
}

TEST_F(OldDriver, CannotCountWhatFlowsMatch) {
    ibv_counters_init_attr init{};
    errno = 0;
    EXPECT_EQ(hardware_provider().create_counters(&context_, &init), nullptr);
    EXPECT_EQ(errno, EOPNOTSUPP);
    ibv_counters counters{&context_};
    ibv_counter_attach_attr attach{};
    std::uint64_t value = 0;
    EXPECT_EQ(hardware_provider().attach_counters_point_flow(&counters, &attach, nullptr), EOPNOTSUPP);
    EXPECT_EQ(hardware_provider().read_counters(&counters, &value, 1, 0), EOPNOTSUPP);
    EXPECT_EQ(hardware_provider().destroy_counters(&counters), EOPNOTSUPP);
}

TEST_F(OldDriver, CannotCreateAnExtendedCompletionQueue) {
    ibv_cq_init_attr_ex attr{};
    errno = 0;
    EXPECT_EQ(hardware_provider().create_cq_ex(&context_, &attr), nullptr);
    EXPECT_EQ(errno, EOPNOTSUPP);
}

TEST_F(OldDriver, CannotReadItsClock) {
    ibv_values_ex values{};
    values.comp_mask = IBV_VALUES_MASK_RAW_CLOCK;
    EXPECT_EQ(hardware_provider().query_rt_values_ex(&context_, &values), EOPNOTSUPP);
}

TEST_F(OldDriver, CannotLimitARate) {
    ibv_qp qp{};
    qp.context = &context_;
    ibv_qp_rate_limit_attr attr{};
    EXPECT_EQ(hardware_provider().modify_qp_rate_limit(&qp, &attr), EOPNOTSUPP);
}

TEST_F(OldDriver, RefusesUnknownQueryInput) {
    ibv_query_device_ex_input input{.comp_mask = 1};
    ibv_device_attr_ex attr{};
    EXPECT_EQ(hardware_provider().query_device_ex(&context_, &input, &attr), EINVAL);
}

/// A driver with the full-length query_port, and nothing else.
TEST(NewDriver, FillsTheWholePortAttribute) {
    verbs_context driver{};
    driver.sz = sizeof driver;
    driver.context.abi_compat = __VERBS_ABI_IS_EXTENDED;
    static std::size_t told_bytes;
    driver.query_port = [](ibv_context*, std::uint8_t port, ibv_port_attr* attr, std::size_t bytes) {
        told_bytes = bytes;
        attr->lid = port;
        attr->port_cap_flags2 = 32;
        return 0;
    };
    ibv_port_attr attr{};
    EXPECT_EQ(hardware_provider().query_port(&driver.context, 2, &attr), 0);
    EXPECT_EQ(told_bytes, sizeof attr);
    EXPECT_EQ(attr.lid, 2);
    EXPECT_EQ(attr.port_cap_flags2, 32);
}

}  // namespace
}  // namespace pktverbs::verbs
