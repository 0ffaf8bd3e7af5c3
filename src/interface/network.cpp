// SPDX-License-Identifier: Apache-2.0
#include "interface/network.hpp"

#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <exception>
#include <new>
#include <system_error>
#include <thread>

#include "base/blocked_signals.hpp"
#include "interface/interface_name.hpp"

namespace pktverbs {

namespace {

constexpr const char* thread_namespace = "/proc/thread-self/ns/net";
constexpr std::size_t answer_bytes = 32768;  // the size of one part of a long answer (net/netlink/af_netlink.c)
constexpr int max_parts = 1 << 16;
constexpr int max_tries = 4;  // if a list changed while it was read

}  // namespace

/// A request: a header, its subject, and at most one attribute.
struct Network::Question {
    nlmsghdr header{};
    union {
        ifinfomsg link;
        ifaddrmsg address;
    };
    rtattr attribute{};
    std::array<char, max_name_bytes + 1> text{};

    Question(std::uint16_t type, std::uint16_t flags) noexcept : link{} {
        header.nlmsg_type = type;
        header.nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
        header.nlmsg_len =
            static_cast<std::uint32_t>(sizeof header + (type == RTM_GETADDR ? sizeof address : sizeof link));
    }
    /// For a request about interfaces. The text fits.
    void add(unsigned short type, std::string_view value) noexcept {
        std::copy(value.begin(), value.end(), text.begin());
        attribute.rta_type = type;
        attribute.rta_len = static_cast<unsigned short>(sizeof attribute + value.size() + 1);
        header.nlmsg_len = static_cast<std::uint32_t>(sizeof header + sizeof link + attribute.rta_len);
    }
};

Network::Network()
    : namespace_{::open(thread_namespace, O_RDONLY | O_CLOEXEC)},
      netlink_{::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE)} {
    if (!netlink_) throw std::system_error{errno, std::generic_category(), "cannot open a socket for interfaces"};
    // Lists one interface's addresses only. Kernels before 4.20 return all interfaces'.
    const int on = 1;
    ::setsockopt(netlink_.get(), SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof on);
    struct stat status;
    if (!namespace_ || ::fstat(namespace_.get(), &status) != 0) return;
    device_ = status.st_dev;
    inode_ = status.st_ino;
}

std::shared_ptr<const Network> Network::current() { return std::shared_ptr<const Network>{new Network}; }

bool Network::is_current() const noexcept {
    struct stat status;
    if (!namespace_ || ::stat(thread_namespace, &status) != 0) return true;
    return status.st_dev == device_ && status.st_ino == inode_;
}

void Network::run(const std::function<void()>& call) const {
    if (is_current()) return call();
    // The calling thread might not be allowed to come back.
    std::exception_ptr failure;
    {
        const BlockedSignals blocked;
        std::thread{[&] {
            try {
                if (::setns(namespace_.get(), CLONE_NEWNET) != 0)
                    throw std::system_error{errno, std::generic_category(), "cannot enter a network namespace"};
                call();
            } catch (...) {
                failure = std::current_exception();
            }
        }}.join();
    }
    if (failure) std::rethrow_exception(failure);
}

int Network::socket(int family, int type, int protocol) const noexcept {
    int fd = -1;
    int error = 0;
    try {
        run([&] {
            fd = ::socket(family, type | SOCK_CLOEXEC, protocol);
            error = errno;
        });
    } catch (const std::system_error& failure) {
        error = failure.code().value();
    } catch (const std::bad_alloc&) {
        error = ENOMEM;
    }
    errno = error;
    return fd;
}

template <class Visit>
int Network::ask(Question& question, Visit visit) const {
    const std::lock_guard lock{mutex_};
    question.header.nlmsg_seq = ++sequence_;
    if (::send(netlink_.get(), &question, question.header.nlmsg_len, 0) < 0) return errno;
    return receive(question.header.nlmsg_seq, visit);
}

/// The answer's first part is available once the request has been sent, and each further one once the previous has been
/// read (netlink_dump() in the kernel): so this never blocks.
template <class Visit>
int Network::receive(std::uint32_t sequence, Visit visit) const {
    alignas(nlmsghdr) std::array<std::byte, answer_bytes> answer;
    bool changed_meanwhile = false;
    for (int part = 0; part < max_parts; ++part) {
        auto rest = rtnetlink::receive(netlink_.get(), answer);
        if (!rest && errno == EINTR) continue;
        if (!rest) return errno;
        while (const auto message = rtnetlink::take_message(*rest)) {
            if (message->header.nlmsg_seq != sequence) continue;  // left from an answer that was not read to its end
            changed_meanwhile |= (message->header.nlmsg_flags & NLM_F_DUMP_INTR) != 0;
            if (message->header.nlmsg_type == NLMSG_DONE) return changed_meanwhile ? EINTR : 0;
            if (message->header.nlmsg_type == NLMSG_ERROR)
                return -rtnetlink::read<nlmsgerr>(message->payload)
                            .value_or(nlmsgerr{.error = -EPROTO, .msg = {}})
                            .error;
            visit(*message);
            if ((message->header.nlmsg_flags & NLM_F_MULTI) == 0) return 0;
        }
    }
    return EPROTO;
}

template <class Visit>
int Network::ask_link(int index, Visit visit) const {
    if (index == 0) return ENODEV;  // the kernel would return all
    Question question{RTM_GETLINK, 0};
    question.link.ifi_index = index;
    return ask(question, visit);
}

std::optional<LinkState> Network::find_link(std::string_view name) const noexcept {
    if (!is_interface_name(name)) return std::nullopt;
    Question question{RTM_GETLINK, 0};
    // Alternative names (Linux 5.5) may be longer, and are found by either attribute.
    question.add(static_cast<unsigned short>(name.size() < IFNAMSIZ ? IFLA_IFNAME : IFLA_ALT_IFNAME), name);
    LinkState state;
    const int error = ask(question, [&](const auto& message) { rtnetlink::update(state, message); });
    return error == 0 && state.index != 0 ? std::optional{state} : std::nullopt;
}

std::optional<LinkState> Network::link(int index) const noexcept {
    LinkState state;
    const int error = ask_link(index, [&](const auto& message) { rtnetlink::update(state, message); });
    if (error == 0 && state.index == index) return state;
    errno = error == 0 ? ENODEV : error;
    return std::nullopt;
}

std::vector<LinkState> Network::links() const {
    std::vector<LinkState> all;
    const auto list = [&] {
        all.clear();
        Question question{RTM_GETLINK, NLM_F_DUMP};
        return ask(question, [&](const auto& message) {
            LinkState state;
            if (rtnetlink::update(state, message)) all.push_back(state);
        });
    };
    for (int tries = 0; list() == EINTR && tries < max_tries;) ++tries;
    return all;
}

std::vector<Ipv6Address> Network::addresses(int index) const {
    std::vector<Ipv6Address> all;
    const auto list = [&] {
        all.clear();
        Question question{RTM_GETADDR, NLM_F_DUMP};
        question.address.ifa_index = static_cast<std::uint32_t>(index);
        return ask(question, [&](const auto& message) {
            const auto found = rtnetlink::address(message);
            if (found && found->interface_index == index) all.push_back(found->address);
        });
    };
    for (int tries = 0; list() == EINTR && tries < max_tries;) ++tries;
    return all;
}

std::optional<rtnl_link_stats64> Network::statistics(int index) const noexcept {
    std::optional<rtnl_link_stats64> found;
    ask_link(index, [&](const rtnetlink::Message& message) {
        const auto bytes = rtnetlink::attribute(message.payload, sizeof(ifinfomsg), IFLA_STATS64);
        if (message.header.nlmsg_type != RTM_NEWLINK || bytes.empty()) return;
        found.emplace();  // older kernels have fewer
        std::memcpy(&*found, bytes.data(), std::min(bytes.size(), sizeof *found));
    });
    return found;
}

std::string Network::device_folder(int index) const {
    std::string bus, device;
    const auto text = [](rtnetlink::Bytes bytes) {
        const char* const first = reinterpret_cast<const char*>(bytes.data());
        return bytes.empty() ? std::string{} : std::string{first, ::strnlen(first, bytes.size())};
    };
    ask_link(index, [&](const rtnetlink::Message& message) {
        if (message.header.nlmsg_type != RTM_NEWLINK) return;
        bus = text(rtnetlink::attribute(message.payload, sizeof(ifinfomsg), IFLA_PARENT_DEV_BUS_NAME));
        device = text(rtnetlink::attribute(message.payload, sizeof(ifinfomsg), IFLA_PARENT_DEV_NAME));
    });
    return bus.empty() || device.empty() ? std::string{} : "bus/" + bus + "/devices/" + device;
}

}  // namespace pktverbs
