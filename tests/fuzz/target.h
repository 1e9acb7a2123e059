// What a fuzzer feeds: one function for each parser of files. The same functions replay the corpus as a test.
#pragma once

#include <cstdint>
#include <span>

namespace psctl::fuzz {

// Each may throw UserError, as a broken file makes it; whatever else happens is a finding.
struct Target {
  const char* name;  // of its folder in the corpus too
  void (*run)(std::span<const std::uint8_t> input);
};

std::span<const Target> targets();

// Defined in the files named after them.
void fuzz_cifar(std::span<const std::uint8_t> input);
void fuzz_csv(std::span<const std::uint8_t> input);
void fuzz_idx(std::span<const std::uint8_t> input);
void fuzz_libsvm(std::span<const std::uint8_t> input);
void fuzz_numpy(std::span<const std::uint8_t> input);
void fuzz_prepared(std::span<const std::uint8_t> input);

}  // namespace psctl::fuzz
