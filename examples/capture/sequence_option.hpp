// SPDX-License-Identifier: Apache-2.0
// parse_sequence: the position of the sequence number in a UDP payload, as a word on the command line.
#pragma once

#include <optional>
#include <string_view>

#include <pktverbs/ring/sequence_field.hpp>

namespace capture {

/// "0:8", "4:6:big", "16:4:little": offset, width in bytes, and byte order; nullopt for anything else.
std::optional<pktverbs::SequenceField> parse_sequence(std::string_view text);

}  // namespace capture
