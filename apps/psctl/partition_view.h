// How a configuration's training samples are dealt to its workers, for people: a table and a picture.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "config/run_config.h"
#include "picture.h"

namespace psctl::app {

// Throws UserError unless the name ends in one of these, and its folder is there.
void check_output(const std::string& file, const std::vector<std::string>& endings);

class PartitionView {
 public:
  // Loads the data and cuts them. Throws UserError as data::load and data::partition do.
  explicit PartitionView(const config::RunConfig& config);

  void print() const;
  // Writes the file whole or not at all; by its ending, a picture or the table. Throws WorldError where it cannot be.
  void write(const std::string& file) const;

 private:
  struct Row {
    std::vector<std::size_t> counts;  // by class
    std::size_t samples = 0;
    double distance = 0;  // of its mix of classes from that of the whole
  };

  std::string class_name(std::size_t label) const;
  std::string table() const;
  std::string csv() const;
  std::string svg() const;
  Picture picture() const;

  std::string title_;
  std::size_t batch_size_;
  std::vector<std::string> class_names_;  // empty: the classes are numbers
  std::vector<Row> rows_;                 // by worker
  Row whole_;
  double by_chance_ = 0;  // the mean distance of an iid partition over the same workers
};

}  // namespace psctl::app
