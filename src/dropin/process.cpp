// SPDX-License-Identifier: Apache-2.0
#include "dropin/process.hpp"

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <system_error>
#include <thread>

#include <pktverbs/soft/device.hpp>

#include "base/parse_decimal.hpp"
#include "dropin/fault_plan.hpp"
#include "dropin/faulty_verbs.hpp"
#include "soft/nic/nic.hpp"

namespace pktverbs::dropin {

namespace {

/// Empty in a program with other privileges than its caller's (secure_getenv(3)): there the caller must not choose
/// which frames seem to come from a NIC, nor which calls fail.
std::string_view variable(const char* name) noexcept {
    const char* const text = secure_getenv(name);
    return text ? text : "";
}

void complain(const char* variable, std::string_view complaint) noexcept {
    std::fprintf(stderr, "pktverbs: %s: %.*s\n", variable, static_cast<int>(complaint.size()), complaint.data());
}

/// Many programs leave objects to the end of the process. ibv_close_device(3) allows that, and the kernel destroys
/// them. Our objects stay, but receive no more frames.
int close_device(ibv_context* context) {
    const int error = soft::provider().close_device(context);
    if (error != EBUSY) return error;
    soft::Nic::of(context).abandon();
    return 0;
}

/// Read once, and never destroyed: a program's own destructors may still close what it opened.
struct Process {
    FaultPlan plan;
    bool is_readable = true;
    std::chrono::seconds wait{0};
    verbs::Provider without_faults = soft::provider();
    verbs::Provider with_faults{};

    Process() {
        without_faults.close_device = close_device;
        read_wait();
        try {
            plan = FaultPlan::parse(variable("PKTVERBS_FAULTS"));
        } catch (const std::system_error& error) {
            complain("PKTVERBS_FAULTS", error.what());
            is_readable = false;
        }
        if (!is_readable) {
            without_faults.open_device = [](ibv_device*) -> ibv_context* {
                errno = EINVAL;
                return nullptr;
            };
        } else if (!plan.verbs().empty()) {
            set_faults(plan, without_faults);
            with_faults = faulty_provider();
            with_faults.open_device = [](ibv_device* device) {
                ibv_context* const context = faulty_provider().open_device(device);
                if (context) add_faults(*context);
                return context;
            };
        }
    }

    void read_wait() {
        const auto text = variable("PKTVERBS_WAIT");
        if (text.empty()) return;
        constexpr std::uint32_t max_seconds = 86'400;
        const auto seconds = parse_decimal<std::uint32_t>(text);
        if (seconds && *seconds <= max_seconds)
            wait = std::chrono::seconds{*seconds};
        else
            complain("PKTVERBS_WAIT", "it is a whole number of seconds, 86400 at most");
    }

    static const Process& get() {
        static const auto* const process = new Process;
        return *process;
    }
};

}  // namespace

const Devices& devices() {
    static const auto* const devices =
        new Devices{variable("PKTVERBS_DEVICES"), Process::get().plan.link(),
                    [](std::string_view complaint) { complain("PKTVERBS_DEVICES", complaint); }};
    return *devices;
}

const verbs::Provider& control() {
    static const verbs::Provider& provider =
        Process::get().plan.verbs().empty() ? Process::get().without_faults : Process::get().with_faults;
    return provider;
}

void wait_for_peer(ibv_context& context) {
    if (!devices().waits_for_peer(context.device)) return;
    const auto give_up = std::chrono::steady_clock::now() + Process::get().wait;
    ibv_port_attr port{};
    while (std::chrono::steady_clock::now() < give_up && soft::provider().query_port(&context, 1, &port) == 0 &&
           port.state != IBV_PORT_ACTIVE)
        std::this_thread::sleep_for(std::chrono::milliseconds{1});
}

}  // namespace pktverbs::dropin
