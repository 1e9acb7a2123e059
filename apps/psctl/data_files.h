// psctl data import, list and synth: data sets in files.
#pragma once

#include <memory>
#include <string>

#include "data/prepared.h"

namespace psctl::app {

int import_files(int argc, char** argv);
int list_formats(int argc, char** argv);
int synthesise_file(int argc, char** argv);
// A prepared file, or what a file or folder of a known format would be if it were imported, in memory.
std::shared_ptr<const data::Prepared> open_data(const std::string& file);

}  // namespace psctl::app
