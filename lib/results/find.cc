// Finding runs below folders, and reading them on all cores.
#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <tbb/parallel_for.h>

#include "base/error.h"
#include "config/json.h"
#include "results/run.h"

namespace fs = std::filesystem;

namespace psctl::results {
namespace {

// What became of one folder.
struct Looked {
  std::optional<Run> run;
  std::string why;                 // it is a run that cannot be read
  std::vector<std::string> below;  // it is none: the folders in it
};

std::string joined(const std::string& folder, const std::string& name) {
  return folder == "/" ? folder + name : folder + "/" + name;
}

// Whether a run lies there, with its text if it can be read.
struct Text {
  bool there = false;
  std::optional<std::string> text;
  std::string why;
};
Text read(const std::string& path) {
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  // Of a pipe that nobody writes into there is nothing to wait for.
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (descriptor < 0) {
    if (errno == ENOENT || errno == ENOTDIR) return {};
    return {.there = true, .text = {}, .why = std::strerror(errno)};
  }
  const std::unique_ptr<std::FILE, Close> file(::fdopen(descriptor, "rb"));
  std::string text;
  std::size_t size = 0;
  constexpr std::size_t kPiece = std::size_t{1} << 14, kLargest = std::size_t{1} << 30;
  while (true) {
    text.resize(size + kPiece);
    errno = 0;
    const std::size_t count = std::fread(text.data() + size, 1, kPiece, file.get());
    size += count;
    if (size > kLargest) return {.there = true, .text = {}, .why = "it is larger than 1 GiB"};
    if (count == kPiece) continue;
    if (std::ferror(file.get()) != 0) return {.there = true, .text = {}, .why = std::strerror(errno)};
    text.resize(size);
    return {.there = true, .text = std::move(text), .why = {}};
  }
}

Looked look(const std::string& folder, bool descend) {
  Looked looked;
  const Text summary = read(joined(folder, "summary.json"));
  if (summary.text) {
    try {
      looked.run.emplace(folder, *summary.text);
    } catch (const UserError& error) {
      looked.why = error.what();
    }
    return looked;
  }
  if (summary.there) {
    looked.why = "summary.json cannot be read: " + summary.why;
    return looked;
  }
  std::error_code error;
  if (fs::exists(joined(folder, "config.yaml"), error)) {
    looked.run.emplace(Run::unfinished(folder, known_of_unfinished(folder)));
    return looked;
  }
  if (!descend) return looked;
  fs::directory_iterator entries(folder, error);
  if (error) looked.why = "cannot be opened: " + error.message();
  for (; !error && entries != fs::directory_iterator(); entries.increment(error)) {
    std::error_code ignored;
    if (entries->is_directory(ignored) && !entries->is_symlink(ignored)) {
      looked.below.push_back(entries->path().filename().string());
    }
  }
  return looked;
}

// Numbers in names count as numbers: run-9 comes before run-10.
bool comes_before(std::string_view a, std::string_view b) {
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  std::size_t i = 0, j = 0;
  while (i < a.size() && j < b.size()) {
    if (!digit(a[i]) || !digit(b[j])) {
      if (a[i] != b[j]) return a[i] < b[j];
      ++i, ++j;
      continue;
    }
    const auto number = [&](std::string_view text, std::size_t& at) {
      while (at + 1 < text.size() && text[at] == '0' && digit(text[at + 1])) ++at;
      const std::size_t begin = at;
      while (at < text.size() && digit(text[at])) ++at;
      return text.substr(begin, at - begin);
    };
    const std::string_view first = number(a, i), second = number(b, j);
    if (first.size() != second.size()) return first.size() < second.size();
    if (first != second) return first < second;
  }
  if (a.size() - i != b.size() - j) return a.size() - i < b.size() - j;
  return a < b;  // the same but for zeros in front
}

// What a sweep's plan says of its runs. Nothing if there is no plan.
struct Plan {
  struct Planned {
    std::string folder, stage;
  };
  std::vector<Planned> runs;
  std::string why;  // it cannot be read
};
std::optional<Plan> read_plan(const std::string& sweep) {
  const Text text = read(joined(sweep, "plan.json"));
  if (!text.there) return std::nullopt;
  Plan plan;
  if (!text.text) {
    plan.why = "plan.json cannot be read: " + text.why;
    return plan;
  }
  const auto json = config::parse_json(*text.text);
  const auto is_text = [](const nlohmann::ordered_json& run, const char* key) {
    return run.is_object() && run.contains(key) && run[key].is_string();
  };
  if (!json.is_object() || !json.contains("runs") || !json["runs"].is_array()) {
    plan.why = "plan.json is not the plan of a sweep";
    return plan;
  }
  for (const auto& run : json["runs"]) {
    if (!is_text(run, "folder")) {
      plan.why = "plan.json is not the plan of a sweep";
      return plan;
    }
    plan.runs.push_back({joined(sweep, run["folder"].get<std::string>()),
                         is_text(run, "stage") ? run["stage"].get<std::string>() : ""});
  }
  return plan;
}

std::string parent_of(const std::string& path) { return fs::path(path).parent_path().string(); }

// Gives the runs their stages, and tells which are missing in the sweeps that were looked into.
void follow_plans(Found& found, const std::set<std::string>& looked_into) {
  std::set<std::string> sweeps = looked_into;
  std::map<std::string, Run*> by_path;
  for (Run& run : found.runs) {
    by_path[run.path()] = &run;
    sweeps.insert(parent_of(parent_of(run.path())));
  }
  std::set<std::string> told;
  for (const Unreadable& unreadable : found.unreadable) told.insert(unreadable.path);
  for (const std::string& sweep : sweeps) {
    const auto plan = read_plan(sweep.empty() ? "." : sweep);
    if (!plan) continue;
    if (!plan->why.empty()) found.unreadable.push_back({sweep, plan->why});
    for (const auto& [folder, stage] : plan->runs) {
      const auto run = by_path.find(folder);
      if (run == by_path.end()) {
        if (looked_into.contains(sweep) && told.insert(folder).second) found.missing.push_back(folder);
      } else if (!stage.empty()) {
        run->second->add_stage(stage);
      }
    }
  }
}

std::string without_slash(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

}  // namespace

std::optional<Run> read_run(const std::string& folder) {
  Looked looked = look(without_slash(folder), false);
  if (!looked.why.empty()) throw UserError(looked.why);
  return std::move(looked.run);
}

Found find_runs(std::span<const std::string> paths) {
  struct Place {
    std::string path;
    std::string real;  // the same without links, so that no run is found twice
    bool descend = true;
  };
  std::vector<Place> places;
  for (const std::string& path : paths) {
    std::error_code error;
    const auto status = fs::status(path, error);
    if (status.type() == fs::file_type::not_found) throw UserError(fmt::format("{}: there is no such folder", path));
    if (error) throw UserError(fmt::format("{}: cannot be opened: {}", path, error.message()));
    if (status.type() != fs::file_type::directory) {
      throw UserError(fmt::format("{}: this is no folder; name the folder of a run, or one with runs in it", path));
    }
    const std::string real = fs::canonical(path, error).string();
    places.push_back({without_slash(path), error ? path : real});
  }

  Found found;
  std::set<std::string> seen, looked_into;
  while (!places.empty()) {
    std::erase_if(places, [&](const Place& place) { return !seen.insert(place.real).second; });
    std::vector<Looked> looked(places.size());
    tbb::parallel_for(std::size_t{0}, places.size(),
                      [&](std::size_t i) { looked[i] = look(places[i].path, places[i].descend); });
    std::vector<Place> next;
    for (std::size_t i = 0; i < places.size(); ++i) {
      if (looked[i].run) {
        found.runs.push_back(std::move(*looked[i].run));
      } else {
        looked_into.insert(places[i].path);
      }
      if (!looked[i].why.empty()) found.unreadable.push_back({places[i].path, looked[i].why});
      for (const std::string& name : looked[i].below) {
        next.push_back({joined(places[i].path, name), joined(places[i].real, name), name[0] != '.'});
      }
    }
    places = std::move(next);
  }
  follow_plans(found, looked_into);
  std::ranges::sort(found.runs, comes_before, &Run::path);
  std::ranges::sort(found.unreadable, comes_before, &Unreadable::path);
  return found;
}

}  // namespace psctl::results
