// SPDX-License-Identifier: Apache-2.0
// CpuList: the processors on which a subcommand's threads are to run.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

#include "common/command_line.hpp"

namespace tool {

/// Processors in the order in which threads take them; none: threads run where the kernel lets them. A value.
class CpuList {
public:
    /// "0,2-3"; nullopt if it is none. A processor may be named once.
    static std::optional<CpuList> parse(std::string_view text);

    /// Keeps the calling thread on the `index`th, counted round. Throws std::system_error if it may not run there.
    void pin(std::size_t index) const;
    const std::vector<unsigned>& cpus() const noexcept { return cpus_; }

private:
    std::vector<unsigned> cpus_;
};

/// Adds --cpus.
void add_cpus(example::CommandLine& app, CpuList& cpus, std::string_view which_threads);

}  // namespace tool
