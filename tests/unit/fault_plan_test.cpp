// SPDX-License-Identifier: Apache-2.0
#include "dropin/fault_plan.hpp"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "dropin/verb_names.hpp"
#include "expect_error.hpp"

namespace pktverbs::dropin {
namespace {

using testing::expect_error;
using testing::expect_words;

std::string refusal(std::string_view text) {
    const std::string message = expect_error(EINVAL, [&] { FaultPlan::parse(text); });
    expect_words(message,
                 {"cannot read the faults '", "loss=P", "VERB=ERRNO@N+", "loss=0.01,seed=7;create_qp=ENOMEM@2"});
    EXPECT_NE(message.find("'" + std::string{text} + "': "), std::string::npos) << message;
    return message;
}
int error_of(std::string_view text, std::size_t verb, std::uint64_t nth = 1) {
    return FaultPlan::parse(text).error_of(verb, nth);
}

TEST(FaultPlan, IsEmptyForEmptyText) {
    for (const FaultPlan& plan : {FaultPlan{}, FaultPlan::parse("")}) {
        EXPECT_FALSE(plan.link());
        EXPECT_TRUE(plan.verbs().empty());
        EXPECT_FALSE(plan.names(verb("create_qp")));
        EXPECT_EQ(plan.error_of(verb("create_qp"), 1), 0);
    }
}

TEST(FaultPlan, ReadsFaultsOfTheLink) {
    const auto link =
        FaultPlan::parse("loss=0.25,duplicate=0.5,reorder=1,corrupt=1e-3,seed=18446744073709551615").link();
    ASSERT_TRUE(link);
    EXPECT_EQ(link->loss, 0.25);
    EXPECT_EQ(link->duplication, 0.5);
    EXPECT_EQ(link->reordering, 1);
    EXPECT_EQ(link->corruption, 1e-3);
    EXPECT_EQ(link->seed, UINT64_MAX);
}

TEST(FaultPlan, ReadsThemFromSeveralPartsToo) {
    const auto link = FaultPlan::parse("seed=7;loss=0.25;poll_cq=EIO;reorder=0.5").link();
    ASSERT_TRUE(link);
    EXPECT_EQ(link->loss, 0.25);
    EXPECT_EQ(link->reordering, 0.5);
    EXPECT_EQ(link->duplication, 0);
    EXPECT_EQ(link->seed, 7U);
}

TEST(FaultPlan, LeavesTheLinkAloneWhenNothingCanHappenThere) {
    EXPECT_FALSE(FaultPlan::parse("seed=7").link());
    EXPECT_FALSE(FaultPlan::parse("loss=0,duplicate=0.0,reorder=0,corrupt=0").link());
}

TEST(FaultPlan, FailsEveryCall) {
    const FaultPlan plan = FaultPlan::parse("create_qp=ENOMEM");
    for (const std::uint64_t nth : {std::uint64_t{1}, std::uint64_t{2}, UINT64_MAX})
        EXPECT_EQ(plan.error_of(verb("create_qp"), nth), ENOMEM);
    EXPECT_EQ(plan.error_of(verb("create_qp_ex"), 1), 0);
    EXPECT_TRUE(plan.names(verb("create_qp")));
    EXPECT_FALSE(plan.names(verb("create_qp_ex")));
    EXPECT_FALSE(plan.link());
}

TEST(FaultPlan, FailsTheNthCall) {
    const FaultPlan plan = FaultPlan::parse("reg_mr=EAGAIN@2");
    EXPECT_EQ(plan.error_of(verb("reg_mr"), 1), 0);
    EXPECT_EQ(plan.error_of(verb("reg_mr"), 2), EAGAIN);
    EXPECT_EQ(plan.error_of(verb("reg_mr"), 3), 0);
}

TEST(FaultPlan, FailsFromTheNthCallOn) {
    const FaultPlan plan = FaultPlan::parse("reg_mr=EAGAIN@2+");
    EXPECT_EQ(plan.error_of(verb("reg_mr"), 1), 0);
    EXPECT_EQ(plan.error_of(verb("reg_mr"), 2), EAGAIN);
    EXPECT_EQ(plan.error_of(verb("reg_mr"), UINT64_MAX), EAGAIN);
}

TEST(FaultPlan, GivesOneVerbSeveralFaults) {
    const FaultPlan plan = FaultPlan::parse("post_send=ENOMEM@2;post_send=EIO@4+;post_send=EINVAL@1");
    const int expected[] = {EINVAL, ENOMEM, 0, EIO, EIO};
    for (std::uint64_t nth = 1; nth <= 5; ++nth) EXPECT_EQ(plan.error_of(verb("post_send"), nth), expected[nth - 1]);
}

TEST(FaultPlan, KnowsEveryErrnoByNameAndNumber) {
    for (int error = 1; error < 200; ++error) {
        EXPECT_EQ(error_of("poll_cq=" + std::to_string(error), verb("poll_cq")), error);
        const char* const name = strerrorname_np(error);
        if (!name) continue;
        EXPECT_EQ(error_of(std::string{"poll_cq="} + name, verb("poll_cq")), error) << name;
    }
    EXPECT_EQ(error_of("poll_cq=ENOTSUP", verb("poll_cq")), EOPNOTSUPP);
    EXPECT_EQ(error_of("poll_cq=EWOULDBLOCK", verb("poll_cq")), EAGAIN);
    EXPECT_EQ(error_of("poll_cq=EDEADLOCK", verb("poll_cq")), EDEADLK);
    EXPECT_EQ(error_of("poll_cq=4095", verb("poll_cq")), 4095);
}

TEST(FaultPlan, KnowsEveryVerbThatCanFail) {
    for (std::size_t number = 0; number < std::size(verb_names); ++number)
        EXPECT_EQ(error_of(std::string{verb_names[number]} + "=EIO", number), EIO);
}

TEST(FaultPlan, RefusesWhatIsNoVerb) {
    expect_words(refusal("create_qq=ENOMEM"),
                 {"'create_qq' is neither a fault of the link nor a verb that can fail",
                  "known are loss=P, duplicate=P, reorder=P, corrupt=P, seed=N, gemodel=P:R:1-H:1-K, delay=TIME"});
    expect_words(refusal("ack_cq_events=EIO"), {"'ack_cq_events' is neither"});
    expect_words(refusal("drop =0.1"), {"'drop ' is neither"});
    expect_words(refusal("=EIO"), {"'' is neither"});
    expect_words(refusal("ibv_create_qp=ENOMEM"), {"'ibv_create_qp': verbs stand without ibv_"});
}

TEST(FaultPlan, RefusesWhatIsNoErrno) {
    for (const char* const error : {"", "ENOMEN", "enomem", "0", "-12", "+12", "4096", "12x", "012", "0xc", " 12",
                                    "12 ", " EIO", "EIO ", "99999999999"})
        expect_words(refusal(std::string{"create_qp="} + error),
                     {("'" + std::string{error} + "' is no errno").c_str()});
}

TEST(FaultPlan, RefusesWhatIsNoNumberOfACall) {
    for (const char* const calls :
         {"", "0", "-1", "+1", " 1", "x", "1++", "2-", "01", "0x1", "1.0", "18446744073709551616", "1@2"})
        expect_words(refusal(std::string{"create_qp=EIO@"} + calls), {"is no number of a call: they count from 1"});
    expect_words(refusal("create_qp=EIO@+"), {"'' is no number of a call"});
}

TEST(FaultPlan, RefusesWhatIsNoChance) {
    for (const char* const chance : {"", "1.1", "-0.1", "-0", "+0.1", "nan", "inf", "10%", "1e999", "1e-999", " 0.1",
                                     "0.1 ", "00.1", "01", "0x1p-2"})
        expect_words(refusal(std::string{"loss="} + chance), {"is no chance from 0 to 1"});
}

TEST(FaultPlan, RefusesWhatIsNoSeed) {
    for (const char* const seed : {"", "-1", "+1", "0x7", "007", " 7", "7 ", "1.5", "18446744073709551616"})
        expect_words(refusal(std::string{"seed="} + seed),
                     {("seed \"" + std::string{seed} + "\" is no number").c_str()});
}

TEST(FaultPlan, RefusesOneThingTwice) {
    expect_words(refusal("loss=0.1,loss=0.2"), {"'loss' is there twice"});
    expect_words(refusal("seed=1;seed=1"), {"'seed' is there twice"});
    expect_words(refusal("poll_cq=EIO@3;poll_cq=ENOMEM@3"), {"call 3 of poll_cq has two faults"});
    expect_words(refusal("poll_cq=EIO@5;poll_cq=ENOMEM@3+"), {"call 5 of poll_cq has two faults"});
    expect_words(refusal("poll_cq=EIO;poll_cq=ENOMEM@2"), {"call 2 of poll_cq has two faults"});
}

TEST(FaultPlan, RefusesWhatHasNoForm) {
    expect_words(refusal("drop"), {"'drop' has no '='"});
    for (const char* const text : {";", ",", "loss=0.1;", ";loss=0.1", "loss=0.1,", "loss=0.1;;seed=1"})
        expect_words(refusal(text), {"there is nothing before or after a separator"});
    expect_words(refusal("loss=0.1,create_qp=EIO"), {"'create_qp' stands beside a comma"});
    expect_words(refusal("create_qp=EIO,poll_cq=EIO"), {"'create_qp' stands beside a comma"});
}

}  // namespace
}  // namespace pktverbs::dropin
