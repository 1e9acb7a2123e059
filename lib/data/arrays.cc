#include "data/arrays.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <limits>
#include <type_traits>
#include <unordered_map>

#include "base/error.h"
#include "data/text_labels.h"

namespace psctl::data {
namespace {

constexpr std::size_t kReadAtOnce = std::size_t{1} << 20;
constexpr std::uint64_t kMostValues = std::uint64_t{1} << 26;  // of a sample, as one is in memory at a time
constexpr std::uint64_t kMostBytes = std::uint64_t{1} << 62;
constexpr std::uint64_t kMostChannelsSeen = 4;

// An IEEE number of 16 bits; every one is a float too.
struct Half {
  std::uint16_t bits;
};

float widen(Half half) {
  constexpr int kFractionBits = 10, kLeastExponent = -24;
  const int exponent = half.bits >> kFractionBits & 0x1F;
  const int fraction = half.bits & 0x3FF;
  float magnitude = std::ldexp(static_cast<float>(fraction), kLeastExponent);
  if (exponent == 0x1F) {
    magnitude = fraction == 0 ? std::numeric_limits<float>::infinity() : std::numeric_limits<float>::quiet_NaN();
  } else if (exponent > 0) {
    magnitude = std::ldexp(static_cast<float>(fraction | 0x400), kLeastExponent + exponent - 1);
  }
  return (half.bits & 0x8000) != 0 ? -magnitude : magnitude;
}

template <class T>
T load(const std::uint8_t* at, bool big_endian) {
  T value;
  if (!big_endian) {
    std::memcpy(&value, at, sizeof value);
    return value;
  }
  std::uint8_t turned[sizeof value];
  std::reverse_copy(at, at + sizeof value, turned);
  std::memcpy(&value, turned, sizeof value);
  return value;
}

// Calls `use` with a T of the type that the element is read as; not for text.
template <class Use>
auto with_type(const Element& element, Use use) {
  switch (element.kind) {
    case ElementKind::kFloat:
      if (element.bytes == 2) return use(Half());
      if (element.bytes == 4) return use(float());
      return use(double());
    case ElementKind::kSigned:
      if (element.bytes == 1) return use(std::int8_t());
      if (element.bytes == 2) return use(std::int16_t());
      if (element.bytes == 4) return use(std::int32_t());
      return use(std::int64_t());
    default:
      if (element.bytes == 1) return use(std::uint8_t());
      if (element.bytes == 2) return use(std::uint16_t());
      if (element.bytes == 4) return use(std::uint32_t());
      return use(std::uint64_t());
  }
}

// What may be told from a float: the number itself, or one that is compared like it.
template <class T>
auto plain(T value) {
  if constexpr (std::is_same_v<T, Half>) {
    return widen(value);
  } else {
    return value;
  }
}

template <class T>
bool is_rounded(T value, float rounded) {
  if constexpr (std::is_floating_point_v<T>) {
    return static_cast<T>(rounded) != value && !std::isnan(value);
  } else {
    std::uint64_t magnitude = static_cast<std::uint64_t>(value);
    if constexpr (std::is_signed_v<T>) magnitude = value < 0 ? 0 - magnitude : magnitude;
    return magnitude >> 24 != 0 && magnitude >> std::countr_zero(magnitude) >> 24 != 0;
  }
}

// Converts elements until one is no value; returns how many are.
template <class T, class Value>
std::size_t convert(const std::uint8_t* raw, std::size_t count, const Element& element, bool missing_allowed,
                    Value* out, std::uint64_t& rounded) {
  const bool turned = element.big_endian && element.bytes > 1;
  const bool is_bool = element.kind == ElementKind::kBool;
  for (std::size_t i = 0; i < count; ++i) {
    const auto number = plain(load<T>(raw + i * sizeof(T), turned));
    if (is_bool && number > 1) return i;
    if constexpr (std::is_same_v<Value, float>) {
      const auto value = static_cast<float>(number);
      if constexpr (std::is_floating_point_v<decltype(number)>) {
        if (std::isinf(value) || (std::isnan(value) && !missing_allowed)) return i;
      }
      rounded += is_rounded(number, value) ? 1 : 0;
      out[i] = value;
    } else {
      if constexpr (std::is_floating_point_v<decltype(number)>) {
        if (!(number >= 0 && number <= 255) || number != std::floor(number)) return i;
      } else if constexpr (std::is_signed_v<decltype(number)>) {
        if (number < 0 || std::int64_t{number} > 255) return i;
      } else {
        if (std::uint64_t{number} > 255) return i;
      }
      out[i] = static_cast<std::uint8_t>(number);
    }
  }
  return count;
}

bool is_text(const Element& element) {
  return element.kind == ElementKind::kBytesText || element.kind == ElementKind::kUnicodeText;
}

bool is_byte(const Element& element) {
  return element.kind == ElementKind::kBool || (element.kind == ElementKind::kUnsigned && element.bytes == 1);
}

std::string text_of_number(const Element& element, const std::uint8_t* raw) {
  return with_type(element,
                   [&](auto type) { return fmt::format("{}", plain(load<decltype(type)>(raw, element.big_endian))); });
}

std::string name_of(const Element& element) {
  switch (element.kind) {
    case ElementKind::kBool:
      return "bool";
    case ElementKind::kUnsigned:
      return fmt::format("uint{}", 8 * element.bytes);
    case ElementKind::kSigned:
      return fmt::format("int{}", 8 * element.bytes);
    case ElementKind::kFloat:
      return fmt::format("float{}", 8 * element.bytes);
    default:
      return "text";
  }
}

std::string shape_of(const Array& array) {
  return fmt::format("({}{})", fmt::join(array.dimensions, ", "), array.dimensions.size() == 1 ? "," : "");
}

std::string text_of(const Shape& shape) {
  return fmt::format("{} x {} x {}", shape.channels, shape.height, shape.width);
}

// The elements of an array as they are stored, some rows of the first axis at a time. Each row is in the order in which
// the last axis is the fastest.
class RawRows {
 public:
  explicit RawRows(Array& array) : array_(array), whole_(array.stream->whole()) {
    bytes_ = *bytes_of_elements(array.dimensions, array.element.bytes);
    row_bytes_ = bytes_ / array.dimensions[0];
    if (whole_) check_length(whole_->size());
    const auto several = std::ranges::count_if(array.dimensions, [](std::uint64_t size) { return size > 1; });
    column_major_ = array.column_major && several > 1;
    if (column_major_ && !whole_) {
      array_.stream->fail(array_.shape_at,
                          "expected rows one after the other in a packed file, found Fortran order; save the array "
                          "with numpy.ascontiguousarray, or do not pack it");
    }
  }

  std::size_t row_bytes() const { return row_bytes_; }

  // The next rows; valid until the next call.
  const std::uint8_t* read(std::size_t rows) {
    const std::uint64_t first = next_;
    next_ += rows;
    if (!whole_) return read_packed(rows * row_bytes_);
    if (column_major_) return gather(first, rows);
    return whole_->data() + array_.first + first * row_bytes_;
  }

  // After the last row: that nothing follows, and that what is checked at the end of a packed file is sound.
  void finish() {
    if (whole_) return;
    std::uint8_t more;
    check_length(array_.first + bytes_ + array_.stream->read({&more, 1}));
  }

  // The offset of an element of a row.
  std::uint64_t offset_of(std::uint64_t row, std::uint64_t element) const {
    const std::uint64_t place =
        column_major_ ? column_of(element) * array_.dimensions[0] + row : row * row_bytes_ / size() + element;
    return array_.first + place * size();
  }

 private:
  std::size_t size() const { return array_.element.bytes; }

  void check_length(std::uint64_t found) const {
    const std::uint64_t expected = array_.first + bytes_;
    if (found == expected) return;
    const std::string promise = fmt::format("expected {} bytes ({} of header and {} elements of {})", expected,
                                            array_.first, fmt::join(array_.dimensions, " x "), size());
    if (found < expected) array_.stream->fail(found, promise + ", the file ends");
    array_.stream->fail(expected, promise + ", found more");
  }

  // Grows with what is really there, so that a small file with a large claim costs little.
  const std::uint8_t* read_packed(std::size_t wanted) {
    std::size_t have = 0;
    while (have < wanted) {
      const std::size_t target = std::min(wanted, std::max(kReadAtOnce, 2 * have));
      if (raw_.size() < target) raw_.resize(target);
      have += array_.stream->read(std::span(raw_).subspan(have, target - have));
      if (have < target) check_length(array_.first + read_ + have);
    }
    read_ += wanted;
    return raw_.data();
  }

  // Of an element of a row, the place of its column among the columns.
  std::uint64_t column_of(std::uint64_t element) const {
    const auto sizes = std::span(array_.dimensions).subspan(1);
    std::uint64_t column = 0, stride = row_bytes_ / size();
    for (std::size_t axis = sizes.size(); axis-- > 0;) {
      stride /= sizes[axis];
      column += element % sizes[axis] * stride;
      element /= sizes[axis];
    }
    return column;
  }

  const std::uint8_t* gather(std::uint64_t first, std::size_t rows) {
    raw_.resize(rows * row_bytes_);
    const auto copy = [&]<class Word>(Word) {
      for (std::uint64_t element = 0; element < row_bytes_ / sizeof(Word); ++element) {
        const std::uint8_t* from = whole_->data() + offset_of(first, element);
        std::uint8_t* to = raw_.data() + element * sizeof(Word);
        for (std::size_t row = 0; row < rows; ++row, from += sizeof(Word), to += row_bytes_) {
          std::memcpy(to, from, sizeof(Word));
        }
      }
    };
    with_type({.kind = ElementKind::kUnsigned, .bytes = size()}, copy);
    return raw_.data();
  }

  Array& array_;
  std::optional<ByteSpan> whole_;
  std::uint64_t bytes_ = 0, row_bytes_ = 0;
  bool column_major_ = false;
  std::uint64_t next_ = 0;
  std::uint64_t read_ = 0;  // bytes of elements
  std::vector<std::uint8_t> raw_;
};

// How a row of an array is a sample.
struct Layout {
  Shape shape;
  bool channels_last = false;
  std::string note;
};

bool channels_come_last(const Array& array, const ImportOptions& options) {
  const std::uint64_t a = array.dimensions[1], b = array.dimensions[2], c = array.dimensions[3];
  if (options.channels_last) return *options.channels_last;
  if (options.shape) {
    const Shape first{.channels = a, .height = b, .width = c}, last{.channels = c, .height = a, .width = b};
    const bool first_fits = *options.shape == first, last_fits = *options.shape == last;
    if (first_fits != last_fits) return last_fits;
    if (!first_fits) {
      array.stream->fail(array.shape_at, fmt::format("expected samples of {}, found {} with the channels first and {} "
                                                     "with the channels last",
                                                     text_of(*options.shape), text_of(first), text_of(last)));
    }
    if (first.size() == 1) return false;
  } else {
    const bool first_seen = a <= kMostChannelsSeen && b > kMostChannelsSeen && c > kMostChannelsSeen;
    const bool last_seen = c <= kMostChannelsSeen && a > kMostChannelsSeen && b > kMostChannelsSeen;
    if (first_seen != last_seen) return last_seen;
  }
  array.stream->fail(array.shape_at, fmt::format("expected images of which the sizes tell whether the channels come "
                                                 "first or last, found shape {}; say which (channels)",
                                                 shape_of(array)));
}

Layout lay_out(const Array& array, const ImportOptions& options) {
  const auto fail = [&](const std::string& text) { array.stream->fail(array.shape_at, text); };
  if (is_text(array.element)) fail("expected numbers as samples, found text");
  const auto sizes = std::span(array.dimensions).subspan(1);
  if (sizes.empty()) {
    fail(fmt::format("expected an array of at least two axes, the first one the samples, found shape {}",
                     shape_of(array)));
  }
  std::uint64_t values = 1;
  for (const std::uint64_t size : sizes) {
    if (size > kMostValues / values) {
      fail(fmt::format("expected at most {} values a sample, found shape {}", kMostValues, shape_of(array)));
    }
    values *= size;
  }
  constexpr std::size_t kImageAxes = 3;
  if (options.channels_last && sizes.size() != kImageAxes) {
    fail(fmt::format("expected four axes, as it is said where the channels are, found shape {}", shape_of(array)));
  }
  Layout layout;
  if (sizes.size() == 1) {
    layout.shape = {.channels = 1, .height = 1, .width = sizes[0]};
  } else if (sizes.size() == 2) {
    layout.shape = {.channels = 1, .height = sizes[0], .width = sizes[1]};
  } else if (sizes.size() == kImageAxes) {
    layout.channels_last = channels_come_last(array, options);
    layout.shape = layout.channels_last ? Shape{.channels = sizes[2], .height = sizes[0], .width = sizes[1]}
                                        : Shape{.channels = sizes[0], .height = sizes[1], .width = sizes[2]};
    layout.note = fmt::format("the axes of {} are taken as sample, {}", shape_of(array),
                              layout.channels_last ? "height, width, channel" : "channel, height, width");
  } else if (!options.shape) {
    fail(fmt::format("expected at most four axes, found shape {}; say what an image is (shape)", shape_of(array)));
  }
  if (options.shape) {
    if (options.shape->size() != values || (sizes.size() == kImageAxes && *options.shape != layout.shape)) {
      fail(fmt::format("expected samples of {}, found shape {}", text_of(*options.shape), shape_of(array)));
    }
    layout.shape = *options.shape;
  }
  return layout;
}

// The samples of an array as values.
template <class Value>
class SampleReader {
 public:
  SampleReader(Array& array, const Layout& layout, Missing missing)
      : array_(array), layout_(layout), missing_allowed_(missing != Missing::kRefuse), raw_(array) {}

  std::size_t row_bytes() const { return raw_.row_bytes(); }
  std::uint64_t rounded() const { return rounded_; }
  void finish() { raw_.finish(); }

  // Valid until the next call.
  std::span<const Value> read(std::size_t rows) {
    const std::uint8_t* const raw = raw_.read(rows);
    const std::size_t width = layout_.shape.size(), count = rows * width;
    std::span<const Value> values;
    if constexpr (std::is_same_v<Value, std::uint8_t>) {
      if (array_.element.kind == ElementKind::kUnsigned && array_.element.bytes == 1) values = {raw, count};
    }
    if (values.empty()) {
      values_.resize(count);
      const std::size_t sound = with_type(array_.element, [&](auto type) {
        return convert<decltype(type)>(raw, count, array_.element, missing_allowed_, values_.data(), rounded_);
      });
      if (sound < count) refuse(next_ + sound / width, sound % width, raw + sound * array_.element.bytes);
      values = values_;
    }
    next_ += rows;
    return layout_.channels_last ? turn(values, rows) : values;
  }

 private:
  // Channels first.
  std::span<const Value> turn(std::span<const Value> values, std::size_t rows) {
    turned_.resize(values.size());
    const std::size_t channels = layout_.shape.channels, pixels = layout_.shape.height * layout_.shape.width;
    for (std::size_t row = 0; row < rows; ++row) {
      const Value* from = values.data() + row * channels * pixels;
      Value* const to = turned_.data() + row * channels * pixels;
      for (std::size_t pixel = 0; pixel < pixels; ++pixel) {
        for (std::size_t channel = 0; channel < channels; ++channel) to[channel * pixels + pixel] = *from++;
      }
    }
    return turned_;
  }

  [[noreturn]] void refuse(std::uint64_t row, std::uint64_t value, const std::uint8_t* raw) const {
    const std::string found = text_of_number(array_.element, raw);
    std::string expected = "0 or 1", advice;
    if (array_.element.kind == ElementKind::kBool) {
    } else if (std::is_same_v<Value, std::uint8_t>) {
      expected = "a whole number from 0 to 255";
    } else if (found.ends_with("nan")) {
      expected = "a number";
      advice = "; say what missing values become (missing)";
    } else {
      expected = found.ends_with("inf") ? "a finite number" : "a number that a 32-bit float can hold";
    }
    array_.stream->fail(raw_.offset_of(row, value), fmt::format("expected {} as value {} of sample {}, found {}{}",
                                                                expected, value + 1, row + 1, found, advice));
  }

  Array& array_;
  const Layout& layout_;
  bool missing_allowed_;
  RawRows raw_;
  std::uint64_t next_ = 0, rounded_ = 0;
  std::vector<Value> values_, turned_;
};

// A label as text formats would have it. Throws Fault.
std::string text_of_label(const Element& element, const std::uint8_t* raw) {
  const auto fault = [&](const std::string& message) { return Fault{reinterpret_cast<const char*>(raw), message}; };
  if (element.kind == ElementKind::kBytesText) {
    const std::string_view text(reinterpret_cast<const char*>(raw), element.bytes);
    return std::string(text.substr(0, text.find_last_not_of('\0') + 1));
  }
  if (element.kind == ElementKind::kUnicodeText) {
    std::string text;
    std::size_t count = element.bytes / sizeof(std::uint32_t);
    const auto point = [&](std::size_t i) {
      return load<std::uint32_t>(raw + i * sizeof(std::uint32_t), element.big_endian);
    };
    while (count > 0 && point(count - 1) == 0) --count;
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint32_t code = point(i);
      if (code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) {
        throw fault(fmt::format("expected a label of Unicode characters, found {:#x}", code));
      }
      const auto add = [&](std::uint32_t bits) { text += static_cast<char>(bits); };
      if (code < 0x80) {
        add(code);
        continue;
      }
      add(code < 0x800 ? 0xC0 | code >> 6 : code < 0x10000 ? 0xE0 | code >> 12 : 0xF0 | code >> 18);
      if (code >= 0x10000) add(0x80 | (code >> 12 & 0x3F));
      if (code >= 0x800) add(0x80 | (code >> 6 & 0x3F));
      add(0x80 | (code & 0x3F));
    }
    return text;
  }
  if (element.kind != ElementKind::kFloat) {
    if (element.kind == ElementKind::kBool && *raw > 1) {
      throw fault(fmt::format("expected 0 or 1 as a label, found {}", *raw));
    }
    return text_of_number(element, raw);
  }
  const double number = with_type(
      element, [&](auto type) { return static_cast<double>(plain(load<decltype(type)>(raw, element.big_endian))); });
  constexpr double kMostWhole = 0x1p53;
  if (number != std::floor(number) || std::abs(number) > kMostWhole) {
    throw fault(fmt::format("expected a whole number as a label, found {}", number));
  }
  return fmt::format("{}", static_cast<std::int64_t>(number));
}

// The labels of an array as codes.
class LabelReader {
 public:
  LabelReader(Array& array, Labels& labels) : array_(array), labels_(labels), raw_(array) {
    if (array.part == Part::kTrain && is_text(array.element)) labels.take_as_text();
  }

  void finish() { raw_.finish(); }

  // Valid until the next call.
  std::span<const std::uint32_t> read(std::size_t count) {
    const std::uint8_t* const raw = raw_.read(count);
    codes_.clear();
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint8_t* const at = raw + i * array_.element.bytes;
      const std::string key(reinterpret_cast<const char*>(at), array_.element.bytes);
      const auto known = known_.find(key);
      codes_.push_back(known != known_.end() ? known->second : known_[key] = code(at, next_ + i));
    }
    next_ += count;
    labels_.count(array_.part, count);
    return codes_;
  }

 private:
  std::uint32_t code(const std::uint8_t* at, std::uint64_t row) {
    try {
      const std::string text = text_of_label(array_.element, at);
      if (text.empty()) throw Fault{nullptr, "expected a label, found nothing"};
      one_.clear();
      one_.number(text, reinterpret_cast<const char*>(at));
      return labels_.merge(one_, array_.part).front();
    } catch (const Fault& fault) {
      array_.stream->fail(raw_.offset_of(row, 0), fmt::format("{} (of sample {})", fault.message, row + 1));
    }
  }

  Array& array_;
  Labels& labels_;
  RawRows raw_;
  std::uint64_t next_ = 0;
  std::unordered_map<std::string, std::uint32_t> known_;  // by the element as it is stored
  BlockLabels one_;
  std::vector<std::uint32_t> codes_;
};

// What to do with rows that are no labels.
std::string advice_on_rows(Array& labels) {
  constexpr std::uint64_t kLookedAt = 1000;
  if (is_text(labels.element)) return {};
  if (!labels.stream->whole()) return "; if each row has one 1, at the class, take numpy.argmax(labels, 1)";
  RawRows raw(labels);
  const std::uint64_t width = labels.dimensions[1];
  for (std::uint64_t row = 0; row < std::min(labels.dimensions[0], kLookedAt); ++row) {
    std::uint64_t set = 0;
    for (std::uint64_t i = 0; i < width; ++i) {
      const std::uint8_t* const at = labels.stream->whole()->data() + raw.offset_of(row, i);
      set += with_type(labels.element,
                       [&](auto type) { return plain(load<decltype(type)>(at, labels.element.big_endian)) != 0; });
    }
    if (set != 1) return "; rows of several labels or none are of multi-label data, which psctl does not train";
  }
  return "; of rows with a 1 at the class take numpy.argmax(labels, 1)";
}

void check_labels(LabelledArray& array) {
  Array& labels = array.labels;
  const std::uint64_t samples = array.samples.dimensions[0];
  const auto& sizes = labels.dimensions;
  if (sizes.size() > 2 || (sizes.size() == 2 && sizes[1] != 1)) {
    labels.stream->fail(labels.shape_at,
                        fmt::format("expected one label for each of {} samples, found shape {}{}", samples,
                                    shape_of(labels), sizes.size() == 2 ? advice_on_rows(labels) : ""));
  }
  if (sizes[0] != samples) {
    labels.stream->fail(labels.shape_at, fmt::format("expected {} labels, one for each sample of {}, found {}", samples,
                                                     array.samples.name, sizes[0]));
  }
}

template <class Value>
std::uint64_t read_rows(LabelledArray& array, const Layout& layout, Missing missing, Labels& labels, Sink& sink) {
  SampleReader<Value> samples(array.samples, layout, missing);
  LabelReader codes(array.labels, labels);
  const std::size_t longest = std::max(samples.row_bytes(), array.labels.element.bytes);
  const std::size_t at_once = std::max<std::size_t>(1, kReadAtOnce / longest);
  for (std::uint64_t left = array.samples.dimensions[0]; left > 0;) {
    const std::size_t count = std::min<std::uint64_t>(left, at_once);
    Rows rows;
    if constexpr (std::is_same_v<Value, float>) {
      rows.floats = samples.read(count);
    } else {
      rows.bytes = samples.read(count);
    }
    rows.labels = codes.read(count);
    sink.add(rows);
    left -= count;
  }
  samples.finish();
  codes.finish();
  return samples.rounded();
}

}  // namespace

std::optional<std::uint64_t> bytes_of_elements(std::span<const std::uint64_t> dimensions, std::size_t element_bytes) {
  std::uint64_t bytes = element_bytes;
  for (const std::uint64_t size : dimensions) {
    if (size != 0 && bytes > kMostBytes / size) return std::nullopt;
    bytes *= size;
  }
  return bytes < kMostBytes ? std::optional(bytes) : std::nullopt;
}

LabelledFiles::LabelledFiles(std::span<const Input> inputs) {
  const auto open = [&](const std::filesystem::path& path, Part part) {
    files_.push_back(std::make_unique<TextFile>(Input{.path = path, .part = part, .labels = {}}));
    return files_.back()->text();
  };
  for (const Input& input : inputs) {
    LabelledText text{.samples = open(input.path, input.part), .labels = {}};
    if (!input.labels.empty()) text.labels = open(input.labels, input.part);
    texts_.push_back(std::move(text));
  }
}

void import_arrays(std::span<LabelledArray> arrays, const ImportOptions& options, Sink& sink,
                   std::vector<std::string> notes) {
  PSCTL_CHECK(!arrays.empty());
  const Array& first = arrays.front().samples;
  const Layout layout = lay_out(first, options);
  const auto values_of = [](const Array& array) { return is_byte(array.element) ? Values::kBytes : Values::kFloats; };
  const Values values = options.values.value_or(values_of(first));
  if (values == Values::kBytes && options.missing != Missing::kRefuse) {
    throw UserError("missing: expected no filling in when values are bytes; use floats");
  }
  for (LabelledArray& array : arrays) {
    const Array& samples = array.samples;
    const Layout other = lay_out(samples, options);
    if (other.shape != layout.shape || other.channels_last != layout.channels_last) {
      samples.stream->fail(samples.shape_at, fmt::format("expected samples as in {}, {}, found shape {}", first.name,
                                                         shape_of(first), shape_of(samples)));
    }
    if (!options.values && values_of(samples) != values) {
      samples.stream->fail(samples.shape_at,
                           fmt::format("expected {} as in {}, found {}; say what the values are (values)",
                                       name_of(first.element), first.name, name_of(samples.element)));
    }
    check_labels(array);
  }
  sink.begin({.shape = layout.shape, .values = values, .sparse = false});
  Labels labels;
  std::optional<Part> part;
  std::uint64_t rounded = 0, all = 0;
  for (LabelledArray& array : arrays) {
    if (part != array.samples.part) sink.begin_part(array.samples.part);
    part = array.samples.part;
    all += array.samples.dimensions[0] * layout.shape.size();
    rounded += values == Values::kBytes ? read_rows<std::uint8_t>(array, layout, options.missing, labels, sink)
                                        : read_rows<float>(array, layout, options.missing, labels, sink);
  }
  Summary summary{.classes = {}, .class_of = {}, .features = 0, .notes = std::move(notes)};
  if (!layout.note.empty()) summary.notes.push_back(layout.note);
  if (rounded > 0) {
    summary.notes.push_back(fmt::format("{} of {} values were rounded to 32-bit floats", rounded, all));
  }
  labels.summarise({.content = {}, .name = arrays.front().labels.name, .part = Part::kTrain}, summary);
  sink.end(summary);
}

}  // namespace psctl::data
