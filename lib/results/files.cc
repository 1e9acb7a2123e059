// The other files of a run's folder: its evaluations, what it was made by, and whether its tables are complete.
#include <algorithm>
#include <array>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "config/config.h"
#include "config/json.h"
#include "results/columns.h"
#include "results/run.h"
#include "sync/registry.h"

namespace psctl::results {
namespace {

using Json = nlohmann::ordered_json;

Json read_object(const std::string& folder, const char* name) {
  std::ifstream file(folder + "/" + name, std::ios::binary);
  if (!file) return Json::object();
  Json object = config::parse_json(std::string(std::istreambuf_iterator<char>(file), {}));
  if (!object.is_object()) throw UserError(fmt::format("{} is damaged", name));
  return object;
}

// Lines behind the first one, whose end is there; nothing if there is no such file.
std::optional<std::uint64_t> rows_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::nullopt;
  std::uint64_t lines = 0;
  std::vector<char> piece(std::size_t{1} << 18);
  while (file.read(piece.data(), static_cast<std::streamsize>(piece.size())) || file.gcount() > 0) {
    lines += static_cast<std::uint64_t>(std::count(piece.begin(), piece.begin() + file.gcount(), '\n'));
  }
  return lines > 0 ? lines - 1 : 0;
}

}  // namespace

Json Run::whole_summary() const {
  if (status_ == Status::kUnfinished) return Json::parse(known_of_unfinished(path_));
  return read_object(path_, "summary.json");
}
Json Run::made() const { return read_object(path_, "made.json"); }

std::vector<Evaluation> Run::evals() const {
  const std::string path = path_ + "/evals.csv";
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return {};
  const std::vector<Column> columns =
      read_columns(path, {"time_s", "version", "epoch", "samples", "train_loss", "test_loss", "test_accuracy"});
  const auto whole = [](double value) { return value > 0 ? static_cast<std::uint64_t>(value) : 0; };
  std::vector<Evaluation> evals(columns.front().size());
  for (std::size_t i = 0; i < evals.size(); ++i) {
    evals[i] = {.time_s = columns[0][i],
                .epoch = columns[2][i],
                .train_loss = columns[4][i],
                .test_loss = columns[5][i],
                .accuracy = columns[6][i],
                .version = whole(columns[1][i]),
                .samples = whole(columns[3][i])};
  }
  return evals;
}

std::string known_of_unfinished(const std::string& folder) {
  const std::string path = folder + "/config.yaml";
  Json known = Json::object();
  try {
    const config::RunConfig config = config::load_text(config::read_file(path), path).run;
    known["strategy"] = config.strategy.name;
    known["strategy_label"] = sync::label(config.strategy);
    known["clock"] = config.clock == config::Clock::kVirtual ? "virtual" : "real";
    known["seed"] = config.seed;
    known["config"] = Json::parse(config::to_json(config));
  } catch (const Error&) {
    // cut off, or of another version of psctl
  }
  return known.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string lacking(const Run& run) {
  struct Table {
    const char* name;
    bool wanted;
    double rows;     // at least
    bool all_known;  // the number is exact
  };
  const double pushes = run.number("pushes").value_or(0);
  const double evaluations = run.number("final_accuracy") ? 1 : 0;
  const Table tables[] = {
      {"steps.csv", run.config("trace.steps") == "true", pushes, true},
      {"decisions.csv", run.config("trace.decisions") == "true", pushes, false},
      {"evals.csv", evaluations > 0, evaluations, false},
  };
  for (const Table& table : tables) {
    if (!table.wanted) continue;
    const auto rows = rows_of(run.path() + "/" + table.name);
    if (!rows) return fmt::format("{} is missing", table.name);
    const auto there = static_cast<double>(*rows);
    if (there < table.rows) {
      return table.all_known ? fmt::format("{} has {} of {} rows", table.name, *rows, table.rows)
                             : fmt::format("{} has lost rows: {} are left", table.name, *rows);
    }
  }
  return {};
}

}  // namespace psctl::results
