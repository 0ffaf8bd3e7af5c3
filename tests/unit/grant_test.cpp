// SPDX-License-Identifier: Apache-2.0
// Where an offload is done, by the device's abilities and the request.
#include <gtest/gtest.h>

#include <cerrno>

#include <pktverbs/format.hpp>

#include "context/grant.hpp"
#include "expect_error.hpp"

namespace pktverbs {
namespace {

constexpr std::string_view device = "mlx5_0";

ibv_device_attr_ex able() {
    ibv_device_attr_ex attr{};
    attr.raw_packet_caps =
        IBV_RAW_PACKET_CAP_IP_CSUM | IBV_RAW_PACKET_CAP_CVLAN_STRIPPING | IBV_RAW_PACKET_CAP_SCATTER_FCS;
    attr.tso_caps = {.max_tso = 65536, .supported_qpts = 1U << IBV_QPT_RAW_PACKET};
    return attr;
}

Options asking(Offload for_all) {
    Options options;
    options.offloads = {.send_checksums = for_all,
                        .insert_vlan = for_all == Offload::device ? Offload::off : for_all,
                        .segmentation = for_all,
                        .recv_checksums = for_all,
                        .strip_vlan = for_all};
    return options;
}

TEST(GrantOffloads, TakesTheDeviceThatCan) {
    const GrantedOffloads granted = grant_offloads(asking(Offload::device_or_software), able(), device);
    EXPECT_EQ(granted.by.to_string(),
              "send_checksums device, insert_vlan software, segmentation device, recv_checksums device, strip_vlan "
              "device");
    EXPECT_EQ(granted.max_tso, 65536U);
    EXPECT_EQ(grant_offloads(asking(Offload::device), able(), device).by, asking(Offload::device).offloads);
}

TEST(GrantOffloads, TakesTheLibraryWhereTheDeviceCannot) {
    const GrantedOffloads granted = grant_offloads(asking(Offload::device_or_software), {}, device);
    EXPECT_EQ(granted.by, asking(Offload::software).offloads);
    EXPECT_EQ(granted.max_tso, 0U);
    EXPECT_EQ(grant_offloads(asking(Offload::software), able(), device).by, asking(Offload::software).offloads);
}

TEST(GrantOffloads, RefusesWhatTheDeviceCannot) {
    const auto refused = [](const Offloads& offloads, const char* word) {
        Options options;
        options.offloads = offloads;
        pktverbs::testing::expect_words(
            pktverbs::testing::expect_error(EOPNOTSUPP, [&] { grant_offloads(options, {}, device); }),
            {"cannot open mlx5_0 with", word});
    };
    refused({.send_checksums = Offload::device}, "send_checksums");
    refused({.insert_vlan = Offload::device}, "insert_vlan");
    refused({.segmentation = Offload::device}, "segmentation");
    refused({.recv_checksums = Offload::device}, "recv_checksums");
    refused({.strip_vlan = Offload::device}, "strip_vlan");
    refused({.scatter_fcs = true}, "scatter_fcs");
}

TEST(GrantOffloads, KnowsThatTsoMayBeForOtherQueuePairs) {
    ibv_device_attr_ex attr = able();
    attr.tso_caps.supported_qpts = 1U << IBV_QPT_UD;
    Options options;
    options.offloads.segmentation = Offload::device_or_software;
    EXPECT_EQ(grant_offloads(options, attr, device).by.segmentation, Offload::software);
}

TEST(GrantOffloads, LetsADeviceReadPayloadFromADmabuf) {
    std::vector<std::uint8_t> memory(4096);
    Options options;
    options.send_layout = Layout{}.chunk(54).chunk(1000, Region::dmabuf(3, 0, memory));
    options.offloads.segmentation = Offload::device;
    EXPECT_EQ(grant_offloads(options, able(), device).by.segmentation, Offload::device);
    options.offloads.segmentation = Offload::software;
    pktverbs::testing::expect_words(
        pktverbs::testing::expect_error(EINVAL, [&] { grant_offloads(options, able(), device); }), {"dmabuf"});
}

TEST(Offloads, AreWritten) {
    EXPECT_EQ(fmt::format("{}", Offloads{}), "none");
    EXPECT_EQ(fmt::format("{}", Offloads{.strip_vlan = Offload::device_or_software, .scatter_fcs = true}),
              "strip_vlan device or software, scatter_fcs device");
}

}  // namespace
}  // namespace pktverbs
