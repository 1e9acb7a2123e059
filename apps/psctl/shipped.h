// What comes with the binary and is no part of it: scripts that draw, presets.
#pragma once

#include <string>

namespace psctl::app {

// share/psctl/NAME beside an installed binary, if it is there; else `in_sources`, of which this binary was built.
std::string shipped(const std::string& name, const std::string& in_sources);

// The Python that draws: the one that PSCTL_PYTHON names, else Debian's. Not the first python3 of PATH, which may be
// one without Debian's packages.
std::string drawing_python();

}  // namespace psctl::app
