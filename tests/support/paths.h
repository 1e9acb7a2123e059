// Where the tests find the source tree and the program. The values come in through support/main.cc alone, so that a
// test is compiled the same way wherever the tree lies.
#pragma once

#include <string>

namespace psctl::test {

extern const char* const kSource;  // the top of the source tree
extern const char* const kBinary;  // the psctl program of this build

// A file or folder of the source tree: source_path("configs/vectors.yaml").
inline std::string source_path(const std::string& path) { return std::string(kSource) + "/" + path; }

}  // namespace psctl::test
