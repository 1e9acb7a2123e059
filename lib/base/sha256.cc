#include "base/sha256.h"

#include <array>
#include <fmt/format.h>
#include <fstream>
#include <openssl/evp.h>
#include <utility>

#include "base/error.h"

namespace psctl {

struct Sha256::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  State() { PSCTL_CHECK(context && EVP_DigestInit_ex(context, EVP_sha256(), nullptr) == 1); }
  ~State() { EVP_MD_CTX_free(context); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
};

Sha256::Sha256() : state_(std::make_unique<State>()) {}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::add(std::span<const std::byte> bytes) {
  PSCTL_CHECK(EVP_DigestUpdate(state_->context, bytes.data(), bytes.size()) == 1);
}

std::array<std::byte, 32> Sha256::finish_raw() {
  std::array<std::byte, 32> digest{};
  PSCTL_CHECK(EVP_DigestFinal_ex(state_->context, reinterpret_cast<unsigned char*>(digest.data()), nullptr) == 1);
  return digest;
}

std::string Sha256::finish() {
  const std::array<std::byte, 32> digest = finish_raw();
  return fmt::format("{:02x}", fmt::join(std::span(reinterpret_cast<const unsigned char*>(digest.data()), 32), ""));
}

std::string sha256(std::span<const std::byte> bytes) {
  Sha256 hash;
  hash.add(bytes);
  return hash.finish();
}

std::string sha256_of_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::array<char, 65536> block{};
  Sha256 hash;
  while (file.read(block.data(), block.size()) || file.gcount() > 0) {
    hash.add(std::as_bytes(std::span(block).first(static_cast<std::size_t>(file.gcount()))));
  }
  if (!file.eof()) throw WorldError(fmt::format("cannot read {}", path));
  return hash.finish();
}

}  // namespace psctl
