// SPDX-License-Identifier: Apache-2.0
#include "command_line.hpp"

#include <fmt/core.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <memory>
#include <sstream>
#include <string>
#include <type_traits>
#include <utility>

#include "bad_use.hpp"

namespace example {

namespace {

template <class Value>
constexpr bool is_whole_number = std::is_integral_v<Value>;
template <class Value>
constexpr bool is_whole_number<std::optional<Value>> = std::is_integral_v<Value>;
template <class Value>
constexpr bool is_whole_number<std::vector<Value>> = std::is_integral_v<Value>;

constexpr std::size_t columns = 80;  ///< of the narrowest terminal for which help is written

/// A paragraph in lines of no more than `width` characters, unless a word is longer; `joint` ends all but the last.
std::string wrapped(const std::string& text, std::size_t width, std::string_view joint = "\n") {
    std::string lines, line;
    std::istringstream words{text};
    for (std::string word; words >> word;) {
        if (!line.empty() && line.size() + 1 + word.size() > width) {
            lines += line;
            lines += joint;
            line.clear();
        }
        line += (line.empty() ? "" : " ") + word;
    }
    return lines + line;
}

/// Prose, which begins with a capital, is wrapped; a command is continued as a shell takes it; lines with an indent
/// stay.
std::string wrapped_lines(const std::string& text) {
    std::string all;
    std::istringstream lines{text};
    for (std::string line; std::getline(lines, line);) {
        if (line.size() > columns && line.front() >= 'a' && line.front() <= 'z')
            line = wrapped(line, columns - 6, " \\\n    ");
        else if (line.size() > columns && line.front() != ' ')
            line = wrapped(line, columns);
        all += (all.empty() ? "" : "\n") + line;
    }
    return all;
}

/// Help whose lines fit: CLI11 indents the lines of a description, but makes none.
class NarrowHelp final : public CLI::Formatter {
public:
    NarrowHelp() { column_width(indent); }
    std::string make_option_desc(const CLI::Option* option) const override {
        return wrapped(CLI::Formatter::make_option_desc(option), columns - indent);
    }

private:
    static constexpr std::size_t indent = 30;
};

/// CLI11 takes an empty word for 0, and 010 for 8. Here 010 is 10; too large a number is left to others to refuse.
std::string decimal(std::string& text) {
    const std::size_t sign = text.starts_with('-') ? 1 : 0;
    if (text.size() == sign || text.find_first_not_of("0123456789", sign) != std::string::npos)
        return fmt::format("'{}' is not a whole number", text);
    const std::size_t zeros = std::min(text.find_first_not_of('0', sign), text.size() - 1) - sign;
    text.erase(sign, zeros);
    return {};
}

}  // namespace

CommandLine::Option CommandLine::Option::required() const { return Option{option_->required()}; }

// Says less than CLI::Range would, and says it of every type alike.
CommandLine::Option CommandLine::Option::between(double low, double high) const {
    const auto range = fmt::format("{:.15g} to {:.15g}", low, high);
    auto check = [=](const std::string& text) {
        char* end = nullptr;
        const double number = std::strtod(text.c_str(), &end);
        if (end != text.c_str() && *end == '\0' && number >= low && number <= high) return std::string{};
        return fmt::format("'{}' is not a number from {}", text, range);
    };
    return Option{option_->check(CLI::Validator{check, range})};
}

CommandLine::Option CommandLine::Option::in_range(int low, int high) const {
    return Option{option_->check(CLI::Range(low, high))};
}

CommandLine::Option CommandLine::Option::one_of(const std::vector<std::string>& words) const {
    return Option{option_->check(CLI::IsMember(words))};
}

CommandLine::Option CommandLine::Option::expected(int least, int most) const {
    return Option{option_->expected(least, most)};
}

CommandLine::Option CommandLine::Option::delimiter(char separator) const {
    return Option{option_->delimiter(separator)};
}

CommandLine::Option CommandLine::Option::needs(Option other) const { return Option{option_->needs(other.option_)}; }

CommandLine::Option CommandLine::Option::excludes(Option other) const {
    return Option{option_->excludes(other.option_)};
}

CommandLine::Option CommandLine::Option::type_name(const std::string& name) const {
    return Option{option_->type_name(name)};
}

CommandLine::Option CommandLine::Option::default_shown() const { return Option{option_->capture_default_str()}; }

CommandLine::CommandLine(const std::string& what_it_does, const std::string& program)
    : app_{std::make_unique<CLI::App>(wrapped(what_it_does, columns), program)} {
    app_->formatter(std::make_shared<NarrowHelp>());
}

CommandLine::~CommandLine() = default;

void CommandLine::footer(const std::string& text) { app_->footer(wrapped_lines(text)); }

template <class Value>
CommandLine::Option CommandLine::add_option(const std::string& names, Value& value, const std::string& help) {
    auto* const option = app_->add_option(names, value, help);
    if constexpr (is_whole_number<Value>) option->transform(CLI::Validator{decimal, {}});
    return Option{option};
}
template CommandLine::Option CommandLine::add_option(const std::string&, std::string&, const std::string&);
template CommandLine::Option CommandLine::add_option(const std::string&, double&, const std::string&);
template CommandLine::Option CommandLine::add_option(const std::string&, int&, const std::string&);
template CommandLine::Option CommandLine::add_option(const std::string&, std::uint16_t&, const std::string&);
template CommandLine::Option CommandLine::add_option(const std::string&, std::uint32_t&, const std::string&);
template CommandLine::Option CommandLine::add_option(const std::string&, std::uint64_t&, const std::string&);
template CommandLine::Option CommandLine::add_option(const std::string&, std::optional<std::uint64_t>&,
                                                     const std::string&);
template CommandLine::Option CommandLine::add_option(const std::string&, std::vector<std::string>&, const std::string&);
template CommandLine::Option CommandLine::add_option(const std::string&, std::vector<double>&, const std::string&);
template CommandLine::Option CommandLine::add_option(const std::string&, std::vector<std::uint32_t>&,
                                                     const std::string&);
template CommandLine::Option CommandLine::add_option(const std::string&, std::vector<std::uint64_t>&,
                                                     const std::string&);

CommandLine::Option CommandLine::add_flag(const std::string& names, bool& value, const std::string& help) {
    return Option{app_->add_flag(names, value, help)};
}

CommandLine::Option CommandLine::add_text(const std::string& name, const Take& take, const std::string& help) {
    // The name that CLI11 gives an option with several is only known when it has been made.
    const auto option = std::make_shared<CLI::Option*>(nullptr);
    auto store = [take, option](const std::string& word) {
        if (auto reason = take(word); !reason.empty()) throw CLI::ValidationError((*option)->get_name(), reason);
    };
    *option = app_->add_option_function<std::string>(name, store, help);
    return Option{*option};
}

CommandLine::Option CommandLine::add_texts(const std::string& name, const Take& take, const std::string& help) {
    auto store = [take, name](const std::vector<std::string>& words) {
        for (const auto& word : words)
            if (auto reason = take(word); !reason.empty()) throw CLI::ValidationError(name, reason);
    };
    return Option{app_->add_option_function<std::vector<std::string>>(name, store, help)};
}

int CommandLine::fail(std::string reason, int status) const {
    std::ranges::replace(reason, '\n', ' ');
    fmt::print(stderr, "{}: {}\n", app_->get_name(), reason);
    return status;
}

/// A program that did well, and whose output got lost, did not do well.
int CommandLine::written(int status) const {
    errno = 0;
    if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return status;
    const int reason = errno != 0 ? errno : EIO;
    if (status != 0) return status;
    return fail(fmt::format("cannot write to standard output: {}", std::strerror(reason)), 1);
}

int CommandLine::run(int argc, char** argv, const std::function<int()>& program) {
    try {
        app_->parse(argc, argv);
        return written(program());
    } catch (const CLI::Success& help) {
        return written(app_->exit(help));
    } catch (const CLI::ParseError& error) {
        return fail(fmt::format("{} (see --help)", error.what()), 2);
    } catch (const BadUse& error) {
        return fail(error.what(), 2);
    } catch (const std::exception& error) {
        return fail(error.what(), 1);
    }
}

std::optional<int> CommandLine::parse(int argc, char** argv) {
    try {
        app_->parse(argc, argv);
        return {};
    } catch (const CLI::ParseError& error) {
        return app_->exit(error);
    }
}

}  // namespace example
