# SPDX-License-Identifier: Apache-2.0
pktverbs_test(steering_test LABEL unit SOURCES
  flow_match_test.cpp
  flow_table_test.cpp
  frame_key_test.cpp
  ../fuzz/reference_steering.cpp
  ../fuzz/steering_case.cpp)
