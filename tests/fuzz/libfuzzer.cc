// libFuzzer's entry to the target that PSCTL_FUZZ_TARGET names.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/error.h"
#include "fuzz/target.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const psctl::fuzz::Target& target = *std::ranges::find_if(
      psctl::fuzz::targets(), [](const auto& each) { return std::string_view(each.name) == PSCTL_FUZZ_TARGET; });
  try {
    target.run({data, size});
  } catch (const psctl::UserError&) {
  }
  return 0;
}
