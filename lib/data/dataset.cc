#include "data/dataset.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <fmt/format.h>
#include <utility>

#include "base/error.h"
#include "base/sha256.h"

namespace psctl::data {
namespace {

// Samples come in an order that the CPU cannot foresee; asked for two samples ahead they are there in time.
constexpr std::size_t kAhead = 2;
constexpr std::size_t kCacheLine = 64;

void prefetch(const Samples& samples, std::size_t sample) {
  const std::size_t first = samples.first_byte(sample), end = samples.first_byte(sample + 1);
  for (std::size_t offset = first; offset < end; offset += kCacheLine) __builtin_prefetch(&samples.rows[offset]);
}

template <class T>
std::span<const T> as(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const T*>(bytes.data()), bytes.size() / sizeof(T)};
}

// SHA-256 over the SHA-256 of every block.
class BlockDigest {
 public:
  void add(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      const auto piece = bytes.first(std::min(bytes.size(), kBlockBytes - filled_));
      block_.add(piece);
      filled_ += piece.size();
      bytes = bytes.subspan(piece.size());
      if (filled_ == kBlockBytes) end_block();
    }
  }
  std::string finish() {
    if (filled_ > 0) end_block();
    return blocks_.finish();
  }

 private:
  void end_block() {
    blocks_.add(block_.finish_raw());
    block_ = Sha256();
    filled_ = 0;
  }

  Sha256 blocks_, block_;
  std::size_t filled_ = 0;
};

}  // namespace

Dataset::Dataset(std::shared_ptr<const Samples> samples) : samples_(std::move(samples)), labels_(samples_->labels) {}

Dataset::Dataset(Shape shape, std::size_t classes, std::vector<std::uint8_t> pixels, std::vector<std::uint32_t> labels)
    : Dataset(samples_of(shape, classes, std::move(pixels), std::move(labels))) {}

Dataset Dataset::select(std::vector<std::uint32_t> rows) const {
  std::vector<std::uint32_t> labels;
  labels.reserve(rows.size());
  for (std::uint32_t& row : rows) {
    PSCTL_CHECK(row < size());
    labels.push_back(labels_[row]);
    if (selected_) row = (*selected_)[row];
  }
  Dataset selection = *this;
  selection.selected_ = std::make_shared<const std::vector<std::uint32_t>>(std::move(rows));
  selection.own_labels_ = std::make_shared<const std::vector<std::uint32_t>>(std::move(labels));
  selection.labels_ = *selection.own_labels_;
  return selection;
}

Dataset Dataset::one_against_rest(std::uint32_t one) const {
  PSCTL_CHECK(one < classes() && !one_);
  std::vector<std::uint32_t> labels;
  labels.reserve(size());
  for (const std::uint32_t label : labels_) labels.push_back(label == one ? 1 : 0);
  Dataset two = *this;
  two.one_ = one;
  two.own_labels_ = std::make_shared<const std::vector<std::uint32_t>>(std::move(labels));
  two.labels_ = *two.own_labels_;
  return two;
}

std::vector<std::string> Dataset::class_names() const {
  if (!one_) return samples_->class_names;
  return {"rest", samples_->class_names.empty() ? std::to_string(*one_) : samples_->class_names[*one_]};
}

void Dataset::set_transform(Affine transform) { set_transform(Transform{.all = transform, .each = nullptr}); }

void Dataset::set_transform(Transform transform) {
  if (transform.each) {
    PSCTL_CHECK(transform.each->scale.size() == shape().size());
    PSCTL_CHECK(transform.each->center.size() == (sparse() ? 0 : shape().size()));
  } else {
    PSCTL_CHECK(!sparse() || transform.all.shift == 0);
  }
  transform_ = std::move(transform);
}

std::span<const std::byte> Dataset::row(std::uint32_t sample) const {
  PSCTL_CHECK(sample < size());
  const std::size_t place = selected_ ? (*selected_)[sample] : sample;
  const std::size_t first = samples_->first_byte(place), bytes = samples_->first_byte(place + 1) - first;
  if (samples_->seals) samples_->seals->check(first, bytes);
  return samples_->rows.subspan(first, bytes);
}

std::span<const std::uint8_t> Dataset::bytes(std::uint32_t sample) const {
  PSCTL_CHECK(!sparse() && samples_->values == Values::kBytes);
  return as<std::uint8_t>(row(sample));
}

std::span<const float> Dataset::floats(std::uint32_t sample) const {
  PSCTL_CHECK(!sparse() && samples_->values == Values::kFloats);
  return as<float>(row(sample));
}

std::span<const Entry> Dataset::entries(std::uint32_t sample) const {
  PSCTL_CHECK(sparse());
  return as<Entry>(row(sample));
}

void Dataset::gather(std::span<const std::uint32_t> samples, Batch& out) const {
  out.shape = shape();
  out.classes = classes();
  out.values = samples_->values;
  out.sparse = sparse();
  out.transform = transform_;
  out.labels.resize(samples.size());
  out.entries.entries.clear();
  out.entries.row_starts.assign(sparse() ? 1 : 0, 0);
  const std::size_t width = sparse() ? 0 : samples_->first_byte(1);
  out.rows.resize(samples.size() * width);
  const float* each = transform_.each ? transform_.each->scale.data() : nullptr;
  // A disk reads many places at once faster than one after the other.
  for (std::size_t i = 0; samples_->seals && i < samples.size(); ++i) {
    PSCTL_CHECK(samples[i] < size());
    const std::size_t place = selected_ ? (*selected_)[samples[i]] : samples[i];
    const std::size_t first = samples_->first_byte(place);
    samples_->seals->expect(first, samples_->first_byte(place + 1) - first);
  }
  for (std::size_t i = 0; i < samples.size(); ++i) {
    if (i + kAhead < samples.size() && samples[i + kAhead] < size()) {
      prefetch(*samples_, selected_ ? (*selected_)[samples[i + kAhead]] : samples[i + kAhead]);
    }
    const std::span<const std::byte> stored = row(samples[i]);
    out.labels[i] = labels_[samples[i]];
    if (sparse()) {
      for (const auto [index, value] : as<Entry>(stored)) {
        out.entries.entries.push_back({index, (each ? each[index] : transform_.all.scale) * value});
      }
      PSCTL_CHECK(out.entries.entries.size() <= UINT32_MAX);
      out.entries.row_starts.push_back(static_cast<std::uint32_t>(out.entries.entries.size()));
    } else {
      std::memcpy(&out.rows[i * width], stored.data(), width);
    }
  }
}

std::string Dataset::digest() const {
  static_assert(std::endian::native == std::endian::little, "digests are of little-endian bytes");
  Sha256 hash;
  const Shape shape = samples_->shape;
  const std::uint64_t sizes[] = {
      shape.channels, shape.height, shape.width, classes(), size(), sparse(), samples_->values == Values::kFloats};
  const float transform[] = {transform_.all.scale, transform_.all.shift};
  hash.add(std::as_bytes(std::span(sizes)));
  std::string values;
  if (samples_->seals && !selected_) {
    values = samples_->seals->rows_digest();
  } else {
    BlockDigest blocks;
    for (std::uint32_t sample = 0; sample < size(); ++sample) blocks.add(row(sample));
    values = blocks.finish();
  }
  hash.add(std::as_bytes(std::span(values)));
  hash.add(std::as_bytes(labels_));
  if (sparse()) {
    std::vector<std::uint32_t> lengths;
    for (std::uint32_t sample = 0; sample < size(); ++sample) {
      const std::size_t place = selected_ ? (*selected_)[sample] : sample;
      lengths.push_back(static_cast<std::uint32_t>(samples_->row_starts[place + 1] - samples_->row_starts[place]));
    }
    hash.add(std::as_bytes(std::span(lengths)));
  }
  if (transform_.each) {
    hash.add(std::as_bytes(std::span(transform_.each->scale)));
    hash.add(std::as_bytes(std::span(transform_.each->center)));
  } else {
    hash.add(std::as_bytes(std::span(transform)));
  }
  return hash.finish();
}

}  // namespace psctl::data
