// psctl data fetch: public data sets by name.
#pragma once

namespace psctl::app {

int fetch_set(int argc, char** argv);
// The sets that are known by name, and where they are on this machine.
void print_catalogue();

}  // namespace psctl::app
