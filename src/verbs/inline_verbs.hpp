// SPDX-License-Identifier: Apache-2.0
// The inline functions of infiniband/verbs.h that go through the context: the same slots for every provider.
#pragma once

#include <infiniband/verbs.h>

namespace pktverbs::verbs::inline_verbs {

inline ibv_wq* create_wq(ibv_context* context, ibv_wq_init_attr* attr) { return ibv_create_wq(context, attr); }
inline int modify_wq(ibv_wq* wq, ibv_wq_attr* attr) { return ibv_modify_wq(wq, attr); }
inline int destroy_wq(ibv_wq* wq) { return ibv_destroy_wq(wq); }
inline ibv_rwq_ind_table* create_rwq_ind_table(ibv_context* context, ibv_rwq_ind_table_init_attr* attr) {
    return ibv_create_rwq_ind_table(context, attr);
}
inline int destroy_rwq_ind_table(ibv_rwq_ind_table* table) { return ibv_destroy_rwq_ind_table(table); }
inline ibv_qp* create_qp_ex(ibv_context* context, ibv_qp_init_attr_ex* attr) { return ibv_create_qp_ex(context, attr); }

}  // namespace pktverbs::verbs::inline_verbs
