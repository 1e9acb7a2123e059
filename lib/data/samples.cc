#include "data/samples.h"

#include <algorithm>
#include <utility>

#include "base/error.h"

namespace psctl::data {
namespace {

template <class Value>
struct Memory {
  std::vector<Value> values;
  std::vector<std::uint32_t> labels;
  std::vector<std::uint64_t> row_starts;
};

template <class Value>
std::shared_ptr<Samples> show(Shape shape, std::size_t classes, Memory<Value> content) {
  PSCTL_CHECK(std::ranges::all_of(content.labels, [&](std::uint32_t label) { return label < classes; }));
  const auto memory = std::make_shared<const Memory<Value>>(std::move(content));
  auto samples = std::make_shared<Samples>();
  samples->shape = shape;
  samples->classes = classes;
  samples->rows = std::as_bytes(std::span(memory->values));
  samples->labels = memory->labels;
  samples->row_starts = memory->row_starts;
  samples->owner = memory;
  return samples;
}

}  // namespace

std::size_t Samples::first_byte(std::size_t sample) const {
  if (sparse) return row_starts[sample] * sizeof(Entry);
  return sample * shape.size() * (values == Values::kBytes ? 1 : sizeof(float));
}

std::shared_ptr<const Samples> samples_of(Shape shape, std::size_t classes, std::vector<std::uint8_t> values,
                                          std::vector<std::uint32_t> labels) {
  PSCTL_CHECK(values.size() == labels.size() * shape.size());
  return show<std::uint8_t>(shape, classes, {std::move(values), std::move(labels), {}});
}

std::shared_ptr<const Samples> samples_of(Shape shape, std::size_t classes, std::vector<float> values,
                                          std::vector<std::uint32_t> labels) {
  PSCTL_CHECK(values.size() == labels.size() * shape.size());
  auto samples = show<float>(shape, classes, {std::move(values), std::move(labels), {}});
  samples->values = Values::kFloats;
  return samples;
}

std::shared_ptr<const Samples> samples_of(std::size_t features, std::size_t classes,
                                          std::vector<std::uint64_t> row_starts, std::vector<Entry> entries,
                                          std::vector<std::uint32_t> labels) {
  PSCTL_CHECK(row_starts.size() == labels.size() + 1 && row_starts.front() == 0 && row_starts.back() == entries.size());
  PSCTL_CHECK(std::ranges::is_sorted(row_starts));
  PSCTL_CHECK(std::ranges::all_of(entries, [&](const Entry& entry) { return entry.index < features; }));
  auto samples =
      show<Entry>({.width = features}, classes, {std::move(entries), std::move(labels), std::move(row_starts)});
  samples->values = Values::kFloats;
  samples->sparse = true;
  return samples;
}

}  // namespace psctl::data
