// SPDX-License-Identifier: Apache-2.0
// QpTransition: the attributes that a queue pair's change of state needs and takes.
#include <gtest/gtest.h>

#include <array>
#include <string>

#include "expect_error.hpp"
#include "verbs/qp_transition.hpp"

namespace pktverbs::testing {
namespace {

using verbs::explain_transition;
using verbs::name_of;

struct Step {
    ibv_qp_type type;
    ibv_qp_state from;
    ibv_qp_state to;
    int needed;    // without IBV_QP_STATE
    int optional;  // some of those
};

constexpr int init = IBV_QP_PKEY_INDEX | IBV_QP_PORT;
constexpr int uc = IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN | IBV_QP_RQ_PSN;
constexpr std::array steps{
    Step{IBV_QPT_RC, IBV_QPS_RESET, IBV_QPS_INIT, init | IBV_QP_ACCESS_FLAGS, 0},
    Step{IBV_QPT_UC, IBV_QPS_RESET, IBV_QPS_INIT, init | IBV_QP_ACCESS_FLAGS, 0},
    Step{IBV_QPT_UD, IBV_QPS_RESET, IBV_QPS_INIT, init | IBV_QP_QKEY, 0},
    Step{IBV_QPT_RAW_PACKET, IBV_QPS_RESET, IBV_QPS_INIT, IBV_QP_PORT, 0},
    Step{IBV_QPT_RC, IBV_QPS_INIT, IBV_QPS_INIT, 0, init | IBV_QP_ACCESS_FLAGS},
    Step{IBV_QPT_UD, IBV_QPS_INIT, IBV_QPS_INIT, 0, init | IBV_QP_QKEY},
    Step{IBV_QPT_RC, IBV_QPS_INIT, IBV_QPS_RTR, uc | IBV_QP_MAX_DEST_RD_ATOMIC | IBV_QP_MIN_RNR_TIMER,
         IBV_QP_ALT_PATH | IBV_QP_ACCESS_FLAGS | IBV_QP_PKEY_INDEX},
    Step{IBV_QPT_UC, IBV_QPS_INIT, IBV_QPS_RTR, uc, IBV_QP_ACCESS_FLAGS},
    Step{IBV_QPT_UD, IBV_QPS_INIT, IBV_QPS_RTR, 0, IBV_QP_QKEY},
    Step{IBV_QPT_RAW_PACKET, IBV_QPS_INIT, IBV_QPS_RTR, 0, 0},
    Step{IBV_QPT_RC, IBV_QPS_RTR, IBV_QPS_RTS,
         IBV_QP_SQ_PSN | IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY | IBV_QP_MAX_QP_RD_ATOMIC,
         IBV_QP_CUR_STATE | IBV_QP_MIN_RNR_TIMER},
    Step{IBV_QPT_UC, IBV_QPS_RTR, IBV_QPS_RTS, IBV_QP_SQ_PSN, IBV_QP_CUR_STATE},
    Step{IBV_QPT_UD, IBV_QPS_RTR, IBV_QPS_RTS, IBV_QP_SQ_PSN, IBV_QP_QKEY},
    Step{IBV_QPT_RAW_PACKET, IBV_QPS_RTR, IBV_QPS_RTS, 0, IBV_QP_RATE_LIMIT},
    Step{IBV_QPT_RC, IBV_QPS_RTS, IBV_QPS_RTS, 0, IBV_QP_ACCESS_FLAGS | IBV_QP_MIN_RNR_TIMER},
    Step{IBV_QPT_RAW_PACKET, IBV_QPS_RTS, IBV_QPS_RTS, 0, IBV_QP_RATE_LIMIT},
    Step{IBV_QPT_RC, IBV_QPS_RTS, IBV_QPS_SQD, 0, IBV_QP_EN_SQD_ASYNC_NOTIFY},
    Step{IBV_QPT_RC, IBV_QPS_SQD, IBV_QPS_RTS, 0, IBV_QP_CUR_STATE},
    Step{IBV_QPT_UD, IBV_QPS_SQE, IBV_QPS_RTS, 0, IBV_QP_QKEY},
    Step{IBV_QPT_RC, IBV_QPS_RTS, IBV_QPS_ERR, 0, 0},
    Step{IBV_QPT_UC, IBV_QPS_INIT, IBV_QPS_ERR, 0, 0},
    Step{IBV_QPT_UD, IBV_QPS_ERR, IBV_QPS_RESET, 0, 0},
    Step{IBV_QPT_RAW_PACKET, IBV_QPS_RTR, IBV_QPS_RESET, 0, 0},
};

class TransitionTest : public ::testing::TestWithParam<Step> {
protected:
    std::string explain(int mask) const {
        return explain_transition(GetParam().type, GetParam().from, GetParam().to, mask);
    }
    int needed() const { return GetParam().needed | (GetParam().from == GetParam().to ? 0 : IBV_QP_STATE); }
};

INSTANTIATE_TEST_SUITE_P(Steps, TransitionTest, ::testing::ValuesIn(steps));

TEST_P(TransitionTest, HasNothingToSayOfARightOne) {
    EXPECT_EQ(explain(needed()), "");
    EXPECT_EQ(explain(needed() | IBV_QP_STATE), "");
    EXPECT_EQ(explain(needed() | GetParam().optional), "");
}

TEST_P(TransitionTest, NamesWhatIsMissing) {
    for (int flag = 1; flag != 0 && flag <= needed(); flag <<= 1) {
        if ((needed() & flag) == 0) continue;
        const std::string text = explain(needed() & ~flag);
        expect_words(text, {" queue pair needs "});
        EXPECT_EQ(text.find(','), text.rfind(',')) << "one attribute: " << text;
        EXPECT_EQ(text.find("doesn't take"), std::string::npos) << text;
    }
}

TEST_P(TransitionTest, NamesWhatIsNotAllowed) {
    const std::string text = explain(needed() | IBV_QP_CAP);
    expect_words(text, {" queue pair doesn't take cap"});
    EXPECT_EQ(text.find("needs"), std::string::npos) << text;
}

TEST(Transition, NamesBoth) {
    EXPECT_EQ(explain_transition(IBV_QPT_RC, IBV_QPS_INIT, IBV_QPS_RTR,
                                 IBV_QP_STATE | IBV_QP_AV | IBV_QP_DEST_QPN | IBV_QP_QKEY | IBV_QP_SQ_PSN),
              "going from INIT to RTR, a reliable connected queue pair needs path_mtu, rq_psn, min_rnr_timer, "
              "max_dest_rd_atomic and doesn't take qkey, sq_psn");
    EXPECT_EQ(explain_transition(IBV_QPT_UC, IBV_QPS_RTS, IBV_QPS_RTS, IBV_QP_TIMEOUT),
              "in RTS, an unreliable connected queue pair doesn't take timeout");
}

TEST(Transition, NamesStepsThatAreNone) {
    EXPECT_EQ(explain_transition(IBV_QPT_RC, IBV_QPS_RESET, IBV_QPS_RTR, IBV_QP_STATE),
              "a reliable connected queue pair can't go from RESET to RTR");
    EXPECT_EQ(explain_transition(IBV_QPT_UD, IBV_QPS_RTS, IBV_QPS_INIT, IBV_QP_STATE),
              "a datagram queue pair can't go from RTS to INIT");
    EXPECT_EQ(explain_transition(IBV_QPT_RAW_PACKET, IBV_QPS_ERR, IBV_QPS_RTS, IBV_QP_STATE),
              "a raw packet queue pair can't go from ERR to RTS");
    EXPECT_EQ(explain_transition(IBV_QPT_RC, IBV_QPS_RTR, IBV_QPS_RTR, IBV_QP_ACCESS_FLAGS),
              "a reliable connected queue pair takes no changes in RTR");
}

TEST(Transition, SaysNothingOfTypesThatItDoesNotKnow) {
    EXPECT_EQ(explain_transition(IBV_QPT_DRIVER, IBV_QPS_RESET, IBV_QPS_RTS, 0), "");
    EXPECT_EQ(explain_transition(IBV_QPT_XRC_SEND, IBV_QPS_RESET, IBV_QPS_RTS, 0), "");
}

TEST(Transition, HasNamesForAll) {
    EXPECT_EQ(name_of(IBV_QPS_SQD), "SQD");
    EXPECT_EQ(name_of(IBV_QPS_SQE), "SQE");
    EXPECT_EQ(name_of(IBV_QPS_ERR), "ERR");
    EXPECT_EQ(name_of(IBV_QPS_UNKNOWN), "an unknown state");
    EXPECT_EQ(name_of(IBV_QPT_DRIVER), "a special");
}

}  // namespace
}  // namespace pktverbs::testing
