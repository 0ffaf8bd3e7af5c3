// SPDX-License-Identifier: Apache-2.0
// InterfaceFacts: what sysfs says of a network interface, also of one that is down.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace tool {

/// A value. What sysfs does not know is empty.
struct InterfaceFacts {
    /// A PCI Express link: so many lanes of so many transfers per second (GT/s).
    struct PciLink {
        double speed = 0;
        unsigned lanes = 0;
        /// Bits per second that its data may take, less than the lanes' own: they are encoded.
        double bits_per_second() const noexcept;
        /// "8 GT/s x4"
        std::string to_string() const;
        friend bool operator==(const PciLink&, const PciLink&) = default;
    };

    std::string name;
    std::string mac;
    std::string state;  ///< "up", "down", "no carrier"
    std::uint32_t mtu = 0;
    std::optional<double> speed;  ///< bits per second
    std::string driver;
    std::string pci;  ///< "0000:3b:00.0"
    std::optional<unsigned> numa_node;
    std::optional<PciLink> pci_now, pci_most;
    std::vector<std::string> verbs_devices;  ///< "mlx5_0"
    std::vector<unsigned> local_cpus;        ///< of the device's NUMA node

    /// Reads those of `name` below `sysfs`, which is /sys.
    static InterfaceFacts read(const std::filesystem::path& sysfs, const std::string& name);
    /// The names of all interfaces, in order, loopback last. Throws std::system_error.
    static std::vector<std::string> list(const std::filesystem::path& sysfs);
};

/// The first line of a file, without spaces at its ends; empty if it can't be read.
std::string first_line(const std::filesystem::path& file);
/// A number that is all of a text.
std::optional<std::int64_t> whole_number(const std::string& text);

}  // namespace tool
