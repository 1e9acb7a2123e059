// SHA-256, for the digests that say whether two results are the same bits.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <string>

namespace psctl {

class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;

  void add(std::span<const std::byte> bytes);
  // Nothing may be added after either.
  std::string finish();  // 64 lower-case hexadecimal digits
  std::array<std::byte, 32> finish_raw();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string sha256(std::span<const std::byte> bytes);
std::string sha256_of_file(const std::string& path);  // WorldError if it cannot be read

}  // namespace psctl
