// Training, validation and test samples out of what a source brings; keyed, so that everyone draws the same.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "data/config.h"
#include "data/dataset.h"

namespace psctl::data {

// The parts of a data set.
struct Parts {
  Dataset train;
  std::optional<Dataset> validation, test;
};

// Takes data.test samples out of the training part, then leaves data.train_limit of it, then takes data.validation out:
// so the test part depends on nothing but its own count, and the validation part counts in the limit. All parts keep
// the order of the files. `name` is the source's, for messages. Throws UserError if there are not enough samples, or if
// the source brings a part that the configuration wants to be taken out.
void split(Parts& parts, const DataConfig& config, const std::string& name, std::uint64_t seed);

}  // namespace psctl::data
