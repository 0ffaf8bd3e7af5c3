// SPDX-License-Identifier: Apache-2.0
#include "soft/link/memif/listener.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <map>
#include <string>
#include <system_error>
#include <thread>

#include <fmt/core.h>

namespace pktverbs::soft::memif {

namespace {

FileDescriptor make_socket() {
    FileDescriptor socket{::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    if (!socket) throw std::system_error{errno, std::generic_category(), "cannot make a memif socket"};
    return socket;
}

/// Locks the socket's folder: if two servers find a stale file there, only one of them replaces it. Any program that
/// may read the folder can hold this lock, so the wait for it is short and the file is replaced without it.
class FolderLock {
public:
    explicit FolderLock(const std::string& path)
        : folder_{open(folder_of(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)} {
        constexpr int tries = 100;
        for (int i = 0; folder_ && i < tries && flock(folder_.get(), LOCK_EX | LOCK_NB) != 0; ++i)
            std::this_thread::sleep_for(std::chrono::milliseconds{1});
    }

private:
    static std::string folder_of(const std::string& path) {
        const auto slash = path.rfind('/');
        if (slash == std::string::npos) return ".";
        return slash == 0 ? "/" : path.substr(0, slash);
    }

    FileDescriptor folder_;
};

struct Listeners {
    std::mutex mutex;
    std::map<std::string, std::weak_ptr<Listener>> by_name;
};

Listeners& listeners() {
    static Listeners* const all = new Listeners;  // never destroyed: static devices may end later
    return *all;
}

}  // namespace

std::shared_ptr<Listener> Listener::at(const SocketName& name) {
    Listeners& all = listeners();
    const std::lock_guard lock{all.mutex};
    if (const auto known = all.by_name.find(name.text()); known != all.by_name.end())
        if (auto listener = known->second.lock()) return listener;
    std::erase_if(all.by_name, [](const auto& entry) { return entry.second.expired(); });
    std::shared_ptr<Listener> made{new Listener{name}};
    all.by_name.emplace(name.text(), made);
    return made;
}

Listener::Listener(const SocketName& name) : name_{name}, socket_{make_socket()}, maker_{getpid()} {
    bind();
    constexpr int backlog = 64;
    if (listen(socket_.get(), backlog) != 0)
        throw std::system_error{errno, std::generic_category(), "cannot listen at " + name_.text()};
}

/// Whether no server listens at its file any more.
bool Listener::is_stale() const {
    struct stat status {};
    if (lstat(name_.text().c_str(), &status) != 0 || !S_ISSOCK(status.st_mode)) return false;
    const FileDescriptor probe = make_socket();
    const auto [address, bytes] = name_.address();
    return connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), bytes) != 0 && errno == ECONNREFUSED;
}

void Listener::bind() {
    const auto [address, bytes] = name_.address();
    const auto* const at = reinterpret_cast<const sockaddr*>(&address);
    // The mode of the socket is that of its file, less the umask (unix_bind() in net/unix/af_unix.c).
    fchmod(socket_.get(), S_IRUSR | S_IWUSR);
    if (name_.is_abstract()) {
        if (::bind(socket_.get(), at, bytes) == 0) return;
    } else {
        const FolderLock lock{name_.text()};
        int error = ::bind(socket_.get(), at, bytes) == 0 ? 0 : errno;
        if (error == EADDRINUSE && is_stale()) {
            unlink(name_.text().c_str());
            error = ::bind(socket_.get(), at, bytes) == 0 ? 0 : errno;
        }
        if (error == 0) {
            lstat(name_.text().c_str(), &file_);
            // Under the lock: without a listener, the file is stale to others.
            listen(socket_.get(), 1);
            return;
        }
        errno = error;
    }
    if (errno == EADDRINUSE)
        throw std::system_error{errno, std::generic_category(),
                                fmt::format("cannot listen at {}: another program does (be its client, or take "
                                            "another name), or it is no socket",
                                            name_.text())};
    throw std::system_error{errno, std::generic_category(), "cannot listen at " + name_.text()};
}

Listener::~Listener() {
    // A child after fork() has a copy.
    if (name_.is_abstract() || getpid() != maker_) return;
    struct stat now {};
    if (lstat(name_.text().c_str(), &now) == 0 && now.st_dev == file_.st_dev && now.st_ino == file_.st_ino)
        unlink(name_.text().c_str());
}

std::unique_ptr<Guest> Listener::accept() {
    FileDescriptor client{accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK)};
    if (!client) return nullptr;
    HelloLimits limits;
    {
        const std::lock_guard lock{mutex_};
        for (const Place* place : places_) limits.rings = std::max(limits.rings, place->terms_.max_rings);
    }
    auto guest = std::make_unique<Guest>(
        Guest{Channel{std::move(client)}, ServerHandshake{limits, [this](std::uint32_t id) { return find(id); }}});
    if (!guest->channel.send({guest->handshake.hello()})) return nullptr;
    return guest;
}

Listener::Place* Listener::find_place(std::uint32_t id) noexcept {
    const auto found = std::ranges::find(places_, id, &Place::id);
    return found == places_.end() ? nullptr : *found;
}

std::optional<Terms> Listener::find(std::uint32_t id) {
    const std::lock_guard lock{mutex_};
    const Place* const place = find_place(id);
    return place ? std::optional{place->terms_} : std::nullopt;
}

bool Listener::claim(std::uint32_t id) noexcept {
    const std::lock_guard lock{mutex_};
    Place* const place = find_place(id);
    return place && !std::exchange(place->taken_, true);
}

void Listener::pass(std::unique_ptr<Guest> guest) noexcept {
    const std::lock_guard lock{mutex_};
    Place* const place = find_place(guest->handshake.terms().id);
    if (!place) return;
    place->guest_ = std::move(guest);
    place->wake_.set();
}

Listener::Place::Place(std::shared_ptr<Listener> listener, Terms terms)
    : listener_{std::move(listener)}, terms_{std::move(terms)} {
    if (!wake_) throw std::system_error{errno, std::generic_category(), "cannot make an eventfd for memif"};
    const std::lock_guard lock{listener_->mutex_};
    if (listener_->find_place(terms_.id))
        throw std::system_error{EBUSY, std::generic_category(),
                                fmt::format("cannot serve id {} at {}: another device of this process does", terms_.id,
                                            listener_->name_.text())};
    listener_->places_.push_back(this);
}

Listener::Place::~Place() {
    if (getpid() != listener_->maker_) return;  // a child does not know who held the lock at fork()
    const std::lock_guard lock{listener_->mutex_};
    std::erase(listener_->places_, this);
}

std::unique_ptr<Guest> Listener::Place::guest() noexcept {
    wake_.clear();
    const std::lock_guard lock{listener_->mutex_};
    return std::move(guest_);
}

void Listener::Place::set_free() noexcept {
    const std::lock_guard lock{listener_->mutex_};
    taken_ = false;
}

}  // namespace pktverbs::soft::memif
