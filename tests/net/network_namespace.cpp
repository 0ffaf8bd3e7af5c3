// SPDX-License-Identifier: Apache-2.0
#include "network_namespace.hpp"

#include <fcntl.h>
#include <sched.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <stdexcept>
#include <system_error>

extern char** environ;

namespace pktverbs::test {
namespace {

[[noreturn]] void fail(const char* what) { throw std::system_error{errno, std::generic_category(), what}; }

int open_current() {
    const int fd = ::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    if (fd < 0) fail("cannot open the current network namespace");
    return fd;
}

bool write_file(const char* path, const std::string& text) {
    std::ofstream file{path};
    file << text << std::flush;
    return file.good();
}

/// Becomes root of a user namespace, in a network namespace that belongs to it: from there, unlike from the first
/// one, a thread can leave and come back (user_namespaces(7)).
bool enter_user_namespace() {
    const auto user = std::to_string(::geteuid());
    const auto group = std::to_string(::getegid());
    return ::unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0 && write_file("/proc/self/setgroups", "deny") &&
           write_file("/proc/self/uid_map", "0 " + user + " 1") &&
           write_file("/proc/self/gid_map", "0 " + group + " 1");
}

std::string find_reason() {
    try {
        if (::geteuid() != 0 && !enter_user_namespace())
            return std::string{"needs root or an unprivileged user namespace: "} + std::strerror(errno);
        try {
            NetworkNamespace{};
        } catch (const std::system_error&) {  // root without CAP_SYS_ADMIN
            if (!enter_user_namespace()) return std::string{"needs network namespaces: "} + std::strerror(errno);
        }
        const NetworkNamespace probe;
        probe.ip({"link", "add", "probe0", "type", "veth", "peer", "name", "probe1"});
        return {};
    } catch (const std::exception& error) {
        return std::string{"needs network namespaces, veth and ip(8): "} + error.what();
    }
}

}  // namespace

const std::string& NetworkNamespace::unavailable() {
    static const std::string reason = find_reason();
    return reason;
}

NetworkNamespace::NetworkNamespace() {
    const int home = open_current();
    if (::unshare(CLONE_NEWNET) != 0) {
        const int error = errno;
        ::close(home);
        errno = error;
        fail("cannot make a network namespace");
    }
    fd_ = ::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    const bool is_home = ::setns(home, CLONE_NEWNET) == 0;
    ::close(home);
    if (!is_home || fd_ < 0) fail("cannot come back from a network namespace");
}

NetworkNamespace::~NetworkNamespace() { ::close(fd_); }

NetworkNamespace::Visit::Visit(int fd) : home_{open_current()} {
    if (::setns(fd, CLONE_NEWNET) == 0) return;
    ::close(home_);
    fail("cannot enter a network namespace");
}

NetworkNamespace::Visit::~Visit() {
    // In the wrong namespace no test would mean anything.
    if (::setns(home_, CLONE_NEWNET) != 0) std::terminate();
    ::close(home_);
}

std::string NetworkNamespace::ip(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), "ip");
    std::vector<char*> argv;
    for (auto& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);

    std::array<int, 2> pipe_ends;
    if (::pipe2(pipe_ends.data(), O_CLOEXEC) != 0) fail("cannot make a pipe");
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, pipe_ends[1], STDOUT_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions, pipe_ends[1], STDERR_FILENO);
    pid_t child = -1;
    const int error = run([&] { return ::posix_spawnp(&child, "ip", &actions, nullptr, argv.data(), environ); });
    ::posix_spawn_file_actions_destroy(&actions);
    ::close(pipe_ends[1]);

    std::string output;
    std::array<char, 4096> buffer;
    for (ssize_t count; (count = ::read(pipe_ends[0], buffer.data(), buffer.size())) > 0;)
        output.append(buffer.data(), static_cast<std::size_t>(count));
    ::close(pipe_ends[0]);
    if (error != 0) throw std::system_error{error, std::generic_category(), "cannot run ip"};
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    if (status == 0) return output;
    std::string command;
    for (const auto& argument : arguments) command += argument + " ";
    throw std::runtime_error{command + "failed: " + output};
}

void VethPair::End::set_up(bool up) const { name_space.ip({"link", "set", interface, up ? "up" : "down"}); }

void VethPair::End::wait_for_carrier(bool carrier) const {
    for (int tries = 0; tries < 10'000; ++tries) {  // each starts a process
        const bool running =
            name_space.ip({"-o", "link", "show", "dev", interface}).find("state UP") != std::string::npos;
        if (running == carrier) return;
    }
    throw std::runtime_error{interface + " never changed its state"};
}

VethPair::VethPair(const Options& options) {
    const auto mtu = std::to_string(options.mtu);
    const auto right_namespace = "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(right.name_space.fd());
    left.name_space.ip({"link", "add", left.interface, "mtu", mtu, "address", left.mac.to_string(), "type", "veth",
                        "peer", "name", right.interface, "mtu", mtu, "address", right.mac.to_string(), "netns",
                        right_namespace});
    for (const auto& [end, other] : {std::pair{&left, &right}, std::pair{&right, &left}}) {
        if (!options.ipv6) end->run([] { write_file("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1"); });
        end->name_space.ip({"link", "set", "lo", "up"});
        end->set_up(true);
        end->name_space.ip({"address", "add", end->ipv4 + "/24", "dev", end->interface});
        end->name_space.ip(
            {"neighbour", "replace", other->ipv4, "lladdr", other->mac.to_string(), "dev", end->interface});
        if (!options.ipv6) continue;
        end->name_space.ip({"address", "add", end->ipv6 + "/64", "dev", end->interface, "nodad"});
        end->name_space.ip(
            {"neighbour", "replace", other->ipv6, "lladdr", other->mac.to_string(), "dev", end->interface});
    }
    for (const End* end : {&left, &right}) end->wait_for_carrier(true);
}

}  // namespace pktverbs::test
