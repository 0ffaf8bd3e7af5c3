// SPDX-License-Identifier: Apache-2.0
#include "privilege.hpp"

#include <fmt/format.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <system_error>

namespace tool {

namespace {

// capget(2) and capset(2) have no function in the C library, and libcap is not worth a dependency.
class Capabilities {
public:
    static Capabilities own() {
        Capabilities all;
        if (::syscall(SYS_capget, &all.header_, all.sets_) != 0) fail(errno, "cannot read the capabilities");
        return all;
    }
    static Capabilities only(unsigned capability) {
        Capabilities one;
        auto& set = one.sets_[CAP_TO_INDEX(capability)];
        set.effective = set.permitted = set.inheritable = CAP_TO_MASK(capability);
        return one;
    }

    bool permits(unsigned capability) const {
        return (sets_[CAP_TO_INDEX(capability)].permitted & CAP_TO_MASK(capability)) != 0;
    }
    void set() {
        if (::syscall(SYS_capset, &header_, sets_) != 0) fail(errno, "cannot set the capabilities");
    }

    [[noreturn]] static void fail(int error, const std::string& what) {
        throw std::system_error{error, std::generic_category(), what};
    }

private:
    __user_cap_header_struct header_{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct sets_[_LINUX_CAPABILITY_U32S_3]{};
};

/// The kernel's arguments are of type unsigned long, all of them.
int control(int option, unsigned long a, unsigned long b = 0) { return ::prctl(option, a, b, 0UL, 0UL); }

const passwd& find_user(const std::string& user) {
    const passwd* found = ::getpwnam(user.c_str());
    const bool is_number = user.size() < 10 && std::ranges::all_of(user, [](char c) { return c >= '0' && c <= '9'; });
    if (!found && is_number) found = ::getpwuid(static_cast<uid_t>(std::stoul(user)));
    if (!found) throw std::system_error{ENOENT, std::generic_category(), fmt::format("there is no user '{}'", user)};
    return *found;
}

void become(const passwd& user) {
    // Else the permitted capabilities would go with the user id 0.
    if (control(PR_SET_KEEPCAPS, 1) != 0) Capabilities::fail(errno, "cannot keep the capabilities");
    if (::initgroups(user.pw_name, user.pw_gid) != 0 || ::setresgid(user.pw_gid, user.pw_gid, user.pw_gid) != 0 ||
        ::setresuid(user.pw_uid, user.pw_uid, user.pw_uid) != 0)
        Capabilities::fail(errno,
                           fmt::format("cannot go on as user '{}' (--user is for root: use sudo)", user.pw_name));
    ::setenv("HOME", user.pw_dir, 1);
    ::setenv("USER", user.pw_name, 1);
    ::setenv("LOGNAME", user.pw_name, 1);
}

}  // namespace

void keep_net_raw_only(const std::string& user) {
    const auto own = Capabilities::own();
    if (!own.permits(CAP_NET_RAW))
        Capabilities::fail(EPERM,
                           "no CAP_NET_RAW to pass on (run it as root, for yourself: "
                           "sudo pktverbs run --net-raw --user \"$USER\" -- PROGRAM)");
    // Without these in the bounding set, root's programs don't get them either, nor do those with file capabilities.
    if (own.permits(CAP_SETPCAP))
        for (unsigned long i = 0; control(PR_CAPBSET_READ, i) >= 0; ++i)
            if (i != CAP_NET_RAW && control(PR_CAPBSET_DROP, i) != 0)
                Capabilities::fail(errno, "cannot give up capabilities");
    if (!user.empty()) become(find_user(user));
    if (::geteuid() == 0 && !own.permits(CAP_SETPCAP))
        Capabilities::fail(EPERM, "root's programs would get back what is given up, without CAP_SETPCAP (try --user)");
    Capabilities::only(CAP_NET_RAW).set();
    if (control(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL) != 0 ||
        control(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_RAW) != 0)
        Capabilities::fail(errno, "cannot make CAP_NET_RAW an ambient capability");
}

}  // namespace tool
