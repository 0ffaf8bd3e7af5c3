// SPDX-License-Identifier: Apache-2.0
// Device strings and files that no pcap device is made of, and what is said of them.
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "capture_file.hpp"
#include "expect_error.hpp"

namespace pktverbs::testing {
namespace {

void refuse(int error, const std::string& text, std::initializer_list<const char*> words) {
    expect_words(expect_error(error, [&] { find_device("pcap:" + text); }), words);
}

TEST(PcapString, IsRefusedIfItNamesNoFiles) {
    refuse(EINVAL, "file.pcap", {"in=FILE, out=FILE or both"});
    refuse(EINVAL, "in=", {"no file follows in="});
    refuse(EINVAL, "in=a,out=", {"no file follows out="});
    refuse(EINVAL, "out=a,out=b", {"out= is given twice"});
    refuse(EINVAL, "in=a,out=b,in=c", {"in= is given twice"});
    refuse(EINVAL, "out=a?speed=max", {"speed is for a replay"});
    refuse(EINVAL, "out=a?loop=2", {"loop is for a replay"});
    refuse(EINVAL, "in=a?loop=-1", {"the number of rounds \"-1\""});
    for (const char* speed : {"2", "0x", "-1x", "fast", "1e3x", "0.0001x", "1000001x", ""})
        refuse(EINVAL, std::string{"in=a?speed="} + speed, {"the speed", "0.001x to 1000000x"});
}

#ifndef PKTVERBS_PCAP
TEST(PcapString, IsRefusedInABuildWithoutLibpcap) {
    refuse(EOPNOTSUPP, "in=/etc/passwd", {"without libpcap", "PKTVERBS_PCAP"});
}
#endif

class PcapFile : public ::testing::Test {
protected:
    void SetUp() override { PKTVERBS_NEEDS_REPLAY(); }

    Folder folder;
    const std::string path = folder / "file";

    void refuse_file(std::initializer_list<const char*> words) {
        refuse(EINVAL, "in=" + path, {path.c_str()});
        refuse(EINVAL, "in=" + path, words);
    }
};

TEST_F(PcapFile, IsRefusedIfItIsNone) {
    refuse(ENODEV, "in=" + path, {path.c_str(), "no such file"});
    refuse(ENODEV, "in=" + path + "/x", {"no such file"});
    refuse(ENODEV, "in=a,b=c,", {"cannot read a,b=c,:"});
    refuse(EINVAL, "in=/tmp", {"directory"});
    write_file(path, {});
    refuse_file({"is empty"});
    write_file(path, Bytes(100, 'x'));
    refuse_file({"unknown file format", "capinfos"});
    write_file(path, {0x1f, 0x8b, 8, 0, 0, 0, 0});
    refuse_file({"compressed", "unpack"});
    const CaptureFile whole{{}};
    for (std::size_t size = 1; size < whole.bytes.size(); ++size) {
        write_file(path, {whole.bytes.begin(), whole.bytes.begin() + static_cast<std::ptrdiff_t>(size)});
        refuse_file({"cannot replay"});
    }
}

TEST_F(PcapFile, IsRefusedIfItMayNotBeRead) {
    make_capture(path, {});
    ASSERT_EQ(::chmod(path.c_str(), 0), 0);
    const uid_t user = ::geteuid();
    if (user == 0 && ::seteuid(65534) != 0) GTEST_SKIP() << "NOT TESTED: root may read every file";
    refuse(EACCES, "in=" + path, {path.c_str(), "Permission denied"});
    EXPECT_EQ(::seteuid(user), 0);
}

/// Those that Ethernet's is not. Names are those of pcap-linktype(7).
TEST_F(PcapFile, IsRefusedIfItsFramesAreNotEthernet) {
    std::size_t refused = 0;
    for (std::uint32_t type = 0; type < 300; ++type) {
        if (type == 1) continue;
        make_capture(path, numbered(1), {.link_type = type});
        refuse_file({"its frames are", "not Ethernet"});
        ++refused;
    }
    EXPECT_GE(refused, 100U);
    for (const bool is_pcapng : {false, true}) {
        make_capture(path, numbered(1), {.is_pcapng = is_pcapng, .link_type = 113});
        refuse_file({"LINUX_SLL", "Linux cooked"});
        make_capture(path, numbered(1), {.is_pcapng = is_pcapng, .link_type = 105});
        refuse_file({"IEEE802_11"});
        make_capture(path, numbered(1), {.is_pcapng = is_pcapng, .link_type = 101});
        refuse_file({"RAW"});
        make_capture(path, numbered(1), {.is_pcapng = is_pcapng, .link_type = 60'000});
        refuse_file({"number 60000"});
    }
}

TEST_F(PcapFile, IsNotReadAndWrittenAtOnce) {
    make_capture(path, numbered(1));
    const std::string link = folder / "link";
    std::filesystem::create_symlink(path, link);
    refuse(EINVAL, "in=" + path + ",out=" + link, {"the same file"});
    EXPECT_FALSE(read_file(path).empty());
}

TEST_F(PcapFile, IsLeftAloneIfTheCaptureCannotBeRead) {
    const std::string out = folder / "out";
    write_file(out, Bytes(10, 'x'));
    expect_error(ENODEV, [&] { Context{"pcap:in=" + path + ",out=" + out}; });
    EXPECT_EQ(read_file(out).size(), 10U);
}

}  // namespace
}  // namespace pktverbs::testing
