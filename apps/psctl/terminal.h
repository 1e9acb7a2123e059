// What people see: errors, one live line of progress on a terminal (plain lines elsewhere), and the table at the end.
#pragma once

#include <chrono>
#include <string>

#include "lead/lead.h"

namespace psctl::app {

// "psctl: error: ..." on standard error; red only on a terminal, never with NO_COLOR.
void print_error(const std::string& message);
void print_notice(const std::string& message);

// Of standard output. Colour of 24 bits is what COLORTERM promises, and only on a terminal and without NO_COLOR.
bool shows_true_colour();
std::size_t terminal_columns();  // of COLUMNS, or 80, where there is no terminal

class ProgressLine {
 public:
  ProgressLine(std::size_t workers, bool quiet);
  ~ProgressLine();  // leaves the terminal's line clean
  void show(const lead::Progress& progress);
  void show(const std::string& what, double share);  // "what: 42 %", on a terminal with a bar
  void show(const std::string& text);                // where the share is not known

 private:
  bool due();
  void draw(const std::string& line);

  bool quiet_, live_;
  std::size_t workers_;
  std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
  std::chrono::steady_clock::time_point next_{};
  bool shown_ = false;
};

// The end of a run, from summary.json's text: what came out, and a row a worker.
void print_summary(const std::string& summary, const std::string& folder);

}  // namespace psctl::app
