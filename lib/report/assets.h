// The files of the page (page/), as they were when the program was built.
#pragma once

#include <string_view>

namespace psctl::report {

// Empty if there is none of that name.
std::string_view asset(std::string_view name);

}  // namespace psctl::report
