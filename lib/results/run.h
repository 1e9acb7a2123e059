// Run folders, as the runs that they hold: what became of each, its figures and its configuration. Reading ten thousand
// takes less than a second.
#pragma once

#include <cstddef>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace psctl::results {

enum class Status { kDone, kInterrupted, kFailed, kUnfinished };  // kUnfinished: no summary; it runs, or was killed
const char* name_of(Status status);                               // "done", "interrupted", "failed", "unfinished"

struct Evaluation {  // NaN: not a number in the file
  double time_s = 0, epoch = 0, train_loss = 0, test_loss = 0, accuracy = 0;
  std::uint64_t version = 0, samples = 0;
};

class Run {
 public:
  // The text of a summary.json. Throws UserError, with what is wrong in words that follow the path, if it is none.
  Run(std::string path, std::string_view summary);
  // Of a folder that has no summary. `known`: what there is of one, such as its configuration; may be empty.
  static Run unfinished(std::string path, std::string_view known = {});

  const std::string& path() const { return path_; }  // as it was found, without a slash at the end
  Status status() const { return status_; }
  // The strategy's name and its parameters that differ from their defaults: "ssp(staleness=8)".
  std::string label() const;

  // Of summary.json. Nothing where the key is absent or null, or the value of another type.
  std::optional<double> number(std::string_view key) const;
  bool flag(std::string_view key) const;                                // false where it is absent or null
  bool has(std::string_view key) const { return find(summary_, key); }  // also as null
  bool diverged() const { return flag("diverged"); }
  std::optional<std::string_view> text(std::string_view key) const;

  // A value of the configuration as people write it, a list as JSON; nothing if it has no such key. The key is dotted,
  // as in strategy.staleness; a number in it is an index of a list, as in stragglers.0.delay_ms.
  std::optional<std::string> config(std::string_view key) const;

  // Whichever of the two has the key, as text; the summary first. Nothing where it is absent or null.
  std::optional<std::string> value(std::string_view key) const;

  // Whether that value is a text in the file, such as a name that looks like a number.
  bool is_text(std::string_view key) const;

  // Of the sweep that it belongs to, such as search and own_best: what its plan has the run for. None where that has no
  // stages.
  const std::vector<std::string>& stages() const { return stages_; }
  void add_stage(std::string stage) { stages_.push_back(std::move(stage)); }

  // All of summary.json, with its configuration and its workers (of a run that is not finished the configuration), and
  // all of made.json; read anew each time. An empty object where there is no such file. Throws UserError, with what is
  // wrong in words that follow the path.
  nlohmann::ordered_json whole_summary() const;
  nlohmann::ordered_json made() const;

  // The rows of evals.csv, read anew each time; none where there is no such file. Throws WorldError if it is damaged.
  std::vector<Evaluation> evals() const;

  // In the order of the file; not those of lists and maps.
  std::vector<std::string_view> keys() const;
  std::vector<std::string_view> config_keys() const;

 private:
  friend class SummaryReader;
  enum class Kind : std::uint8_t { kNull, kFlag, kNumber, kText, kList };
  struct Field {
    std::uint32_t key_begin = 0, key_size = 0, value_begin = 0, value_size = 0;
    Kind kind = Kind::kNull;
  };

  explicit Run(std::string path) : path_(std::move(path)) {}
  const Field* find(std::span<const Field> fields, std::string_view key) const;
  std::string_view key_of(const Field& field) const { return {text_.data() + field.key_begin, field.key_size}; }
  std::string_view value_of(const Field& field) const { return {text_.data() + field.value_begin, field.value_size}; }

  std::string path_;
  Status status_ = Status::kUnfinished;
  std::vector<std::string> stages_;
  std::string text_;  // keys and values, one after the other
  std::vector<Field> summary_, config_;
};

struct Unreadable {
  std::string path;
  std::string why;
};

struct Found {
  std::vector<Run> runs;  // by path, runs of one folder in the order of the numbers in their names; each once
  std::vector<Unreadable> unreadable;  // runs, folders and plans of sweeps
  std::vector<std::string> missing;    // folders of runs that a sweep's plan has, and that are not there
};

// The runs that lie in these folders, at any depth: a folder with a summary.json or a config.yaml is a run, and nothing
// below it is looked at. Links to folders are not followed, except in `paths` themselves; nor are folders whose names
// begin with a dot, unless they are runs. Throws UserError for a path that is no folder.
Found find_runs(std::span<const std::string> paths);

// Of a folder without a summary: JSON with the keys of one that its config.yaml tells. An empty object if that does not
// say what a run needs.
std::string known_of_unfinished(const std::string& folder);

// What the folder of a run that is done lacks of the tables that its configuration asks for, with every row: "steps.csv
// is missing", "steps.csv has 0 of 300 rows". Empty if it lacks nothing.
std::string lacking(const Run& run);

// The run in this folder; nothing where there is neither summary.json nor config.yaml. Throws UserError, with what is
// wrong in words that follow the path, if it cannot be read.
std::optional<Run> read_run(const std::string& folder);

// One for each run: its label, and with it those parameters of its strategy that differ among the runs of that
// strategy, defaults or not.
std::vector<std::string> labels(std::span<const Run> runs);

}  // namespace psctl::results
