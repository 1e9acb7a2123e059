// Numbers out of the CSV files of a run, by the names of their columns; fast, for files of many megabytes.
#pragma once

#include <string>
#include <vector>

namespace psctl::results {

using Column = std::vector<double>;

// A column for each name, in that order, all of the same length. An empty cell, or "nan", is NaN. Throws WorldError,
// naming file and line, for a file that cannot be read, a column that is not there and a cell that is no number; a last
// line without its end is left out, as a run that was killed may leave one.
std::vector<Column> read_columns(const std::string& path, const std::vector<std::string>& names);

}  // namespace psctl::results
