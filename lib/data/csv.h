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
// `delimiter` is a comma, a tab, a semicolon, a bar or a space, which stands for blanks, as many as there are; by
// default the one of the first three that gives the first two lines equally many fields, or else blanks. Lines at the
// beginning that # begins are comments. `header`: by default the first line names the columns if it holds words where
// features belong, and is a sample if it holds numbers there and a label that comes again. What cannot be told is
// refused: words beside numbers, a label that never comes again, numbers that count up. A first column without a name
// holds the names of rows, and so does one that the header leaves out; it is left out. `label` is the column of the
// label, by name or by number from 1; the last by default, unless another one is named label, class or target. Labels
// are numbers or words (Labels). A feature is a finite number; True or False, also in capitals or small letters, for 1
// or 0; or missing: nothing, ?, NA, N/A, NaN or null in any case of letters. With Values::kBytes it is a whole number
// from 0 to 255 and none may be missing. Blanks around a field that is not in quotes do not count, nor do empty lines.
// Every file has as many fields in every line, and the same header, if any.
//
// Throws UserError. Text is cut about every `block_size` bytes, which changes nothing but speed.
void import_csv(std::span<const Text> texts, const ImportOptions& options, Sink& sink,
                std::size_t block_size = kBlockSize);

}  // namespace psctl::data
