// SPDX-License-Identifier: Apache-2.0
// devices: lists what can be opened.
#include <fmt/format.h>

#include <vector>

#include <pktverbs/device.hpp>
#include "base/command.hpp"
#include "base/output.hpp"
#include "common/command_line.hpp"

namespace tool {

int devices(int argc, char** argv) {
    example::CommandLine app{"Lists the devices that can be opened.", argv[0]};
    app.footer("Exit status: 0; 1 it failed; 2 wrong arguments.");
    OutputOptions output;
    add_json(app, output);
    return app.run(argc, argv, [&]() -> int {
        for (const auto& device : pktverbs::list_devices()) {
            if (output.json)
                fmt::print("{}\n", Record{}.set("name", device.name).set("interface", device.interface).to_json());
            else
                fmt::print("{:<24} {}\n", device.name, device.note);
        }
        return done;
    });
}

}  // namespace tool
