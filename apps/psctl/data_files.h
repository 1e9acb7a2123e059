// psctl data import, list and inspect FILE: data sets in files.
#pragma once

#include <string>

namespace psctl::app {

int import_files(int argc, char** argv);
int list_formats(int argc, char** argv);
// What is in a prepared file, or would be if the file were imported.
void inspect_file(const std::string& path, bool check);

}  // namespace psctl::app
