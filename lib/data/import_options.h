// What a user may say of files that are imported, on the command line and in a configuration.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "data/samples.h"

namespace psctl::data {

// What becomes of a value that is not there (an empty CSV field, NaN). kRefuse: the importer throws and names the
// place. Otherwise the importer hands over NaN and the sink fills: with 0, or with the feature's mean over the training
// part.
enum class Missing { kRefuse, kZero, kMean };

// Every option of every format; what is not set, the importer finds out from the file or refuses to guess.
struct ImportOptions {
  std::optional<Shape> shape = {};                // dense: how a row of that many values is an image
  std::optional<bool> channels_last = {};         // arrays of four axes: whether an image's channels are the last
  std::optional<Values> values = {};              // text: kBytes refuses what is no whole number from 0 to 255
  Missing missing = Missing::kRefuse;             //
  std::optional<std::string> label = {};          // CSV: column by name, or by number from 1; .npz: the array's name
  std::optional<bool> header = {};                // CSV: whether the first line names the columns
  std::optional<char> delimiter = {};             // CSV
  std::optional<std::uint32_t> first_index = {};  // LIBSVM: 0 or 1
  std::optional<std::uint64_t> features = {};     // LIBSVM: the width, at least what the file needs
};

// "3x32x32", "28x28" or "784", as CHANNELSxHEIGHTxWIDTH; nothing if it is none.
std::optional<Shape> parse_shape(std::string_view text);
std::string to_text(const Shape& shape);  // the shortest that parse_shape reads

}  // namespace psctl::data
