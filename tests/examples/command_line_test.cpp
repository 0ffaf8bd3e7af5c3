// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <pktverbs/address/ipv4_address.hpp>
#include <pktverbs/address/mac_address.hpp>
#include "common/address_option.hpp"
#include "common/bad_use.hpp"
#include "common/command_line.hpp"

using example::CommandLine;

namespace {

struct Ended {
    int status;
    std::string errors;  // on stderr
    std::string output;
};

/// Runs `program` with these arguments.
Ended run(
    CommandLine& app, std::vector<std::string> words, const std::function<int()>& program = [] { return 0; }) {
    words.insert(words.begin(), "started_as");
    std::vector<char*> argv;
    for (auto& word : words) argv.push_back(word.data());
    testing::internal::CaptureStderr();
    testing::internal::CaptureStdout();
    const int status = app.run(static_cast<int>(argv.size()), argv.data(), program);
    auto output = testing::internal::GetCapturedStdout();
    return {status, testing::internal::GetCapturedStderr(), std::move(output)};
}

}  // namespace

TEST(CommandLine, StoresWhatIsGiven) {
    std::string text = "none";
    double number = 0;
    std::uint16_t port = 0;
    std::optional<std::uint64_t> count;
    std::vector<std::uint32_t> cpus;
    bool direct = true;
    CommandLine app{"", "prog"};
    app.add_option("DEVICE", text);
    app.add_option("--rate", number);
    app.add_option("--port", port);
    app.add_option("-c,--count", count);
    app.add_option("--pin", cpus).delimiter(',').expected(1, 2);
    app.add_flag("--direct,!--no-direct", direct);
    const auto ended =
        run(app, {"eth0", "--rate", "0.5", "--port", "9", "-c", "18446744073709551615", "--pin=2,3", "--no-direct"});
    EXPECT_EQ(ended.status, 0) << ended.errors;
    EXPECT_EQ(text, "eth0");
    EXPECT_EQ(number, 0.5);
    EXPECT_EQ(port, 9);
    EXPECT_EQ(count, UINT64_MAX);
    EXPECT_EQ(cpus, (std::vector<std::uint32_t>{2, 3}));
    EXPECT_FALSE(direct);
}

TEST(CommandLine, LeavesAloneWhatIsNotGiven) {
    std::optional<std::uint64_t> count;
    std::uint32_t size = 56;
    bool direct = true;
    CommandLine app{"", "prog"};
    app.add_option("--count", count);
    app.add_option("--size", size);
    app.add_flag("--direct,!--no-direct", direct);
    EXPECT_EQ(run(app, {}).status, 0);
    EXPECT_FALSE(count);
    EXPECT_EQ(size, 56u);
    EXPECT_TRUE(direct);
}

TEST(CommandLine, ReturnsWhatTheProgramReturns) {
    CommandLine app{"", "prog"};
    EXPECT_EQ(run(app, {}, [] { return 7; }).status, 7);
}

TEST(CommandLine, ReportsFailuresInOneLine) {
    CommandLine app{"", "prog"};
    const auto bad_use = run(app, {}, []() -> int { throw example::BadUse{"no\nway"}; });
    EXPECT_EQ(bad_use.status, 2);
    EXPECT_EQ(bad_use.errors, "prog: no way\n");
    const auto failed = run(app, {}, []() -> int { throw std::runtime_error{"no luck"}; });
    EXPECT_EQ(failed.status, 1);
    EXPECT_EQ(failed.errors, "prog: no luck\n");
}

TEST(CommandLine, RefusesBadUseWithoutRunning) {
    std::string format;
    double rate = 0;
    std::uint16_t port = 0;
    bool generate = false;
    const std::function<int()> program = []() -> int { throw std::runtime_error{"ran"}; };
    // A parser keeps its results, so each line gets a new one.
    const auto refuse = [&](std::vector<std::string> words) {
        CommandLine app{"", "prog"};
        const auto flag = app.add_flag("--generate", generate);
        const auto limited = app.add_option("--rate", rate).between(0.5, 1e9).needs(flag);
        app.add_option("--port", port).excludes(limited);
        app.add_option("--format", format).one_of({"text", "json"});
        const auto ended = run(app, std::move(words), program);
        EXPECT_EQ(ended.status, 2) << ended.errors;
        return ended.errors;
    };
    EXPECT_EQ(refuse({"--rate", "0.4", "--generate"}),
              "prog: --rate: '0.4' is not a number from 0.5 to 1000000000 (see --help)\n");
    EXPECT_EQ(refuse({"--rate", "1x", "--generate"}),
              "prog: --rate: '1x' is not a number from 0.5 to 1000000000 (see --help)\n");
    EXPECT_EQ(refuse({"--rate", "1"}), "prog: --rate requires --generate (see --help)\n");
    EXPECT_EQ(refuse({"--rate", "1", "--generate", "--port", "1"}), "prog: --rate excludes --port (see --help)\n");
    EXPECT_EQ(refuse({"--format", "xml"}), "prog: --format: xml not in {text,json} (see --help)\n");
    EXPECT_EQ(refuse({"--port", "65536"}), "prog: Could not convert: --port = 65536 (see --help)\n");
    EXPECT_EQ(refuse({"--nonsense"}), "prog: The following argument was not expected: --nonsense (see --help)\n");
}

TEST(CommandLine, NeedsWhatIsRequired) {
    std::string device;
    CommandLine app{"", "prog"};
    app.add_option("DEVICE", device).required();
    const auto ended = run(app, {});
    EXPECT_EQ(ended.status, 2);
    EXPECT_EQ(ended.errors, "prog: DEVICE is required (see --help)\n");
}

TEST(CommandLine, HelpsInsteadOfRunning) {
    std::uint32_t size = 56;
    CommandLine app{"Does nothing.", "prog"};
    app.footer("prog --size 1");
    app.add_option("-s,--size", size, "Bytes").between(0, 9).default_shown();
    const auto ended = run(app, {"--help"}, []() -> int { throw std::runtime_error{"ran"}; });
    EXPECT_EQ(ended.status, 0);
    EXPECT_EQ(ended.errors, "");
    EXPECT_EQ(ended.output,
              "Does nothing.\n"
              "Usage: prog [OPTIONS]\n\n"
              "Options:\n"
              "  -h,--help                   Print this help message and exit\n"
              "  -s,--size UINT:0 to 9=56    Bytes\n\n"
              "prog --size 1\n");
}

TEST(CommandLine, TakesAddresses) {
    std::optional<pktverbs::Ipv4Address> ip;
    std::optional<pktverbs::MacAddress> mac;
    const auto parse = [&](std::vector<std::string> words) {
        CommandLine app{"", "prog"};
        example::add_address(app, "PEER", ip, "");
        example::add_address(app, "--mac", mac, "");
        return run(app, std::move(words));
    };
    EXPECT_EQ(parse({"192.0.2.1", "--mac", "02:00:00:00:00:09"}).status, 0);
    EXPECT_EQ(ip, pktverbs::Ipv4Address{"192.0.2.1"});
    EXPECT_EQ(mac, pktverbs::MacAddress{"02:00:00:00:00:09"});
    EXPECT_EQ(parse({"10.0.0.256"}).errors, "prog: PEER: '10.0.0.256' is not an IPv4 address (see --help)\n");
    EXPECT_EQ(parse({"--mac", "02:00"}).errors, "prog: --mac: '02:00' is not a MAC address (see --help)\n");
}

TEST(CommandLine, TakesEachTextOfSeveral) {
    std::vector<std::string> taken;
    const auto parse = [&](std::vector<std::string> words) {
        CommandLine app{"", "prog"};
        const auto take = [&](const std::string& word) {
            taken.push_back(word);
            return word == "bad" ? std::string{"refused"} : std::string{};
        };
        app.add_texts("--flow", take, "");
        return run(app, std::move(words)).errors;
    };
    EXPECT_EQ(parse({"--flow", "a", "b", "--flow", "c"}), "");
    EXPECT_EQ(taken, (std::vector<std::string>{"a", "b", "c"}));
    EXPECT_EQ(parse({"--flow", "a", "--flow", "bad"}), "prog: --flow: refused (see --help)\n");
}

TEST(CommandLine, NamesAnOptionByItsLongName) {
    CommandLine app{"", "prog"};
    app.add_text(
        "-s,--size", [](const std::string&) { return std::string{"refused"}; }, "");
    EXPECT_EQ(run(app, {"-s", "1"}).errors, "prog: --size: refused (see --help)\n");
}

TEST(CommandLine, FailsIfItsOutputIsLost) {
    const auto with_full_output = [](int status) {
        CommandLine app{"", "prog"};
        std::fflush(stdout);
        const int kept = ::dup(STDOUT_FILENO), full = ::open("/dev/full", O_WRONLY | O_CLOEXEC);
        std::string name = "prog";
        char* argv[]{name.data(), nullptr};
        testing::internal::CaptureStderr();
        const int got = app.run(1, argv, [&] {
            ::dup2(full, STDOUT_FILENO);
            std::fputs("what it found", stdout);
            return status;
        });
        std::clearerr(stdout);
        ::dup2(kept, STDOUT_FILENO);
        ::close(kept);
        ::close(full);
        return std::pair{got, testing::internal::GetCapturedStderr()};
    };
    EXPECT_EQ(with_full_output(0),
              (std::pair{1, std::string{"prog: cannot write to standard output: No space left on device\n"}}));
    EXPECT_EQ(with_full_output(3), (std::pair{3, std::string{}}));
}

TEST(CommandLine, ParsesAloneWithCli11sWordsAndStatus) {
    std::uint32_t size = 64;
    CommandLine app{""};
    app.add_option("--size", size).in_range(1, 10);
    std::string words[]{"started_as", "--size", "11"};
    char* argv[]{words[0].data(), words[1].data(), words[2].data()};
    testing::internal::CaptureStderr();
    EXPECT_EQ(app.parse(3, argv), 105);
    EXPECT_EQ(testing::internal::GetCapturedStderr(),
              "--size: Value 11 not in range 1 to 10\nRun with --help for more information.\n");
    EXPECT_EQ(app.parse(1, argv), std::nullopt);
}

TEST(CommandLine, ReadsWholeNumbersAsDecimalOnes) {
    std::uint16_t port = 1;
    std::uint64_t count = 1;
    std::vector<std::uint32_t> cpus;
    int level = 1;
    CommandLine app{"", "prog"};
    app.add_option("--port", port);
    app.add_option("--count", count).between(1, 100);
    app.add_option("--pin", cpus).delimiter(',').expected(1, 2);
    app.add_option("--level", level);
    const auto ended = run(app, {"--port", "07148", "--count", "010", "--pin", "00,08", "--level", "-07"});
    EXPECT_EQ(ended.status, 0) << ended.errors;
    EXPECT_EQ(port, 7148);
    EXPECT_EQ(count, 10U);
    EXPECT_EQ(cpus, (std::vector<std::uint32_t>{0, 8}));
    EXPECT_EQ(level, -7);
}

TEST(CommandLine, RefusesWhatIsNoWholeNumber) {
    for (const std::string word : {"", "-", "0x10", "1e3", "2.5", " 7", "7 "}) {
        std::uint16_t port = 1;
        CommandLine app{"", "prog"};
        app.add_option("--port", port);
        const auto ended = run(app, {"--port", word});
        EXPECT_EQ(ended.status, 2) << word;
        EXPECT_EQ(ended.errors, "prog: --port: '" + word + "' is not a whole number (see --help)\n");
    }
}
