// SPDX-License-Identifier: Apache-2.0
// fill_links TEMPLATE OUTPUT: copies a script, and writes the table of links, for people, in place of the line @links@.
#include <fmt/core.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "soft/link/link_string.hpp"

int main(int argc, char** argv) {
    namespace fs = std::filesystem;
    using pktverbs::soft::LinkString;
    if (argc != 3) return EXIT_FAILURE;
    std::ifstream from{argv[1]};
    std::ofstream to{argv[2], std::ios::trunc};
    for (std::string line; std::getline(from, line);) {
        if (line != "@links@") {
            to << line << '\n';
            continue;
        }
        std::string begin = "DEVICE  ";
        for (const auto* kind : pktverbs::soft::link_kinds()) {
            to << fmt::format("{}{}\n            {}\n", begin, kind->form(), kind->purpose);
            begin = "        ";
        }
        to << fmt::format(
            "        Each also with {}\n            what befalls frames that arrive: P is a chance from 0 to 1\n",
            LinkString::common_keys());
    }
    to.close();
    if (!from.eof() || !to) return EXIT_FAILURE;
    fs::permissions(argv[2], fs::status(argv[1]).permissions());
    return EXIT_SUCCESS;
}
