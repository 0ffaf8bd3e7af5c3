// SPDX-License-Identifier: Apache-2.0
#include "published.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>

#include "base/publication.hpp"

namespace tool {

namespace {

constexpr std::size_t max_bytes = 256 * 1024, max_metrics = 4096, max_word = 64;

bool is_word(std::string_view text) {
    return !text.empty() && text.size() <= max_word && std::ranges::all_of(text, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
    });
}

/// Takes the text before `end`, and that, off the front.
std::string_view take_until(std::string_view& text, char end) {
    const auto size = std::min(text.find(end), text.size());
    const auto word = text.substr(0, size);
    text.remove_prefix(std::min(size + 1, text.size()));
    return word;
}

template <class Number>
bool read_number(std::string_view text, Number& number) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    return error == std::errc{} && end == text.data() + text.size();
}

/// The whole file, if it is a regular one, not too large, and of `user`. A stranger may have put anything there.
std::optional<std::string> read_file(const std::string& path, uid_t user, double& age) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) return {};
    struct stat file {};
    std::string text(max_bytes + 1, '\0');
    ssize_t size = -1;
    if (::fstat(fd, &file) == 0 && S_ISREG(file.st_mode) && file.st_uid == user)
        size = ::read(fd, text.data(), text.size());
    ::close(fd);
    if (size < 0 || static_cast<std::size_t>(size) > max_bytes) return {};
    text.resize(static_cast<std::size_t>(size));
    using std::chrono::duration;
    const duration<double> written{static_cast<double>(file.st_mtim.tv_sec) +
                                   static_cast<double>(file.st_mtim.tv_nsec) * 1e-9};
    age = std::max(0.0, (duration<double>{std::chrono::system_clock::now().time_since_epoch()} - written).count());
    return text;
}

/// The user that a process acts as: its effective one. The owner of /proc/PID is root for some processes (proc(5)).
std::optional<uid_t> user_of(int process) {
    std::ifstream status{fmt::format("/proc/{}/status", process)};
    for (std::string line; std::getline(status, line);) {
        if (!line.starts_with("Uid:")) continue;
        std::string_view fields{line};
        uid_t user = 0;
        for (int i = 0; i != 2; ++i) take_until(fields, '\t');
        return read_number(take_until(fields, '\t'), user) ? std::optional{user} : std::nullopt;
    }
    return {};
}

/// What a process was started with behind its subcommand. It may have written anything there, escape sequences too.
std::string arguments_of(int process) {
    std::ifstream file{fmt::format("/proc/{}/cmdline", process)};
    std::string text(4096, '\0');
    file.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(std::max<std::streamsize>(file.gcount(), 0)));
    std::string_view words{text};
    for (int i = 0; i != 2; ++i) take_until(words, '\0');
    std::string line;
    while (!words.empty()) line.append(line.empty() ? "" : " ").append(take_until(words, '\0'));
    for (char& c : line)
        if (c < ' ' || c > '~') c = '?';
    return line;
}

bool is_loss(std::string_view key) {
    if (key.starts_with("flows_")) return false;  // counted in the sums
    return std::ranges::any_of(std::array{"lost", "unsent", "failed", "dropped", "no_room"},
                               [&](const char* part) { return key.find(part) != key.npos; });
}

}  // namespace

std::optional<double> Published::metric(std::string_view key) const {
    const auto found = metrics.find(std::string{key});
    return found == metrics.end() ? std::nullopt : std::optional{found->second};
}

std::optional<double> Published::packets() const {
    for (const char* const key : {"packets", "received", "echoed"})
        if (const auto value = metric(key)) return value;
    return {};
}

std::optional<double> Published::bytes() const {
    const auto value = metric("bytes");
    return value ? value : metric("ports_received_bytes");
}

std::optional<double> Published::lost() const {
    for (const char* const key : {"lost_packets", "lost"})
        if (const auto value = metric(key)) return value;
    const auto unsent = metric("unsent_packets"), failed = metric("failed_packets");
    if (unsent || failed) return unsent.value_or(0) + failed.value_or(0);
    return {};
}

std::string Published::losses() const {
    std::string text;
    for (const auto& [key, value] : metrics) {
        if (value == 0 || !is_loss(key)) continue;
        text += fmt::format("{}{} {:.0f}", text.empty() ? "" : ", ", key, value);
    }
    return text;
}

std::optional<Published> parse_published(std::string_view text) {
    Published published;
    auto head = take_until(text, '\n');
    int version = 0;
    if (take_until(head, ' ') != Publication::word || !read_number(take_until(head, ' '), version) ||
        version != Publication::version)
        return {};
    if (!read_number(take_until(head, ' '), published.process) || published.process <= 0 ||
        !read_number(take_until(head, ' '), published.start))
        return {};
    published.subcommand = take_until(head, ' ');
    if (!is_word(published.subcommand) || !read_number(head, published.seconds) || !std::isfinite(published.seconds) ||
        published.seconds < 0)
        return {};
    const auto prefix = "pktverbs_" + published.subcommand + '_';
    while (!text.empty() && published.metrics.size() < max_metrics) {
        auto line = take_until(text, '\n');
        const auto space = line.rfind(' ');  // a label may have some
        double value = 0;
        if (!line.starts_with(prefix) || space == line.npos || !read_number(line.substr(space + 1), value) ||
            !std::isfinite(value) || value < 0 || value > 1e19)
            continue;
        line.remove_prefix(prefix.size());
        const auto key = line.substr(0, std::min(line.find('{'), line.find(' ')));
        if (is_word(key)) published.metrics[std::string{key}] += value;
    }
    return published;
}

std::vector<Published> list_published() {
    std::vector<Published> all;
    std::error_code error;
    for (std::filesystem::directory_iterator entry{Publication::folder, error}, end; !error && entry != end;
         entry.increment(error)) {
        const auto name = entry->path().filename().string();
        if (!name.starts_with(Publication::prefix)) continue;
        std::string_view rest{name};
        rest.remove_prefix(Publication::prefix.size());
        int process = 0;
        const bool is_whole = rest.find('.') == rest.npos;  // else it is still being written
        if (!read_number(take_until(rest, '.'), process) || process <= 0) continue;
        const auto path = entry->path().string();
        const auto start = start_of(process);
        const auto remove_own = [&] {
            struct stat file {};
            if (::lstat(path.c_str(), &file) == 0 && S_ISREG(file.st_mode) && file.st_uid == ::geteuid())
                ::unlink(path.c_str());
        };
        if (start == 0) {
            remove_own();
            continue;
        }
        const auto user = user_of(process);
        if (!is_whole || !user) continue;
        double age = 0;
        const auto text = read_file(path, *user, age);
        auto published = text ? parse_published(*text) : std::nullopt;
        if (!published || published->process != process) continue;
        if (published->start != start) {
            remove_own();
            continue;
        }
        published->age = age;
        published->arguments = arguments_of(process);
        all.push_back(std::move(*published));
    }
    std::ranges::sort(all, {}, &Published::process);
    return all;
}

}  // namespace tool
