// SPDX-License-Identifier: Apache-2.0
// InterfaceWatch: changes of an interface, as the kernel reports them.
#pragma once

#include <memory>

#include "base/file_descriptor.hpp"
#include "interface/interface.hpp"

namespace pktverbs {

/// Reports changes from construction on. One thread at a time.
class InterfaceWatch {
public:
    /// Throws std::system_error: EPERM from another network namespace that the thread may not leave.
    explicit InterfaceWatch(std::shared_ptr<const Interface> interface);

    /// Readable when there is a message, even one without news.
    int fd() const noexcept { return socket_.get(); }

    struct News {
        bool any = false;        ///< more may follow
        bool state = false;      ///< its LinkState may have changed
        bool addresses = false;  ///< so may its IP addresses
        bool gone = false;       ///< it was removed, or moved to another network namespace
    };
    /// Reads the next change and updates the state. Never blocks, unless messages were dropped.
    News next(LinkState& state) noexcept;

private:
    News read_anew(LinkState& state) noexcept;

    std::shared_ptr<const Interface> interface_;
    FileDescriptor socket_;
};

}  // namespace pktverbs
