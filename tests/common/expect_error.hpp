// SPDX-License-Identifier: Apache-2.0
// expect_error: checks a failing call's error and message.
#pragma once

#include <gtest/gtest.h>

#include <initializer_list>
#include <string>
#include <system_error>

namespace pktverbs::testing {

/// Calls `call`, expects std::system_error with `error`, and returns its text.
template <class Call>
std::string expect_error(int error, Call&& call) {
    try {
        call();
    } catch (const std::system_error& thrown) {
        EXPECT_EQ(thrown.code(), std::error_code(error, std::generic_category())) << thrown.what();
        return thrown.what();
    }
    ADD_FAILURE() << "nothing was thrown";
    return {};
}

inline void expect_words(const std::string& text, std::initializer_list<const char*> words) {
    for (const char* word : words) EXPECT_NE(text.find(word), std::string::npos) << '"' << word << "\" in: " << text;
}

}  // namespace pktverbs::testing
