// LIBSVM's text format, also SVMlight's: a line a sample, "LABEL INDEX:VALUE INDEX:VALUE ... # comment". Samples stay
// sparse.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "data/import.h"
#include "data/text_blocks.h"

namespace psctl::data {

// Reads the texts, which are in the order of their parts, into the sink. Labels are numbers; indices ascend; values are
// finite; blank lines and comments count nothing. Without `first_index`, indices count from 1 unless a 0 turns up.
// Query ids (qid), several labels a sample, inf and nan are refused. Throws UserError. Text is cut about every
// `block_size` bytes, which changes nothing but speed.
void import_libsvm(std::span<const Text> texts, const ImportOptions& options, Sink& sink,
                   std::size_t block_size = kBlockSize);

}  // namespace psctl::data
