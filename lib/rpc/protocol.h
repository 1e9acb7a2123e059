// Inside of rpc: what both ends must agree on.
#pragma once

#include <cstdint>

namespace psctl::rpc {

// Raised whenever psctl.thrift changes in a way that an older peer would misread.
inline constexpr std::int32_t kProtocol = 5;

// The results of step and pull hold their Reply in this field, as Thrift's generated code has it.
inline constexpr std::int16_t kSuccessField = 0;
inline constexpr std::int16_t kHeaderField = 1;
// The arguments of step and piece.
inline constexpr std::int16_t kRequestField = 1;
// Of arguments and replies alike.
inline constexpr std::int16_t kTensorField = 2;

}  // namespace psctl::rpc
