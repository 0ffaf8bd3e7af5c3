// SPDX-License-Identifier: Apache-2.0
#include "network_namespace.hpp"

#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <spawn.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>
#include <stdexcept>
#include <system_error>
#include <thread>

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

/// Becomes root of a user namespace, in a network namespace that belongs to it: a thread can leave that one and come
/// back, unlike the first one (user_namespaces(7)).
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
    // In the wrong namespace every test would be meaningless.
    if (::setns(home_, CLONE_NEWNET) != 0) std::terminate();
    ::close(home_);
}

std::string NetworkNamespace::ip(std::vector<std::string> arguments, const std::string& input) const {
    arguments.insert(arguments.begin(), "ip");
    std::vector<char*> argv;
    for (auto& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);

    std::array<int, 2> pipe_ends;
    std::array<int, 2> input_ends;
    if (::pipe2(pipe_ends.data(), O_CLOEXEC) != 0 || ::pipe2(input_ends.data(), O_CLOEXEC) != 0)
        fail("cannot make a pipe");
    // Short enough for the pipe, so it need not be read yet.
    if (::write(input_ends[1], input.data(), input.size()) != static_cast<ssize_t>(input.size()))
        fail("cannot write to a pipe");
    ::close(input_ends[1]);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, input_ends[0], STDIN_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions, pipe_ends[1], STDOUT_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions, pipe_ends[1], STDERR_FILENO);
    pid_t child = -1;
    const int error = run([&] { return ::posix_spawnp(&child, "ip", &actions, nullptr, argv.data(), environ); });
    ::posix_spawn_file_actions_destroy(&actions);
    ::close(pipe_ends[1]);
    ::close(input_ends[0]);

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
    const int socket = run([] { return ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0); });
    if (socket < 0) fail("cannot make a socket");
    ifreq request{};
    interface.copy(request.ifr_name, sizeof request.ifr_name - 1);
    bool running = !carrier;
    const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds{30};
    while (::ioctl(socket, SIOCGIFFLAGS, &request) == 0 && std::chrono::steady_clock::now() < give_up) {
        running = (request.ifr_flags & IFF_RUNNING) != 0;  // of a veth: its operational state is up
        if (running == carrier) break;
        std::this_thread::sleep_for(std::chrono::milliseconds{1});
    }
    ::close(socket);
    if (running == carrier) return;
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
        const std::string device = " dev " + end->interface;
        const std::string neighbour = " lladdr " + other->mac.to_string() + device + "\n";
        std::string lines = "link set lo up\nlink set" + device + " up\naddress add " + end->ipv4 + "/24" + device +
                            "\nneighbour replace " + other->ipv4 + neighbour;
        if (options.ipv6)
            lines +=
                "address add " + end->ipv6 + "/64 nodad" + device + "\nneighbour replace " + other->ipv6 + neighbour;
        end->name_space.ip_batch(lines);
    }
    for (const End* end : {&left, &right}) end->wait_for_carrier(true);
}

}  // namespace pktverbs::test
