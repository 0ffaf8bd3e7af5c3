// SPDX-License-Identifier: Apache-2.0
// Program: a program of others, or an example, in a test's namespace.
#pragma once

#include <sys/wait.h>

#include <cstdio>
#include <string>
#include <utility>
#include <vector>

namespace pktverbs::test {

/// A program that runs in the namespace in which it was started; its output line by line.
class Program {
public:
    explicit Program(const std::string& command) : pipe_{popen((command + " 2>&1").c_str(), "re")} {}
    ~Program() {
        if (pipe_) pclose(pipe_);
    }
    Program(const Program&) = delete;
    Program& operator=(const Program&) = delete;

    /// Empty at the end.
    std::string line() {
        std::string text(1024, '\0');
        if (!std::fgets(text.data(), static_cast<int>(text.size()), pipe_)) return {};
        text.resize(text.find('\0'));
        return text;
    }
    std::vector<std::string> lines() {
        std::vector<std::string> all;
        for (std::string text = line(); !text.empty(); text = line()) all.push_back(text);
        return all;
    }
    int exit_status() { return WEXITSTATUS(pclose(std::exchange(pipe_, nullptr))); }

private:
    std::FILE* pipe_;
};

}  // namespace pktverbs::test
