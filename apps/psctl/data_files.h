// psctl data import, list and synth: data sets in files.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "arguments.h"
#include "data/prepared.h"

namespace psctl::app {

int import_files(int argc, char** argv);
int list_formats(int argc, char** argv);
int synthesise_file(int argc, char** argv);

// What a user may say of files of a format: data.import of a configuration, as options.
std::vector<Option> import_options();
bool any_import_option(const Arguments& arguments);
// A prepared file, or what a file or folder of a known format would be if it were imported with the options given, in
// memory. `arguments` know import_options().
std::shared_ptr<const data::Prepared> open_data(const std::string& file, const Arguments& arguments);

}  // namespace psctl::app
