// SPDX-License-Identifier: Apache-2.0
// pipe_send: sends its standard input to pipe_recv, in another shell, which opens the same pipe.
#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <stdexcept>
#include <system_error>

#include <pktverbs/async/stop_on_signal.hpp>
#include <pktverbs/format.hpp>
#include <pktverbs/pktverbs.hpp>
#include "common/command_line.hpp"
#include "common/exit_status.hpp"
#include "common/find_device.hpp"
#include "common/numbered_frame.hpp"
#include "common/wait_until_up.hpp"

namespace pv = pktverbs;

int run(const std::string& device) {
    const pv::StopOnSignal signals;
    pv::Context ctx{example::find_device(device), {.recv_packets = pv::none}};
    if (!example::wait_until_up(ctx, signals.token())) return example::nothing_came;
    std::array<std::uint8_t, 1400> bytes;
    std::uint64_t all = 0;
    std::uint32_t number = 0;
    for (std::size_t read = bytes.size(); read > 0;) {
        read = std::fread(bytes.data(), 1, bytes.size(), stdin);
        if (std::ferror(stdin)) throw std::system_error{errno, std::generic_category(), "cannot read"};
        // Waits while the other end takes nothing.
        auto packets = ctx.acquire(1, pv::no_timeout, signals.token());
        if (packets.empty()) break;
        // A length before the bytes, as cables pad short frames; 0 is the end.
        const auto payload = example::begin_frame(packets.front(), ctx.limits().mac, example::data_type, number++,
                                                  std::max<std::size_t>(2 + read, 42));
        pv::net::store(payload.data(), static_cast<std::uint16_t>(read));
        std::copy_n(bytes.begin(), read, payload.begin() + 2);
        ctx.send(std::move(packets));
        all += read;
    }
    const bool sent = ctx.flush(pv::no_timeout, signals.token());
    const auto lost = ctx.stats().drops.unsent;
    fmt::print(stderr, "{} bytes sent in {} frames, {} lost\n", all, number, lost);
    return sent && lost == 0 ? example::done : example::packets_lost;
}

int main(int argc, char** argv) {
    example::CommandLine app{"Sends its standard input to pipe_recv on the same pipe.", "pipe_send"};
    app.footer("In one shell:      pipe_recv pipe:a > copy\nIn another one:    pipe_send pipe:a < file");
    std::string device;
    app.add_option("DEVICE", device, "pipe:NAME, or any other device string").required();
    return app.run(argc, argv, [&] { return run(device); });
}
