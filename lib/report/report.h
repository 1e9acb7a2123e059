// One page of HTML about runs, which needs nothing but itself: the data, the drawing and the style are in it.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace psctl::report {

struct Run {
  std::string folder;
  std::string label = {};  // of its strategy; empty: as its summary tells it
};

// Something that a reader must know: what could not be read, say.
struct Problem {
  std::string path;
  std::string text;
};

struct Request {
  std::string title = {};
  std::string version;  // of psctl
  std::vector<Run> runs = {};
  std::vector<Problem> problems = {};
  std::string note = {};                            // what a reader must know of all of it
  std::function<void(double share)> progress = {};  // from several threads, one at a time
};

struct Page {
  std::string html;
  std::size_t runs = 0;              // that are on it
  std::vector<Problem> problems;     // those of the request, and those that were met
  std::vector<std::string> thinned;  // what was left out to keep the page small, and by which rule
};

// Whatever a run's files say stands in the page as text and never as markup or script. A run whose summary cannot be
// read is a problem and not on the page; one of which other files cannot be read is there without them.
Page make_page(const Request& request);

}  // namespace psctl::report
