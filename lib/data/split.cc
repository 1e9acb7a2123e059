#include "data/split.h"

#include <algorithm>
#include <fmt/format.h>
#include <numeric>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/random.h"

namespace psctl::data {
namespace {

enum class End { kFirst, kLast };

// How many of each class are among `count` samples of the set: its share, rounded down, and one more for the classes
// that lose most by that. So no class is further than one sample from its share.
std::vector<std::size_t> shares(const Dataset& set, std::size_t count) {
  std::vector<std::size_t> of_class(set.classes());
  for (const std::uint32_t label : set.labels()) ++of_class[label];
  __extension__ using Wide = unsigned __int128;
  std::vector<std::size_t> take(of_class.size()), order(of_class.size());
  std::vector<std::uint64_t> rest(of_class.size());
  std::size_t left = count;
  for (std::size_t label = 0; label < of_class.size(); ++label) {
    const Wide product = Wide{of_class[label]} * count;
    take[label] = static_cast<std::size_t>(product / set.size());
    rest[label] = static_cast<std::uint64_t>(product % set.size());
    left -= take[label];
  }
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, [&](std::size_t a, std::size_t b) { return rest[a] > rest[b]; });
  for (std::size_t i = 0; i < left; ++i) ++take[order[i]];
  return take;
}

// `count` samples of the set, in their order.
std::vector<std::uint32_t> choose(const Dataset& set, std::size_t count, SplitKind kind, End end, const Key& key) {
  std::vector<std::uint32_t> order(set.size());
  std::iota(order.begin(), order.end(), 0U);
  const auto size = static_cast<std::ptrdiff_t>(count);
  if (kind == SplitKind::kOrdered) {
    if (end == End::kFirst) order.erase(order.begin() + size, order.end());
    if (end == End::kLast) order.erase(order.begin(), order.end() - size);
    return order;
  }
  Draws draws(key);
  shuffle(order, draws);
  if (kind == SplitKind::kStratified) {
    std::vector<std::size_t> wanted = shares(set, count);
    std::erase_if(order, [&](std::uint32_t sample) {
      std::size_t& more = wanted[set.labels()[sample]];
      if (more == 0) return true;
      --more;
      return false;
    });
  } else {
    order.erase(order.begin() + size, order.end());
  }
  std::ranges::sort(order);
  return order;
}

// Takes them out of the set and leaves the others.
Dataset take_out(Dataset& set, const std::vector<std::uint32_t>& chosen) {
  std::vector<std::uint32_t> left;
  left.reserve(set.size() - chosen.size());
  auto next = chosen.begin();
  for (std::uint32_t sample = 0; sample < set.size(); ++sample) {
    if (next != chosen.end() && *next == sample) {
      ++next;
    } else {
      left.push_back(sample);
    }
  }
  Dataset taken = set.select(chosen);
  set = set.select(std::move(left));
  return taken;
}

void check_held_out(const char* key, const char* part, std::size_t count, const std::optional<Dataset>& there,
                    const std::string& name) {
  if (!there || count == 0) return;
  throw UserError(fmt::format("{}: expected 0, as {} brings a {} part of {} samples, found {}", key, name, part,
                              there->size(), count));
}

}  // namespace

void split(Parts& parts, const DataConfig& config, const std::string& name, std::uint64_t seed) {
  check_held_out("data.test", "test", config.test.count, parts.test, name);
  check_held_out("data.validation", "validation", config.validation.count, parts.validation, name);
  const auto draw = [&](std::size_t count, End end, Purpose purpose) {
    return choose(parts.train, count, config.split, end, {.seed = seed, .purpose = purpose});
  };
  std::string of = fmt::format(" of {}", name);
  if (config.test.count > 0) {
    if (config.test.count >= parts.train.size()) {
      throw UserError(fmt::format("data.test: expected less than {}, the training samples{}, found {}",
                                  parts.train.size(), of, config.test.count));
    }
    parts.test = take_out(parts.train, draw(config.test.count, End::kLast, Purpose::kTestSplit));
    of = " that data.test leaves";
  }
  if (config.train_limit > parts.train.size()) {
    throw UserError(fmt::format("data.train_limit: expected at most {}, the training samples{}, found {}",
                                parts.train.size(), of, config.train_limit));
  }
  if (config.train_limit > 0) {
    parts.train = parts.train.select(draw(config.train_limit, End::kFirst, Purpose::kSubset));
    of = " that data.train_limit leaves";
  }
  if (config.validation.count > 0) {
    if (config.validation.count >= parts.train.size()) {
      throw UserError(fmt::format("data.validation: expected less than {}, the training samples{}, found {}",
                                  parts.train.size(), of, config.validation.count));
    }
    parts.validation = take_out(parts.train, draw(config.validation.count, End::kLast, Purpose::kValidationSplit));
  }
}

}  // namespace psctl::data
