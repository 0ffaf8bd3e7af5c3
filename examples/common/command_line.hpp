// SPDX-License-Identifier: Apache-2.0
// CommandLine: a program's options and arguments, with the exit statuses and one-line errors that all examples have.
// CLI11 parses them; it takes long to compile, so only command_line.cpp includes it.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace example {

inline constexpr double max_packets = 1e15;
inline constexpr std::chrono::seconds max_time{1'000'000'000};

class CommandLine {
public:
    /// One of the options, to configure it. It must not outlive its CommandLine.
    class Option {
    public:
        Option required() const;
        /// Its value must be a number from `low` to `high`.
        Option between(double low, double high) const;
        /// The same for whole numbers, with CLI11's own error text.
        Option in_range(int low, int high) const;
        Option one_of(const std::vector<std::string>& words) const;
        /// Takes so many values; `separator` divides those in one word.
        Option expected(int least, int most) const;
        Option delimiter(char separator) const;
        /// It may only be given with the other option.
        Option needs(Option other) const;
        /// It may not be given with the other option.
        Option excludes(Option other) const;
        /// Sets the name of its value in the help.
        Option type_name(const std::string& name) const;
        /// Shows the present value of the variable as its default in the help.
        Option default_shown() const;

    private:
        friend CommandLine;
        explicit Option(CLI::Option* option) : option_{option} {}
        CLI::Option* option_;
    };

    /// `program` is the name at the beginning of errors; empty: argv[0].
    explicit CommandLine(const std::string& what_it_does, const std::string& program = {});
    CommandLine(const CommandLine&) = delete;
    CommandLine& operator=(const CommandLine&) = delete;
    ~CommandLine();

    /// Sets the text at the end of the help. Lines too long for a terminal are broken: prose, which must begin with a
    /// capital, between words; commands with a backslash.
    void footer(const std::string& text);

    /// "-c,--count" names an option, "DEVICE" an argument without a name. `value` must live until all is parsed.
    /// Value: std::string, double, int, std::uint16_t, std::uint32_t, std::uint64_t, std::optional<std::uint64_t>, or a
    /// vector of std::string, double, std::uint32_t or std::uint64_t. Others don't link: the list is in the source.
    template <class Value>
    Option add_option(const std::string& names, Value& value, const std::string& help = {});
    /// "--direct,!--no-direct": the second name sets it to false.
    Option add_flag(const std::string& names, bool& value, const std::string& help = {});

    /// Reads a word. Returns an empty text, or why it is refused.
    using Take = std::function<std::string(const std::string& word)>;
    /// An option whose value the program parses itself.
    Option add_text(const std::string& name, const Take& take, const std::string& help);
    /// The same, for one that may be repeated: calls `take` with each word.
    Option add_texts(const std::string& name, const Take& take, const std::string& help);

    /// Parses, and runs the program. Returns its exit status: 2 for bad use, which CLI11 refuses or BadUse reports;
    /// 1 if it throws anything else, or if its output cannot be written. Errors are one line on
    /// stderr.
    int run(int argc, char** argv, const std::function<int()>& program);
    /// Parses, and returns an exit status if the program must end here: after the help, or after an error, which CLI11
    /// prints.
    std::optional<int> parse(int argc, char** argv);

private:
    int fail(std::string reason, int status) const;
    int written(int status) const;

    std::unique_ptr<CLI::App> app_;
};

}  // namespace example
