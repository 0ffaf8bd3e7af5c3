// SPDX-License-Identifier: Apache-2.0
// check: opens the device and runs all checks.
#include <pktverbs/doctor/doctor.hpp>

#include <cerrno>
#include <system_error>

#include <pktverbs/device.hpp>
#include <pktverbs/verbs/error.hpp>
#include <pktverbs/verbs/handle.hpp>

#include "context/check_options.hpp"
#include "doctor/inspection.hpp"
#include "interface/interface.hpp"

namespace pktverbs {

namespace doctor {

void no_device(Inspection& inspection, int error, const std::string& reason) {
    inspection.add("device", reason, Severity::problem,
                   error == EPERM ? "docs/devices.md says how a program gets the right to do it"
                                  : "list_devices() gives what there is; docs/devices.md says what each kind needs");
}

namespace {

Inspection begin(std::string_view name, const Options& wanted, Probe probe) {
    Inspection inspection{.report = {std::string{name}, {}}, .wanted = wanted, .probe = probe};
    return inspection;
}

Report finish(Inspection inspection, const Device& device) {
    look_at_interface(inspection, device);
    look_at_process(inspection);
    look_at_memory(inspection);
    look_at_processors(inspection, device);
    return std::move(inspection.report);
}

void look_at_options(Inspection& inspection, std::string_view device) {
    try {
        check_options(inspection.wanted, device);
    } catch (const std::system_error& error) {
        inspection.add("options", error.what(), Severity::problem, "no device grants that: ask for something else");
    }
}

}  // namespace
}  // namespace doctor

Report check(std::string_view text, const Options& wanted, Probe probe) {
    Device device;
    try {
        device = find_device(text);
    } catch (const std::system_error& error) {
        doctor::Inspection inspection = doctor::begin(text, wanted, probe);
        doctor::no_device(inspection, error.code().value(), error.what());
        return doctor::finish(std::move(inspection), {});
    }
    return check(device, wanted, probe);
}

Report check(const Device& given, const Options& wanted, Probe probe) {
    doctor::Inspection inspection = doctor::begin(given.name, wanted, probe);
    doctor::look_at_options(inspection, given.name);
    Device device = given;
    try {
        if (!device.netdev) device.netdev = Interface::find(device.interface);
        const verbs::Provider& provider = *device.provider;
        const verbs::ContextHandle context{
            verbs::check_pointer({"open_device", "open", device.name},
                                 [&] { return provider.open_device(device.handle.get()); }),
            {&provider}};
        // The note of a device of unknown kind says why it was chosen.
        inspection.add("device", device.note.empty() ? "opens" : device.note);
        doctor::look_at_device(inspection, device, context.get());
        doctor::look_at_port(inspection, device, context.get());
        if (probe == Probe::everything) doctor::probe_device(inspection, device, context.get());
    } catch (const std::system_error& error) {
        doctor::no_device(inspection, error.code().value(), error.what());
    }
    return doctor::finish(std::move(inspection), device);
}

}  // namespace pktverbs
