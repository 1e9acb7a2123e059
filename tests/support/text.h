// Looking for words in messages.
#pragma once

#include <string>

namespace psctl::test {

inline bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace psctl::test
