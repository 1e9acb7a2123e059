#include "base/random.h"

#include <cmath>
#include <numbers>
#include <utility>

#include "base/error.h"

namespace psctl {
namespace {

// The finaliser of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): a bijection that mixes every bit into every other.
constexpr std::uint64_t mix(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

constexpr std::uint64_t kGolden = 0x9e3779b97f4a7c15ULL;

// Absorbs one word of the key; the odd constant keeps (a, b) and (b, a) apart.
constexpr std::uint64_t absorb(std::uint64_t state, std::uint64_t word) {
  return mix((state + kGolden) ^ mix(word + kGolden));
}

}  // namespace

Draws::Draws(const Key& key)
    : state_(
          absorb(absorb(absorb(absorb(0, key.seed), static_cast<std::uint64_t>(key.purpose)), key.worker), key.step)) {}

std::uint64_t Draws::bits() {
  state_ += kGolden;
  return mix(state_);
}

std::uint64_t Draws::below(std::uint64_t bound) {
  PSCTL_CHECK(bound > 0);
  // Lemire's multiply-and-shift, with the rejection that removes its bias.
  __extension__ using Wide = unsigned __int128;
  Wide product = static_cast<Wide>(bits()) * bound;
  if (static_cast<std::uint64_t>(product) < bound) {
    const std::uint64_t threshold = -bound % bound;
    while (static_cast<std::uint64_t>(product) < threshold) product = static_cast<Wide>(bits()) * bound;
  }
  return static_cast<std::uint64_t>(product >> 64);
}

double Draws::uniform() { return static_cast<double>(bits() >> 11) * 0x1p-53; }

double Draws::uniform_open() { return (static_cast<double>(bits() >> 12) + 0.5) * 0x1p-52; }

double Draws::normal() {
  const double radius = std::sqrt(-2.0 * std::log(uniform_open()));
  return radius * std::cos(2.0 * std::numbers::pi * uniform());
}

double Draws::exponential() { return -std::log(uniform_open()); }

void shuffle(std::span<std::uint32_t> items, Draws& draws) {
  for (std::size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[draws.below(i)]);
}

}  // namespace psctl
