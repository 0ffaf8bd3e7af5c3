// SPDX-License-Identifier: Apache-2.0
#include "interface/interface_sysfs.hpp"

#include <fstream>
#include <string>
#include <system_error>

namespace pktverbs {

namespace fs = std::filesystem;

fs::path interface_folder(const Interface& interface, const fs::path& sysfs) {
    const LinkState now = interface.state().value_or(interface.found());
    const fs::path folder = sysfs / "class/net" / now.name();
    int index = 0;
    std::ifstream{folder / "ifindex"} >> index;
    std::string address;
    std::ifstream{folder / "address"} >> address;
    // Each namespace numbers its own interfaces.
    const bool is_same = index == now.index && MacAddress::parse(address).value_or(MacAddress{}) == now.mac;
    return is_same ? folder : fs::path{};
}

fs::path device_folder(const Interface& interface, const fs::path& sysfs) {
    std::error_code ignored;
    if (const std::string named = interface.device_folder(); !named.empty() && fs::exists(sysfs / named, ignored))
        return sysfs / named;
    const fs::path folder = interface_folder(interface, sysfs);
    return !folder.empty() && fs::exists(folder / "device", ignored) ? folder / "device" : fs::path{};
}

std::optional<unsigned> numa_node_of(const Interface& interface, const fs::path& sysfs) {
    const fs::path folder = device_folder(interface, sysfs);
    int node = -1;
    if (!folder.empty()) std::ifstream{folder / "numa_node"} >> node;
    return node < 0 ? std::nullopt : std::optional{static_cast<unsigned>(node)};
}

}  // namespace pktverbs
