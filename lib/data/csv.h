// CSV and TSV: a line a sample, one column its label, all others numbers. As RFC 4180 has it: a field in quotes may
// hold delimiters, line ends, and quotes written twice.
#pragma once

#include <cstddef>
#include <span>

#include "data/import.h"
#include "data/text_blocks.h"

namespace psctl::data {

// Reads the texts, which are in the order of their parts, into the sink.
//
// `delimiter` is a comma, a tab, a semicolon or a bar; by default the one of the first three that gives the first two
// lines equally many fields. `header`: by default the first line names the columns if it holds words where features
// belong, and is a sample if it holds numbers there; if it holds both it must be said. `label` is the column of the
// label, by name or by number from 1; the last by default. Labels are numbers or words (Labels). A feature is a finite
// number, or missing: nothing, ?, NA, N/A, NaN or null in any case of letters. With Values::kBytes it is a whole number
// from 0 to 255 and none may be missing. Blanks around a field that is not in quotes do not count, nor do empty lines.
// Every file has as many fields in every line, and the same header, if any.
//
// Throws UserError. Text is cut about every `block_size` bytes, which changes nothing but speed.
void import_csv(std::span<const Text> texts, const ImportOptions& options, Sink& sink,
                std::size_t block_size = kBlockSize);

}  // namespace psctl::data
