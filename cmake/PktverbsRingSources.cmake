# SPDX-License-Identifier: Apache-2.0
# The ring's sources: tests compile them again, with the hook (RingWord).
set(pktverbs_ring_sources
  "${PROJECT_SOURCE_DIR}/src/packet/layout.cpp"
  "${PROJECT_SOURCE_DIR}/src/memory/memory.cpp"
  "${PROJECT_SOURCE_DIR}/src/memory/memory_file.cpp"
  "${PROJECT_SOURCE_DIR}/src/ring/block_placer.cpp"
  "${PROJECT_SOURCE_DIR}/src/ring/block_ring.cpp"
  "${PROJECT_SOURCE_DIR}/src/ring/parked_packets.cpp"
  "${PROJECT_SOURCE_DIR}/src/ring/ring_geometry.cpp"
  "${PROJECT_SOURCE_DIR}/src/ring/ring_mapping.cpp"
  "${PROJECT_SOURCE_DIR}/src/ring/ring_reader.cpp"
  "${PROJECT_SOURCE_DIR}/src/ring/ring_seat.cpp"
  "${PROJECT_SOURCE_DIR}/src/ring/ring_writer.cpp"
  "${PROJECT_SOURCE_DIR}/src/memory/shared_memory.cpp"
  "${PROJECT_SOURCE_DIR}/src/verbs/error.cpp")
