// SPDX-License-Identifier: Apache-2.0
// The parts of check(), on fake machines.
#include "doctor/inspection.hpp"

#include <fmt/core.h>

#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "base/utf8.hpp"
#include "fake_hardware.hpp"
#include "interface/interface.hpp"

namespace pktverbs::doctor {
namespace {

class Machine : public ::testing::Test {
protected:
    /// FakeHardware's folder stands for "/" here.
    testing::FakeHardware files;
    Inspection inspection{.report = {}, .wanted = {}, .files = {files.sysfs()}};

    const Finding& found(std::string_view what) {
        static const Finding nothing;
        const Finding* const finding = inspection.report.find(what);
        if (!finding) ADD_FAILURE() << what << " was not looked at";
        return finding ? *finding : nothing;
    }
    static std::shared_ptr<const Interface> eth4() {
        LinkState state;
        state.name_text = {'e', 't', 'h', '4'};
        return std::make_shared<const Interface>(nullptr, state);
    }
    void pages(unsigned kib, int total, int free) {
        const std::string folder = fmt::format("sys/kernel/mm/hugepages/hugepages-{}kB/", kib);
        files.write(folder + "nr_hugepages", std::to_string(total));
        files.write(folder + "free_hugepages", std::to_string(free));
        files.write(folder + "nr_overcommit_hugepages", "0");
    }
};

TEST_F(Machine, MayHaveNoneOfTheFiles) {
    look_at_process(inspection);
    look_at_memory(inspection);
    look_at_processors(inspection, {});
    EXPECT_EQ(found("cap_net_raw").value, "not known");
    EXPECT_EQ(found("huge_pages_2m").value, "none of this size here");
    EXPECT_EQ(inspection.report.find("optmem_max"), nullptr);
    EXPECT_EQ(inspection.report.find("cpu_governor"), nullptr);
}

TEST_F(Machine, HasCapabilitiesByTheirBits) {
    files.write("proc/thread-self/status", "Name:\tx\nCapPrm:\t000001ffffffffff\nCapEff:\t0000000000002000");
    look_at_process(inspection);
    EXPECT_EQ(found("cap_net_raw").value, "yes");
    EXPECT_EQ(found("cap_net_admin").value, "no");
}

TEST_F(Machine, HasHugePagesOfTwoSizes) {
    pages(2048, 64, 20);
    pages(1048576, 2, 1);
    inspection.wanted.pages = PageSize::huge_2m;  // 38.6 MiB
    look_at_memory(inspection);
    EXPECT_EQ(found("huge_pages_2m").value, "20 free of 64, 20 needed");
    EXPECT_EQ(found("huge_pages_2m").severity, Severity::ok);
    EXPECT_EQ(found("huge_pages_1g").value, "1 free of 2");
}

TEST_F(Machine, LacksHugePages) {
    pages(2048, 64, 19);
    inspection.wanted.pages = PageSize::huge_2m;
    look_at_memory(inspection);
    EXPECT_EQ(found("huge_pages_2m").severity, Severity::problem);
    EXPECT_NE(found("huge_pages_2m").advice.find("echo 65 > /sys/kernel"), std::string::npos);
}

TEST_F(Machine, MayHaveTheDeviceOnAnotherNode) {
    files.write("sys/class/net/eth4/device/numa_node", "7");
    Device device;
    device.netdev = eth4();
    look_at_processors(inspection, device);
    EXPECT_EQ(found("numa_node").severity, Severity::warning);
    EXPECT_NE(found("numa_node").advice.find("--cpunodebind=7"), std::string::npos);
}

TEST_F(Machine, MayShowAnotherInterfaceByTheName) {
    files.write("sys/class/net/eth4/device/numa_node", "7");
    files.write("sys/class/net/eth4/ifindex", "9");
    Device device;
    device.netdev = eth4();
    look_at_processors(inspection, device);
    EXPECT_EQ(found("numa_node").value.substr(0, 19), "the device has none");
}

TEST_F(Machine, MayHaveADeviceOfNoNode) {
    files.write("sys/class/net/eth4/device/numa_node", "-1");
    Device device;
    device.netdev = eth4();
    look_at_processors(inspection, device);
    EXPECT_EQ(found("numa_node").severity, Severity::ok);
}

TEST_F(Machine, MaySaveItsPower) {
    for (int processor = 0; processor < 1024; ++processor)
        files.write(fmt::format("sys/devices/system/cpu/cpu{}/cpufreq/scaling_governor", processor), "powersave");
    Device device;
    device.netdev = eth4();
    look_at_processors(inspection, device);
    EXPECT_EQ(found("cpu_governor").severity, Severity::warning);
}

TEST_F(Machine, CanForbidGroups) {
    files.write("proc/sys/net/ipv4/igmp_max_memberships", "0");
    files.write("proc/sys/net/core/optmem_max", "20480");
    look_at_memory(inspection);
    EXPECT_NE(found("igmp_max_memberships").advice, "");
    EXPECT_NE(found("optmem_max").advice, "");
}

TEST(Utf8, IsWhatTheStandardAllows) {
    for (const std::string_view good :
         {"a", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"})
        EXPECT_EQ(utf8_length(good), good.size());
    for (const std::string_view bad : {"\x80", "\xc0\x80", "\xc1\xbf", "\xc2", "\xc2x", "\xe0\x9f\xbf", "\xed\xa0\x80",
                                       "\xe1\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff"})
        EXPECT_EQ(utf8_length(bad), 0u);
}

TEST(BytesText, RoundsDown) {
    EXPECT_EQ(bytes_text(0), "0 bytes");
    EXPECT_EQ(bytes_text(10239), "10239 bytes");
    EXPECT_EQ(bytes_text(10240), "10 KiB");
    EXPECT_EQ(bytes_text(std::uint64_t{40} << 20), "40 MiB");
    EXPECT_EQ(bytes_text(std::uint64_t{1} << 63), "8388608 TiB");
}

}  // namespace
}  // namespace pktverbs::doctor
