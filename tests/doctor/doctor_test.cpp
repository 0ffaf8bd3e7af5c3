// SPDX-License-Identifier: Apache-2.0
// check(): whole reports, on devices that work and devices that fail.
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>
#include <set>
#include <string>
#include <thread>

#include <pktverbs/context.hpp>
#include <pktverbs/doctor/doctor.hpp>
#include <pktverbs/format.hpp>
#include <pktverbs/soft/wire.hpp>

#include "faulty_provider.hpp"

namespace pktverbs::testing {
namespace {

Severity severity_of(const Report& report, std::string_view what) {
    const Finding* const finding = report.find(what);
    if (!finding) ADD_FAILURE() << what << " was not looked at";
    return finding ? finding->severity : Severity::ok;
}
std::string advice_for(const Report& report, std::string_view what) {
    const Finding* const finding = report.find(what);
    return finding ? finding->advice : "";
}
bool contains(std::string_view text, std::string_view words) { return text.find(words) != text.npos; }

/// Drops capabilities of the calling thread alone (capset(2)).
void drop_capabilities() {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct none[2]{};
    ASSERT_EQ(::syscall(SYS_capset, &header, none), 0);
}

TEST(Doctor, FindsNothingWrongWithAWire) {
    const Report report = check("wire:Doctor");
    EXPECT_EQ(report.device, "wire:Doctor");
    EXPECT_EQ(report.count(Severity::problem), 0u) << report.to_string();
    EXPECT_EQ(report.find("link")->value, "up");
    EXPECT_EQ(report.find("mtu")->value, "9000 bytes, packets have room for 9216");
    for (const char* kind : {"mac", "ether_type", "vlan", "ipv4", "ipv6", "udp", "tcp", "priority", "tag", "drop",
                             "dont_trap", "sniffer", "all_default", "multicast_default"})
        EXPECT_EQ(severity_of(report, std::string{"flow_"} + kind), Severity::ok);
}

TEST(Doctor, NamesEachFindingOnce) {
    const Report report = check("packet:lo");
    std::set<std::string> names;
    for (const Finding& finding : report.findings) EXPECT_TRUE(names.insert(finding.what).second) << finding.what;
}

TEST(Doctor, LeavesNothingBehind) {
    FaultyProvider provider;
    check(provider.device("Doctor"));
    EXPECT_TRUE(provider.living.empty());
}

TEST(Doctor, TakesNoFrameFromOthers) {
    Context receiver{"wire:Doctor.others"};
    const Flow flow = receiver.install(FlowRule{});
    soft::WireTap tap{"Doctor.others"};
    check("wire:Doctor.others");
    EXPECT_TRUE(tap.receive().empty()) << "it sent something";
    EXPECT_EQ(receiver.stats().recv_packets, 0u);
}

TEST(Doctor, OnlyLooksIfThatIsAsked) {
    FaultyProvider provider;
    provider.fail(0, 0);
    const Report report = check(provider.device("Doctor"), {}, Probe::nothing);
    EXPECT_EQ(report.find("flow_mac"), nullptr);
    EXPECT_EQ(report.find("memory"), nullptr);
    EXPECT_EQ(report.find("raw_packets"), nullptr);
    EXPECT_LE(provider.calls, 4);
}

/// Whichever verb fails, check() returns a report with the error's text and never throws.
TEST(Doctor, SurvivesTheFailureOfEveryVerb) {
    FaultyProvider provider;
    const verbs::Device device = provider.device("Doctor");
    provider.fail(0, 0);
    const std::size_t all = check(device).findings.size();
    const int verbs = provider.calls;
    ASSERT_GT(verbs, 15);
    for (int nth = 1; nth <= verbs; ++nth) {
        provider.fail(nth, EBADMSG);  // which nothing gives of itself
        const Report report = check(device);
        const bool optional = provider.failed_verb == "query_device_ex" || provider.failed_verb == "query_gid";
        EXPECT_EQ(report.severity() == Severity::ok, optional) << provider.failed_verb;
        EXPECT_EQ(contains(report.to_string(), "Bad message"), !optional) << provider.failed_verb;
        EXPECT_LE(report.findings.size(), all + 1);
        EXPECT_NE(report.find("memlock"), nullptr) << "the machine is looked at in any case";
        EXPECT_TRUE(provider.living.empty());
    }
}

TEST(Doctor, AdvisesWhatRefusedFlowsNeed) {
    FaultyProvider provider;
    const verbs::Device device = provider.device("Doctor");
    provider.fail(0, 0);
    check(device);
    const int flows = 14;
    provider.fail(provider.calls - flows + 1, EOPNOTSUPP);
    const Report report = check(device);
    ASSERT_EQ(provider.failed_verb, "create_flow");
    EXPECT_EQ(severity_of(report, "flow_mac"), Severity::warning);
    EXPECT_EQ(report.find("flow_mac")->value, "refused: Operation not supported");
    EXPECT_TRUE(contains(advice_for(report, "flow_mac"), "no flow steering"));
    EXPECT_EQ(severity_of(report, "flow_ether_type"), Severity::ok);
}

TEST(Doctor, ReportsDevicesThatAreNotThere) {
    for (const char* text : {"packet:no_such_if", "nonsense:x", "no_such_if", "ibv:no_such_device"}) {
        const Report report = check(text);
        EXPECT_EQ(severity_of(report, "device"), Severity::problem);
        EXPECT_EQ(report.device, text);
        EXPECT_EQ(report.find("link"), nullptr);
    }
}

TEST(Doctor, ReportsThatTheLinkIsDown) {
    soft::Wire wire{"Doctor.down"};
    wire.set_link(false);
    const Report report = check("wire:Doctor.down");
    EXPECT_EQ(severity_of(report, "link"), Severity::problem);
    EXPECT_TRUE(contains(advice_for(report, "link"), "plug the cable"));
    EXPECT_EQ(severity_of(check("wire:Doctor.down", {.require_link = false}), "link"), Severity::warning);
}

TEST(Doctor, ComparesTheOptionsWithTheDevice) {
    const Report report =
        check("wire:Doctor?mtu=1500", {.recv_packets = 40000, .max_packet_size = 1517, .queues = 2000});
    EXPECT_EQ(severity_of(report, "queue_depth"), Severity::problem);
    EXPECT_EQ(severity_of(report, "queue_pairs"), Severity::problem);
    EXPECT_EQ(severity_of(report, "mtu"), Severity::warning);
    EXPECT_TRUE(contains(advice_for(report, "mtu"), "max_packet_size = 1518"));
    EXPECT_EQ(severity_of(check("wire:Doctor?mtu=1500", {.max_packet_size = 1518}), "mtu"), Severity::ok);
    EXPECT_EQ(severity_of(check("wire:Doctor", {.recv_packets = none}), "queue_depth"), Severity::ok);
}

TEST(Doctor, LetsTheDeviceSayHowManyPacketsThereCanBe) {
    const Report too_many = check("wire:Doctor", {.send_packets = 40000, .max_packet_size = 64});
    EXPECT_EQ(severity_of(too_many, "queue_depth"), Severity::problem);
    EXPECT_TRUE(contains(advice_for(too_many, "queue_depth"), "device_maximum"));
    // A side with device_maximum takes what there is, so it requires no memory; nor does a side left out.
    for (const std::uint32_t sends : {device_maximum, none}) {
        const Report most =
            check("wire:Doctor", {.send_packets = sends, .recv_packets = 4, .max_packet_size = 1U << 23});
        EXPECT_EQ(severity_of(most, "queue_depth"), Severity::ok);
        EXPECT_EQ(severity_of(most, "memory"), Severity::ok);
        EXPECT_TRUE(contains(most.find("memory")->value, "32 MiB")) << most.find("memory")->value;
    }
}

TEST(Doctor, AsksForHugePagesThatAreMissing) {
    // 256 GiB: more than this machine has set aside.
    const Report report =
        check("wire:Doctor", {.recv_packets = 32768, .max_packet_size = 1U << 23, .pages = PageSize::huge_2m},
              Probe::nothing);
    EXPECT_EQ(severity_of(report, "huge_pages_2m"), Severity::problem);
    EXPECT_TRUE(contains(advice_for(report, "huge_pages_2m"), "nr_hugepages"));
}

TEST(Doctor, ReportsThatMemoryCannotBeHad) {
    const Report report = check("wire:Doctor", {.recv_packets = 32768, .max_packet_size = 1U << 23, .queues = 1024});
    EXPECT_EQ(severity_of(report, "memory"), Severity::problem);
    EXPECT_EQ(severity_of(report, "flow_udp"), Severity::ok);  // the rest goes on
}

TEST(Doctor, ReportsThatRawPacketsNeedARight) {
    Report wire, packet, looked;
    std::thread{[&] {
        drop_capabilities();
        wire = check("wire:Doctor");
        packet = check("packet:lo");
        looked = check("packet:lo", {}, Probe::nothing);
    }}.join();
    EXPECT_EQ(severity_of(packet, "device"), Severity::problem);
    EXPECT_TRUE(contains(packet.find("device")->value, "CAP_NET_RAW"));
    EXPECT_EQ(severity_of(packet, "cap_net_raw"), Severity::problem);
    EXPECT_TRUE(contains(advice_for(packet, "cap_net_raw"), "setcap cap_net_raw+ep"));
    EXPECT_TRUE(contains(advice_for(packet, "cap_net_raw"), "setpriv --ambient-caps"));
    EXPECT_EQ(severity_of(looked, "cap_net_raw"), Severity::warning);
    EXPECT_EQ(wire.find("cap_net_raw")->value, "no");
    EXPECT_EQ(severity_of(wire, "cap_net_raw"), Severity::ok);
}

TEST(Doctor, JudgesTheMemoryLimitByTrying) {
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_MEMLOCK, &before), 0);
    const rlimit tight{65536, before.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_MEMLOCK, &tight), 0);
    Report tried, looked, failed;
    std::thread{[&] {
        drop_capabilities();
        tried = check("wire:Doctor");
        looked = check("wire:Doctor", {}, Probe::nothing);
        FaultyProvider provider;
        const verbs::Device device = provider.device("Doctor");
        for (int nth = 1; provider.failed_verb != "reg_mr"; ++nth) {
            provider.fail(nth, ENOMEM);
            failed = check(device);
        }
    }}.join();
    ASSERT_EQ(::setrlimit(RLIMIT_MEMLOCK, &before), 0);
    EXPECT_EQ(tried.find("memlock")->value, "64 KiB, 38 MiB needed");
    EXPECT_EQ(severity_of(tried, "memlock"), Severity::ok);
    EXPECT_EQ(severity_of(looked, "memlock"), Severity::warning);
    EXPECT_EQ(severity_of(failed, "memlock"), Severity::problem);
    EXPECT_TRUE(contains(advice_for(failed, "memlock"), "ulimit -l unlimited"));
    EXPECT_TRUE(contains(failed.find("memory")->value, "RLIMIT_MEMLOCK"));
}

TEST(Report, SaysWhatIsWorst) {
    Report report{"x", {{"a", "1", Severity::ok, ""}}};
    EXPECT_EQ(report.severity(), Severity::ok);
    report.findings.push_back({"b", "2", Severity::problem, "mend it"});
    report.findings.push_back({"c", "3", Severity::warning, ""});
    EXPECT_EQ(report.severity(), Severity::problem);
    EXPECT_EQ(Report{}.severity(), Severity::ok);
}

TEST(Report, IsText) {
    const Report report{"wire:x", {{"link", "up", Severity::ok, ""}, {"memlock", "64 KiB", Severity::problem, "more"}}};
    EXPECT_EQ(fmt::to_string(report),
              "ok       link     up\n"
              "problem  memlock  64 KiB\n"
              "                  -> more\n"
              "wire:x: 1 ok, 0 warnings, 1 problem");
}

TEST(Report, IsJson) {
    const Report report{"a\"b\\", {{"x", "tab\t", Severity::ok, "\xc3\xa4\xff\xc3"}, {"y", "", Severity::warning, ""}}};
    EXPECT_EQ(report.to_json(), R"({"device": "a\"b\\", "severity": "warning", "findings": [)"
                                R"({"what": "x", "value": "tab\u0009", "severity": "ok", "advice": ")"
                                "\xc3\xa4"
                                R"(\ufffd\ufffd"}, {"what": "y", "value": "", "severity": "warning", "advice": ""}]})");
    EXPECT_EQ(Report{}.to_json(), R"({"device": "", "severity": "ok", "findings": []})");
}

}  // namespace
}  // namespace pktverbs::testing
