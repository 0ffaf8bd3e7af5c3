// SPDX-License-Identifier: Apache-2.0
// The files of memif sockets: whose they are, and when they go.
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/file_descriptor.hpp"
#include "ends.hpp"
#include "soft/link/link_string.hpp"

namespace pktverbs::testing {
namespace {

class MemifSocket : public ::testing::Test {
protected:
    std::string folder = [] {
        std::string name = (std::filesystem::temp_directory_path() / "pktverbs-memif-XXXXXX").string();
        if (!mkdtemp(name.data())) ADD_FAILURE() << "no folder";
        return name;
    }();
    const std::string path = folder + "/s";

    ~MemifSocket() override { std::filesystem::remove_all(folder); }

    std::string server(const std::string& keys = {}) const { return "memif:" + path + "?role=server" + keys; }

    /// Listens without this library.
    FileDescriptor listen_there() const {
        FileDescriptor fd{::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)};
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path.copy(address.sun_path, sizeof address.sun_path - 1);
        EXPECT_EQ(bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
        EXPECT_EQ(listen(fd.get(), 1), 0);
        return fd;
    }
};

TEST_F(MemifSocket, IsForItsOwnerAlone) {
    const Context context{server()};
    struct stat status {};
    ASSERT_EQ(stat(path.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777, 0600U);
    EXPECT_TRUE(S_ISSOCK(status.st_mode));
}

TEST_F(MemifSocket, GoesWithItsLastServer) {
    std::optional<Context> first{server()};
    std::optional<Context> second{server("&id=2")};
    first.reset();
    EXPECT_TRUE(std::filesystem::exists(path));
    second.reset();
    EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(MemifSocket, IsReplacedWithoutAListener) {
    listen_there();  // and no more
    ASSERT_TRUE(std::filesystem::exists(path));
    End listening{server()};
    End client{"memif:" + path};
    client.send(0, 1);
    listening.expect(0, 1);
}

TEST_F(MemifSocket, IsNotTakenFromAnother) {
    const FileDescriptor other = listen_there();
    expect_refusal(EADDRINUSE, "another program listens at that socket", [&] { Context{server()}; });
    EXPECT_TRUE(std::filesystem::exists(path));
}

TEST_F(MemifSocket, IsNoOtherFile) {
    std::ofstream{path} << "precious";
    expect_refusal(EADDRINUSE, "or the file is no socket", [&] { Context{server()}; });
    EXPECT_TRUE(std::filesystem::is_regular_file(path));
}

TEST_F(MemifSocket, IsLeftWhenItHasBecomeAnothers) {
    std::optional<Context> ours{server()};
    std::filesystem::remove(path);
    const FileDescriptor other = listen_there();
    ours.reset();
    EXPECT_TRUE(std::filesystem::exists(path));
}

TEST_F(MemifSocket, NeedsItsFolder) {
    expect_refusal(ENOENT, "the folder is not there", [] { Context{"memif:/nowhere/s?role=server"}; });
}

struct UpSink final : soft::Sink {
    void deliver(std::span<const soft::RxFrame>) noexcept override {}
    void link_changed(bool now_up) noexcept override {
        up = now_up;
        up.notify_all();
    }
    std::atomic<bool> up{false};
};

/// A child that destroys what its parent has must neither wait for a thread that it has not, nor take the file away.
TEST_F(MemifSocket, SurvivesAChild) {
    UpSink sink;
    const auto string = soft::LinkString::parse(server(), {});
    std::unique_ptr<soft::Link> link = string.kind().find(string).open();
    link->attach(sink);
    End client{"memif:" + path};
    sink.up.wait(false);
    const pid_t child = fork();
    if (child == 0) {
        link->detach();
        link.reset();
        _exit(0);
    }
    int status = -1;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
    EXPECT_TRUE(link->up());
    EXPECT_TRUE(std::filesystem::exists(path));
    link->detach();
    EXPECT_TRUE(wait_until_up(client.ctx));
    EXPECT_TRUE(wait_until_down(client.ctx));
}

}  // namespace
}  // namespace pktverbs::testing
