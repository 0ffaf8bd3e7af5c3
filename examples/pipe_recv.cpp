// SPDX-License-Identifier: Apache-2.0
// pipe_recv: writes what pipe_send, in another shell, sends through the same pipe to its standard output.
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <system_error>

#include <pktverbs/async/stop_on_signal.hpp>
#include <pktverbs/format.hpp>
#include <pktverbs/pktverbs.hpp>
#include "common/command_line.hpp"
#include "common/exit_status.hpp"
#include "common/find_device.hpp"
#include "common/numbered_frame.hpp"
#include "common/outcome.hpp"

namespace pv = pktverbs;

int run(const std::string& device) {
    const pv::StopOnSignal signals;
    pv::Context ctx{example::find_device(device), {.send_packets = pv::none}};
    const auto flow = ctx.install(pv::FlowRule{}.ether_type(example::data_type));
    std::uint64_t all = 0;
    std::uint32_t next = 0, lost = 0;
    for (bool ended = false; !ended && !signals.token().stop_requested();) {
        const auto packets = ctx.recv(std::chrono::seconds{1}, signals.token());
        example::check_outcome(ctx, packets.outcome());
        if (packets.empty() && next > 0 && ctx.port().state != IBV_PORT_ACTIVE)
            throw std::runtime_error{"the sender has left before the end"};
        for (const auto& pkt : packets) {
            const example::NumberedFrame frame{pkt};
            if (!frame.ok() || frame.payload().size() < 2) continue;
            const std::size_t bytes = pv::net::load<std::uint16_t>(frame.payload().data());  // before the rest
            if (bytes > frame.payload().size() - 2) continue;
            if (frame.number() < next) throw std::runtime_error{"another sender has begun"};
            lost += frame.number() - next;
            next = frame.number() + 1;
            ended = bytes == 0;
            if (std::fwrite(frame.payload().data() + 2, 1, bytes, stdout) != bytes)
                throw std::system_error{errno, std::generic_category(), "cannot write"};
            all += bytes;
        }
    }
    fmt::print(stderr, "{} bytes received in {} frames, {} lost\n", all, next - lost, lost);
    return next == 0 ? example::nothing_came : lost == 0 ? example::done : example::packets_lost;
}

int main(int argc, char** argv) {
    example::CommandLine app{"Writes what pipe_send sends on the same pipe to its standard output.", "pipe_recv"};
    app.footer("In one shell:      pipe_recv pipe:a > copy\nIn another one:    pipe_send pipe:a < file");
    std::string device;
    app.add_option("DEVICE", device, "pipe:NAME, or any other device string").required();
    return app.run(argc, argv, [&] { return run(device); });
}
