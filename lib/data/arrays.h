// Arrays of numbers in files, as NumPy and IDX have them, the first axis the samples; and what makes a data set of an
// array of samples and one of labels. Rows stream by: neither array is held whole.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "data/byte_stream.h"
#include "data/import.h"

namespace psctl::data {

// Text is padded with zeros at its end: of bytes, or of 32-bit code points.
enum class ElementKind { kBool, kUnsigned, kSigned, kFloat, kBytesText, kUnicodeText };

struct Element {
  ElementKind kind = ElementKind::kUnsigned;
  std::size_t bytes = 1;
  bool big_endian = false;
};

struct Array {
  std::string name;                    // for messages about the array as a whole
  std::unique_ptr<ByteStream> stream;  // stands at the first element
  std::uint64_t first = 0;             // offset of the first element in the stream
  std::uint64_t shape_at = 0;          // where the header says the dimensions
  Element element;
  std::vector<std::uint64_t> dimensions;  // each at least 1; all elements take less than 2^62 bytes
  bool column_major = false;              // the first axis is the fastest, as in Fortran
  Part part = Part::kTrain;
};

// The bytes of all elements; nothing if they are 2^62 or more.
std::optional<std::uint64_t> bytes_of_elements(std::span<const std::uint64_t> dimensions, std::size_t element_bytes);

struct LabelledArray {
  Array samples, labels;
};

// A file of samples, and one of their labels if it is a file of its own.
struct LabelledText {
  Text samples;
  std::optional<Text> labels;
};

// The files of inputs, mapped.
class LabelledFiles {
 public:
  explicit LabelledFiles(std::span<const Input> inputs);
  std::span<const LabelledText> texts() const { return texts_; }

 private:
  std::vector<std::unique_ptr<TextFile>> files_;
  std::vector<LabelledText> texts_;
};

// Reads arrays, which are in the order of their parts, into the sink. Notes are added to.
//
// Samples are numbers or bools. Those of one byte without sign stay bytes unless `values` says floats; all others
// become 32-bit floats, rounded where these cannot hold them, which a note tells. Infinite ones are refused, NaN is a
// missing value. With Values::kBytes each is a whole number from 0 to 255.
//
// Axes after the first: (width), (height, width), or three that are an image's, channels first or last as
// `channels_last` says, or as is seen from one of them being at most 4 and the other two being larger. `shape` tells
// what an image is where the axes do not. Labels are whole numbers, bools or text (Labels), one for each sample in an
// array (n) or (n, 1).
//
// Throws UserError.
void import_arrays(std::span<LabelledArray> arrays, const ImportOptions& options, Sink& sink,
                   std::vector<std::string> notes = {});

// The options that import_arrays uses.
inline constexpr std::string_view kArrayOptions[] = {"shape", "channels", "values", "missing"};

}  // namespace psctl::data
