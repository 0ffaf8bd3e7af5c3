// SPDX-License-Identifier: Apache-2.0
// The soft device's offloads, checked by the kernel's stack and tshark.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <memory>
#include <optional>
#include <sstream>
#include <string>

#include "../soft/device/offload_end.hpp"
#include "base/file_descriptor.hpp"
#include "net/internet_checksum.hpp"
#include "network_namespace.hpp"
#include "tshark.hpp"

namespace pktverbs::testing {
namespace {

using test::NetworkNamespace;
using test::VethPair;

constexpr int patience_ms = 20'000;  // a test that needs it has failed
constexpr unsigned offloaded = IBV_SEND_SIGNALED | IBV_SEND_IP_CSUM;

Frame bytes_of(const std::string& address) {
    Frame bytes(16);
    if (::inet_pton(AF_INET6, address.c_str(), bytes.data()) == 1) return bytes;
    bytes.resize(4);
    EXPECT_EQ(::inet_pton(AF_INET, address.c_str(), bytes.data()), 1) << address;
    return bytes;
}

/// A counter of /proc/net/snmp: "Udp", "InCsumErrors".
long long snmp(const VethPair::End& end, const std::string& protocol, const std::string& name) {
    return end.run([&] {
        std::ifstream file{"/proc/thread-self/net/snmp"};
        std::string names, values;
        while (std::getline(file, names) && std::getline(file, values)) {
            std::istringstream name_words{names}, value_words{values};
            std::string word, value;
            name_words >> word;
            value_words >> value;
            if (word != protocol + ":") continue;
            while (name_words >> word && value_words >> value)
                if (word == name) return std::stoll(value);
        }
        ADD_FAILURE() << "no counter " << protocol << " " << name;
        return -1LL;
    });
}

/// A veth end vouches for unchecked frames, unless its receive offload is off.
void let_kernel_check(const VethPair::End& end) {
    end.run([&] {
        const FileDescriptor socket{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
        ethtool_value off{ETHTOOL_SRXCSUM, 0};
        ifreq request{};
        end.interface.copy(request.ifr_name, IFNAMSIZ - 1);
        request.ifr_data = reinterpret_cast<char*>(&off);
        ASSERT_EQ(::ioctl(socket.get(), SIOCETHTOOL, &request), 0) << std::strerror(errno);
    });
}

/// Posts a payload to be split into TCP segments of 1460 bytes with this header.
int post_tso(ibv_qp& qp, Frame& header, ibv_sge& payload) {
    ibv_send_wr wr{};
    wr.sg_list = &payload;
    wr.num_sge = 1;
    wr.opcode = IBV_WR_TSO;
    wr.send_flags = offloaded;
    wr.tso.hdr = header.data();
    wr.tso.hdr_sz = static_cast<std::uint16_t>(header.size());
    wr.tso.mss = 1460;
    ibv_send_wr* bad = nullptr;
    return ibv_post_send(&qp, &wr, &bad);
}

class KernelStack : public ::testing::Test {
protected:
    void SetUp() override {
        if (!NetworkNamespace::unavailable().empty()) GTEST_SKIP() << NetworkNamespace::unavailable();
        veth.emplace(VethPair::Options{.ipv6 = true});
        let_kernel_check(veth->right);
        end.emplace(veth->left.run([&] { return find_device("packet:" + std::string{veth->left.interface}); }),
                    EndOptions{.all_default = false}, veth->left);
    }

    /// Opened where the interface is.
    struct End {
        End(verbs::Device device, const EndOptions& options, const VethPair::End& at)
            : verbs{at.run([&] { return std::make_unique<VerbsEnd>(std::move(device), options); })} {}
        std::unique_ptr<VerbsEnd> verbs;
    };

    IpFrame frame(bool ipv6, bool tcp) const {
        IpFrame made;
        made.ipv6 = ipv6;
        made.tcp = tcp;
        made.src = bytes_of(ipv6 ? veth->left.ipv6 : veth->left.ipv4);
        made.dst = bytes_of(ipv6 ? veth->right.ipv6 : veth->right.ipv4);
        std::ranges::copy(veth->right.mac.bytes(), made.dst_mac.begin());
        std::ranges::copy(veth->left.mac.bytes(), made.src_mac.begin());
        return made;
    }
    /// The kernel's at the right end, bound to port 7001.
    FileDescriptor kernel_socket(int family, int type) const {
        return veth->right.run([&] {
            FileDescriptor socket{::socket(family, type | SOCK_CLOEXEC, 0)};
            sockaddr_in6 address{};
            address.sin6_family = static_cast<sa_family_t>(family);
            address.sin6_port = htons(7001);  // at the same offset as sockaddr_in's
            EXPECT_EQ(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address),
                             family == AF_INET ? sizeof(sockaddr_in) : sizeof address),
                      0);
            return socket;
        });
    }
    static bool readable_soon(int fd) {
        pollfd waited{fd, POLLIN, 0};
        return ::poll(&waited, 1, patience_ms) == 1;
    }

    std::optional<VethPair> veth;
    std::optional<End> end;
};

TEST_F(KernelStack, TakesDatagramsWhoseChecksumsTheNicMade) {
    VerbsEnd& nic = *end->verbs;
    for (const bool ipv6 : {false, true}) {
        const FileDescriptor socket = kernel_socket(ipv6 ? AF_INET6 : AF_INET, SOCK_DGRAM);
        const auto errors = [&] {
            return ipv6 ? 0 : snmp(veth->right, "Udp", "InCsumErrors") + snmp(veth->right, "Ip", "InHdrErrors");
        };
        const long long before = errors();
        for (std::size_t bytes = 0; bytes <= 1400; bytes += 35) {
            IpFrame sent = frame(ipv6, false);
            sent.payload = frame_to(1, bytes);
            ASSERT_EQ(nic.post_send(1, {nic.put(0, sent.bytes())}, offloaded), 0);
            EXPECT_WC(poll_one(nic.send_cq), 1U, IBV_WC_SUCCESS);
            ASSERT_TRUE(readable_soon(socket.get())) << bytes;
            Frame got(2000);
            const ssize_t count = ::recv(socket.get(), got.data(), got.size(), 0);
            ASSERT_EQ(count, static_cast<ssize_t>(bytes));
            got.resize(bytes);
            EXPECT_EQ(got, sent.payload);
        }
        EXPECT_EQ(errors(), before);
    }
}

TEST_F(KernelStack, WouldHaveNoticedAWrongOne) {
    VerbsEnd& nic = *end->verbs;
    const FileDescriptor socket = kernel_socket(AF_INET, SOCK_DGRAM);
    const long long before = snmp(veth->right, "Udp", "InCsumErrors");
    const IpFrame sent = frame(false, false);
    Frame wrong = sent.bytes();
    ASSERT_TRUE(fill_checksums(wrong, {}));
    wrong.back() ^= 1;
    ASSERT_EQ(nic.post_send(1, {nic.put(0, wrong)}), 0);
    ASSERT_EQ(nic.post_send(2, {nic.put(4096, sent.bytes())}, offloaded), 0);  // comes after it
    ASSERT_TRUE(readable_soon(socket.get()));
    std::array<std::uint8_t, 2000> got;
    EXPECT_EQ(::recv(socket.get(), got.data(), got.size(), 0), 100);
    EXPECT_EQ(got[99], 0x5a);
    EXPECT_EQ(snmp(veth->right, "Udp", "InCsumErrors"), before + 1);
}

/// A TCP connection that only the soft device knows: at an address for which no kernel answers.
TEST_F(KernelStack, TakesSegmentsByteForByte) {
    VerbsEnd& nic = *end->verbs;
    const verbs::QpHandle qp = veth->left.run([&] { return make_offloading_qp(nic, 0, 128); });
    veth->right.name_space.ip({"neighbour", "replace", "10.77.0.9", "lladdr", veth->left.mac.to_string(), "dev",
                               veth->right.interface, "nud", "permanent"});
    const FileDescriptor listener = kernel_socket(AF_INET, SOCK_STREAM);
    ASSERT_EQ(::listen(listener.get(), 1), 0);
    IpFrame to_kernel = frame(false, true);
    to_kernel.src = bytes_of("10.77.0.9");
    to_kernel.seq = 0xffff'fff0;
    to_kernel.tcp_flags = 0x02;  // SYN
    to_kernel.tcp_options = {2, 4, 1460 >> 8, 1460 & 0xff};
    to_kernel.payload.clear();

    const auto flow = nic.make_flow(qp.get(), FlowAttr{IBV_FLOW_ATTR_ALL_DEFAULT});
    ASSERT_NE(flow, nullptr);
    ASSERT_EQ(nic.post_recv(1, {nic.sge(0, 2048)}, qp.get()), 0);
    ASSERT_EQ(nic.post_send(1, {nic.put(60'000, to_kernel.bytes())}, offloaded, qp.get()), 0);
    std::uint32_t kernel_seq = 0;
    for (int frames = 0; frames < 20 && kernel_seq == 0; ++frames) {  // IPv6 may chatter
        ASSERT_EQ(ibv_req_notify_cq(nic.recv_cq.get(), 0), 0);
        // The descriptor may become readable without a completion.
        std::vector<ibv_wc> got;
        const auto give_up = std::chrono::steady_clock::now() + std::chrono::milliseconds{patience_ms};
        while ((got = poll_all(nic.recv_cq)).empty() && std::chrono::steady_clock::now() < give_up)
            readable_soon(nic.channel->fd);
        ASSERT_FALSE(got.empty()) << "no SYN-ACK came";
        const Frame answer = nic.copy(0, got[0].byte_len);
        if (answer.size() >= 54 && answer[12] == 8 && answer[23] == 6 && answer[47] == 0x12)
            kernel_seq = static_cast<std::uint32_t>(answer[38] << 24 | answer[39] << 16 | answer[40] << 8 | answer[41]);
        ASSERT_EQ(nic.post_recv(1, {nic.sge(0, 2048)}, qp.get()), 0);
    }
    ASSERT_NE(kernel_seq, 0U);

    const Frame payload = frame_to(1, 40'000);
    to_kernel.seq += 1;
    to_kernel.tcp_options.clear();
    to_kernel.tcp_flags = 0x18;  // ACK, PSH
    Frame header = to_kernel.bytes();
    for (std::size_t i = 0; i < 4; ++i) header[42 + i] = static_cast<std::uint8_t>((kernel_seq + 1) >> (24 - 8 * i));
    ibv_sge sge = nic.put(4096, payload);
    ASSERT_EQ(post_tso(*qp, header, sge), 0);

    ASSERT_TRUE(readable_soon(listener.get()));
    const FileDescriptor connection{::accept(listener.get(), nullptr, nullptr)};
    Frame got;
    while (got.size() < payload.size() && readable_soon(connection.get())) {
        std::array<std::uint8_t, 65536> part;
        const ssize_t count = ::recv(connection.get(), part.data(), part.size(), 0);
        ASSERT_GT(count, 0);
        got.insert(got.end(), part.begin(), part.begin() + count);
    }
    EXPECT_EQ(got, payload);
    EXPECT_EQ(snmp(veth->right, "Tcp", "InErrs"), 0);
    EXPECT_EQ(snmp(veth->right, "Tcp", "InCsumErrors"), 0);
}

/// tshark's output for frames: one line for each that the filter accepts.
class Tshark : public ::testing::Test {
protected:
    void SetUp() override {
        if (!test::has_tshark()) GTEST_SKIP() << "needs tshark";
    }
    static std::string run(const Frames& frames, const std::string& options, const std::string& filter) {
        return test::tshark(frames, options + " -Y '" + filter + "'");
    }
    static constexpr const char* checking = test::tshark_checks;
    static constexpr const char* bad =
        "ip.checksum.status == 0 or tcp.checksum.status == 0 or udp.checksum.status == 0";
    static constexpr const char* good = "tcp.checksum.status == 1 or udp.checksum.status == 1";
    static auto lines(const std::string& text) { return std::ranges::count(text, '\n'); }
};

TEST_F(Tshark, FindsNoWrongChecksum) {
    VerbsEnd end;
    WireTap tap{"w"};
    const verbs::QpHandle qp = make_offloading_qp(end, 0, 128);
    for (const bool tcp : {false, true})
        for (IpFrame frame : {IpFrame{}, IpFrame::v6()})
            for (const std::size_t bytes : {0U, 1U, 77U, 1400U}) {
                frame.tcp = tcp;
                frame.payload.assign(bytes, 0x31);
                ASSERT_EQ(end.post_send(1, {end.put(0, frame.bytes())}, offloaded, qp.get()), 0);
                poll_all(end.send_cq);
            }
    IpFrame frame;
    frame.tcp = true;
    frame.payload.clear();
    Frame header = frame.bytes();
    ibv_sge sge = end.put(0, Frame(40'000, 0x32));
    ASSERT_EQ(post_tso(*qp, header, sge), 0);

    Frames frames = tap.receive();
    ASSERT_EQ(frames.size(), 16U + 28U);
    EXPECT_EQ(run(frames, checking, bad), "");
    EXPECT_EQ(lines(run(frames, checking, good)), 44);
    EXPECT_EQ(run(frames, checking, "tcp.analysis.lost_segment or tcp.analysis.retransmission"), "");
    frames[20].back() ^= 1;
    EXPECT_EQ(lines(run(frames, checking, bad)), 1);
}

TEST_F(Tshark, FindsTheFrameCheckSequenceRight) {
    VerbsEnd end{{.all_default = false}};
    WireTap tap{"w"};
    const verbs::QpHandle qp = make_offloading_qp(end, IBV_QP_CREATE_SCATTER_FCS);
    const auto flow = end.make_flow(qp.get(), FlowAttr{IBV_FLOW_ATTR_ALL_DEFAULT});
    Frames frames;
    for (const std::size_t bytes : {60U, 61U, 1514U}) {
        ASSERT_EQ(end.post_recv(1, {end.sge(0, 2048)}, qp.get()), 0);
        tap.send(frame_to(1, bytes));
        frames.push_back(end.copy(0, poll_one(end.recv_cq).byte_len));
    }
    const std::string fcs = "-o eth.fcs:Always -o eth.check_fcs:TRUE";
    EXPECT_EQ(lines(run(frames, fcs, "eth.fcs.status == 1")), 3);
    frames[1][30] ^= 1;
    EXPECT_EQ(lines(run(frames, fcs, "eth.fcs.status == 0")), 1);
}

}  // namespace
}  // namespace pktverbs::testing
