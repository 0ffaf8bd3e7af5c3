// SPDX-License-Identifier: Apache-2.0
// Quantities as a person reads them: each in the unit that fits it.
#pragma once

#include <cstdint>
#include <string>

namespace tool {

/// "0 b/s", "512 b/s", "9.87 Gb/s": three digits, and the unit that leaves at least one before the point.
std::string bits_per_second(double rate);
/// "10 pps", "1.49 Mpps".
std::string packets_per_second(double rate);
/// "1234567": counts are exact.
std::string count(std::uint64_t number);
/// "64 B", "1.50 KiB", "3.25 GiB".
std::string bytes(double size);
/// Of nanoseconds: "0 ns", "850 ns", "12.3 us", "1.50 ms", "2.00 s".
std::string time(double nanoseconds);
/// "0 %", "0.0012 %", "12.3 %": `part` of `whole`; never 0 % if there is a part, never 100 % if one is missing.
std::string percent(double part, double whole);

}  // namespace tool
