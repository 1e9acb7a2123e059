// What people see of a sweep while it runs: on a terminal the runs under way in a few lines that are drawn anew, and a
// line for each that has ended; elsewhere those lines alone. A terminal that is gone is no error.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>

#include "sweep/runner.h"

namespace psctl::app {

// To standard output; what cannot be written is lost.
void say(const std::string& text);

// "850 ms", "12.3 s", "4 min 10 s", "3 h 5 min".
std::string duration_text(double seconds);

class SweepView {
 public:
  explicit SweepView(bool quiet);
  ~SweepView() { clear(); }
  void clear();  // of what is drawn, before anything else is said
  void show(const sweep::Progress& progress);
  void note(const std::string& text);

 private:
  void draw(const sweep::Progress& progress);

  bool quiet_, live_;
  std::size_t drawn_ = 0;  // lines that are to be drawn over
  std::chrono::steady_clock::time_point next_{};
};

}  // namespace psctl::app
