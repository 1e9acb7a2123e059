// psctl data import, list, synth and inspect FILE: data sets in files.
#pragma once

#include <string>

#include "data/prepared.h"

namespace psctl::app {

int import_files(int argc, char** argv);
int list_formats(int argc, char** argv);
int synthesise_file(int argc, char** argv);
// What the header of a prepared file says.
void print_facts(const data::Prepared& prepared);
// What is in a prepared file, or would be if the file were imported.
void inspect_file(const std::string& path, bool check);

}  // namespace psctl::app
