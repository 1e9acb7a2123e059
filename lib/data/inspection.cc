#include "data/inspection.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <memory>
#include <oneapi/tbb/info.h>
#include <oneapi/tbb/parallel_pipeline.h>
#include <span>
#include <string_view>

#include "base/error.h"
#include "data/dataset.h"

namespace psctl::data {
namespace {

namespace tbb = oneapi::tbb;

constexpr Part kEveryPart[] = {Part::kTrain, Part::kValidation, Part::kTest};
constexpr std::size_t kBytesAtOnce = std::size_t{1} << 20;  // of a task

// 64 bits in which every bit of the values has a say, by multiplying eight bytes at a time into 128 bits.
std::uint64_t hash_of(std::span<const std::byte> bytes) {
  __extension__ using Wide = unsigned __int128;
  std::uint64_t hash = bytes.size() + 0x9e3779b97f4a7c15;
  const auto take = [&](std::uint64_t word) {
    const Wide product = static_cast<Wide>(hash ^ word) * 0xd6e8feb86659fd93 + 0xa0761d6478bd642f;
    hash = static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
  };
  std::size_t at = 0;
  for (; at + 8 <= bytes.size(); at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, &bytes[at], 8);
    take(word);
  }
  std::uint64_t rest = 0;
  for (; at < bytes.size(); ++at) rest = rest << 8 | static_cast<std::uint64_t>(bytes[at]);
  take(rest);
  take(bytes.size());
  return hash;
}

std::span<const std::byte> bytes_of(const Dataset& set, std::uint32_t sample) {
  if (set.sparse()) return std::as_bytes(set.entries(sample));
  if (set.samples().values == Values::kBytes) return std::as_bytes(set.bytes(sample));
  return std::as_bytes(set.floats(sample));
}

// The different samples that were seen: a table with open addressing.
class Seen {
 public:
  Seen(const std::vector<std::optional<Dataset>>& sets, std::size_t most) : sets_(sets), most_(most), slots_(1024) {}

  // Counts the sample in the facts of its part.
  void add(std::uint64_t hash, std::size_t part, std::uint32_t sample, PartFacts& facts) {
    if (hash % one_in_ != 0) return;
    const std::uint8_t bit = static_cast<std::uint8_t>(1U << part);
    Slot& slot = find(hash, part, sample);
    if (slot.parts == 0) {
      slot = {.hash = hash, .sample = sample, .part = static_cast<std::uint8_t>(part), .parts = bit};
      if (++used_ > most_) {
        thin_out();
      } else if (2 * used_ > slots_.size()) {
        rebuild(2 * slots_.size());
      }
      return;
    }
    if ((slot.parts & bit) != 0) facts.equal_earlier += one_in_;
    if (part != 0 && (slot.parts & 1) != 0) facts.equal_training += one_in_;
    if (sets_[slot.part]->labels()[slot.sample] != sets_[part]->labels()[sample]) facts.other_label += one_in_;
    slot.parts |= bit;
  }

  std::uint64_t one_in() const { return one_in_; }

 private:
  struct Slot {
    std::uint64_t hash = 0;
    std::uint32_t sample = 0;
    std::uint8_t part = 0;
    std::uint8_t parts = 0;  // a bit for each in which it was seen; 0: the slot is free
  };

  // The slot of an equal sample, or a free one.
  Slot& find(std::uint64_t hash, std::size_t part, std::uint32_t sample) {
    std::size_t at = place(hash);
    while (slots_[at].parts != 0) {
      if (slots_[at].hash == hash &&
          std::ranges::equal(bytes_of(*sets_[slots_[at].part], slots_[at].sample), bytes_of(*sets_[part], sample))) {
        break;
      }
      at = (at + 1) % slots_.size();
    }
    return slots_[at];
  }
  // By the upper bits: the lower ones are 0 once not all samples are compared.
  std::size_t place(std::uint64_t hash) const { return hash >> (64 - std::bit_width(slots_.size() - 1)); }

  void rebuild(std::size_t size) {
    std::vector<Slot> before(size);
    before.swap(slots_);
    used_ = 0;
    for (const Slot& slot : before) {
      if (slot.parts == 0 || slot.hash % one_in_ != 0) continue;
      std::size_t at = place(slot.hash);
      while (slots_[at].parts != 0) at = (at + 1) % slots_.size();
      slots_[at] = slot;
      ++used_;
    }
  }

  void thin_out() {
    while (used_ > most_ / 2 && one_in_ < std::uint64_t{1} << 62) {
      one_in_ *= 2;
      rebuild(slots_.size());
    }
  }

  const std::vector<std::optional<Dataset>>& sets_;
  std::size_t most_;
  std::vector<Slot> slots_;  // a power of two of them
  std::size_t used_ = 0;
  std::uint64_t one_in_ = 1;
};

// Some samples of a part, and what was found in them.
struct Block {
  std::uint32_t first = 0, count = 0;
  std::vector<std::uint64_t> hashes;
  float least = std::numeric_limits<float>::infinity(), most = -least;
  std::uint64_t entries = 0, fewest = std::numeric_limits<std::uint64_t>::max(), longest = 0;
};

template <class Value>
void widen(std::span<const Value> values, float& least, float& most) {
  Value low = values.front(), high = low;
  for (const Value value : values) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
  least = std::min(least, static_cast<float>(low));
  most = std::max(most, static_cast<float>(high));
}

void look_at(const Dataset& set, Block& block) {
  for (std::uint32_t sample = block.first; sample < block.first + block.count; ++sample) {
    block.hashes.push_back(hash_of(bytes_of(set, sample)));
    if (set.sparse()) {
      const auto entries = set.entries(sample);
      block.entries += entries.size();
      block.fewest = std::min<std::uint64_t>(block.fewest, entries.size());
      block.longest = std::max<std::uint64_t>(block.longest, entries.size());
      for (const Entry& entry : entries) {
        block.least = std::min(block.least, entry.value);
        block.most = std::max(block.most, entry.value);
      }
    } else if (set.samples().values == Values::kBytes) {
      widen(set.bytes(sample), block.least, block.most);
    } else {
      widen(set.floats(sample), block.least, block.most);
    }
  }
}

}  // namespace

Inspection inspect(const Prepared& prepared, const std::function<void(double)>& progress, std::size_t most_compared) {
  std::vector<std::optional<Dataset>> sets;
  double total = 0, done = 0;
  for (const Part part : kEveryPart) {
    const auto samples = prepared.part(part);
    sets.push_back(samples ? std::optional(Dataset(samples)) : std::nullopt);
    if (samples) total += static_cast<double>(samples->rows.size()) + 1;
  }
  // Blocks leave in order and one is free before it is taken anew. None is lost if somebody throws.
  std::vector<Block> blocks(2 * static_cast<std::size_t>(tbb::info::default_concurrency()) + 1);
  Inspection inspection;
  Seen seen(sets, most_compared);
  for (std::size_t number = 0; number < sets.size(); ++number) {
    if (!sets[number]) continue;
    const Dataset& set = *sets[number];
    PartFacts facts{.part = kEveryPart[number], .samples = set.size()};
    facts.class_counts.resize(set.classes());
    for (const std::uint32_t label : set.labels()) ++facts.class_counts[label];
    Block whole;
    const std::size_t mean_bytes = set.samples().rows.size() / set.size() + 1;
    const auto per_block = static_cast<std::uint32_t>(std::clamp<std::size_t>(kBytesAtOnce / mean_bytes, 1, 1 << 16));
    std::uint32_t next = 0;
    std::size_t taken = 0;
    const auto cut = [&](tbb::flow_control& control) {
      Block* block = &blocks[taken++ % blocks.size()];
      *block = {};
      if (next == set.size()) {
        control.stop();
        return block;
      }
      block->first = next;
      block->count = static_cast<std::uint32_t>(std::min<std::size_t>(per_block, set.size() - next));
      next += block->count;
      return block;
    };
    const auto look = [&](Block* block) {
      look_at(set, *block);
      return block;
    };
    const auto count = [&](const Block* block) {
      for (std::uint32_t i = 0; i < block->count; ++i) seen.add(block->hashes[i], number, block->first + i, facts);
      whole.least = std::min(whole.least, block->least);
      whole.most = std::max(whole.most, block->most);
      whole.entries += block->entries;
      whole.fewest = std::min(whole.fewest, block->fewest);
      whole.longest = std::max(whole.longest, block->longest);
      const double share = static_cast<double>(block->first + block->count) / static_cast<double>(set.size());
      if (progress) progress((done + share * static_cast<double>(set.samples().rows.size())) / total);
    };
    tbb::parallel_pipeline(blocks.size() - 1,
                           tbb::make_filter<void, Block*>(tbb::filter_mode::serial_in_order, cut) &
                               tbb::make_filter<Block*, Block*>(tbb::filter_mode::parallel, look) &
                               tbb::make_filter<Block*, void>(tbb::filter_mode::serial_in_order, count));
    done += static_cast<double>(set.samples().rows.size());
    if (whole.least <= whole.most) {
      facts.least = whole.least;
      facts.most = whole.most;
    }
    if (set.sparse()) {
      facts.entries = whole.entries;
      facts.fewest_entries = whole.fewest;
      facts.most_entries = whole.longest;
    }
    inspection.parts.push_back(std::move(facts));
  }
  inspection.compared_one_in = seen.one_in();
  return inspection;
}

}  // namespace psctl::data
