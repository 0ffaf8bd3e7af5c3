// SPDX-License-Identifier: Apache-2.0
// Testpmd: DPDK's dpdk-testpmd on one end of a memif socket, driven by its command line.
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include "ends.hpp"

namespace pktverbs::testing {

class Testpmd {
public:
    /// Null if the program is not installed.
    static const char* path() {
        static const char* const found = access("/usr/bin/dpdk-testpmd", X_OK) == 0 ? "/usr/bin/dpdk-testpmd" : nullptr;
        return found;
    }

    /// `device`: of net_memif, without the socket: "role=server,id=0". Waits for the prompt.
    Testpmd(const std::string& socket, const std::string& device, const std::vector<std::string>& more = {}) {
        const bool is_abstract = socket.front() == '@';
        std::vector<std::string> arguments{path(),
                                           "-l",
                                           "0-1",
                                           "--no-huge",
                                           "-m",
                                           "128",
                                           "--no-pci",
                                           "--no-telemetry",
                                           fmt::format("--file-prefix=pktverbs{}.{}", getpid(), next_number()),
                                           fmt::format("--vdev=net_memif0,{},socket={},socket-abstract={}", device,
                                                       socket.substr(is_abstract ? 1 : 0), is_abstract ? "yes" : "no"),
                                           "--",
                                           "-i",
                                           "--total-num-mbufs=4096"};
        arguments.insert(arguments.end(), more.begin(), more.end());
        std::vector<char*> argv;
        for (std::string& argument : arguments) argv.push_back(argument.data());
        argv.push_back(nullptr);
        // A terminal: to a pipe it would print when its buffer is full.
        terminal_ = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
        grantpt(terminal_);
        unlockpt(terminal_);
        const std::string slave = ptsname(terminal_);
        child_ = fork();
        if (child_ == 0) {
            setsid();
            const int fd = open(slave.c_str(), O_RDWR);
            for (const int std_fd : {0, 1, 2}) dup2(fd, std_fd);
            execv(argv[0], argv.data());
            _exit(127);
        }
        read_until_prompt();
    }
    ~Testpmd() {
        kill();
        close(terminal_);
    }
    Testpmd(const Testpmd&) = delete;
    Testpmd& operator=(const Testpmd&) = delete;

    /// What it prints before the next prompt.
    std::string command(const std::string& text) {
        put(text);
        return read_until_prompt();
    }
    /// Without waiting.
    void put(const std::string& text) {
        const std::string line = text + "\n";
        ASSERT_EQ(write(terminal_, line.data(), line.size()), static_cast<ssize_t>(line.size()));
    }
    bool is_ready() {
        pollfd polled{terminal_, POLLIN, 0};
        while (poll(&polled, 1, 0) > 0 && read_some()) {
        }
        return output_.find(prompt) != std::string::npos;
    }
    std::string read_until_prompt() {
        std::size_t found;
        while ((found = output_.find(prompt)) == std::string::npos) {
            pollfd polled{terminal_, POLLIN, 0};
            if (poll(&polled, 1, static_cast<int>(std::chrono::milliseconds{patience}.count())) != 1 || !read_some()) {
                ADD_FAILURE() << "testpmd: no prompt after " << output_;
                return output_;
            }
        }
        const std::string text = output_.substr(0, found);
        output_.erase(0, found + prompt.size());
        return text;
    }
    /// A number of "show port stats 0".
    std::uint64_t count(const std::string& name) {
        const std::string text = command("show port stats 0");
        const auto at = text.find(name + ":");
        if (at == std::string::npos) ADD_FAILURE() << "no " << name << " in " << text;
        return at == std::string::npos ? 0 : std::strtoull(text.c_str() + at + name.size() + 1, nullptr, 10);
    }
    void kill(int signal = SIGKILL) {
        if (child_ <= 0) return;
        ::kill(child_, signal);
        waitpid(child_, nullptr, 0);
        child_ = -1;
    }

private:
    static int next_number() {
        static int last = 0;
        return ++last;
    }
    bool read_some() {
        char text[4096];
        const ssize_t bytes = read(terminal_, text, sizeof text);
        if (bytes <= 0) return false;
        output_.append(text, static_cast<std::size_t>(bytes));
        return true;
    }

    static inline const std::string prompt = "testpmd> ";
    int terminal_;
    pid_t child_;
    std::string output_;
};

}  // namespace pktverbs::testing
